"""Variants, started as their owner starts them, conversing through the page's server."""

import pytest
from chat import Chat, Json, visit
from conftest import Installed
from conversation import converse
from running import dev, kill_server, nothing_stays
from transcript import transcript
from variants import STARTED, Variant


@pytest.mark.parametrize("variant", STARTED, ids=str)
def test_it_converses_and_forgets_nothing(
    installed: Installed, usual_transcript: list[Json], variant: Variant
) -> None:
    project = installed(variant)
    with dev(project) as running:
        assert transcript(visit(running.wait_for_address())) == usual_transcript
        chat = visit(running.wait_for_address())
        thread_id = converse(chat)
        items = chat.items(thread_id)
        assert len(items) == 4
        kill_server(running.backend_port)
        nothing_stays(running, project)
        assert running.process.returncode not in (0, 130)
        assert "The backend stopped" in running.output
    with dev(project) as running:
        address = running.wait_for_address()
        again = Chat(f"{address}/api/chatkit", chat.headers)
        assert again.items(thread_id) == items
        again.say("Still there?", thread_id)
        assert visit(address).ask("threads.list")["data"] == []
