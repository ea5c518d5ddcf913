"""Variants, started as its owner starts it, conversing through the page's server."""

import psutil
import pytest
from backend import migrate, run_backend
from chat import Chat, Json, is_delta, text_of, visit
from conftest import Installed
from running import dev, nothing_stays
from transcript import transcript
from variants import DEFAULT, RUN, Variant


def converse(chat: Chat) -> str:
    """Hold a conversation of two turns and return the id of its thread."""
    with chat.say_slowly("Tell me about proxies") as events:
        thread_id: str = next(events)["thread"]["id"]
        first = next(filter(is_delta, events))
        assert [item["type"] for item in chat.items(thread_id)] == ["user_message"], (
            "the first delta came when the answer was over"
        )
        rest = list(events)
    answer = text_of(rest[-1]["item"])
    assert answer.startswith(first["update"]["delta"])
    assert "Tell me about proxies" in answer

    listed = chat.ask("threads.list", limit=9999)["data"]
    assert [(thread["id"], thread["title"]) for thread in listed] == [
        (thread_id, "Tell me about proxies")
    ]
    loaded = chat.ask("threads.get_by_id", thread_id=thread_id)["items"]["data"]
    assert [text_of(item) for item in loaded] == ["Tell me about proxies", answer]
    chat.say("And about databases", thread_id)
    return thread_id


@pytest.fixture(scope="session")
def usual_transcript(project_of: Installed, tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """What is heard from the default variant: any two are alike if both are like it."""
    project = project_of(DEFAULT)
    project.run("uv", "sync", "--quiet")
    folder = tmp_path_factory.mktemp("usual")
    url = migrate(project, folder / "chat.db")
    with run_backend(project, folder / "log", DATABASE_URL=url, OPENAI_API_KEY="") as backend:
        return transcript(backend.chat)


@pytest.mark.parametrize("variant", RUN, ids=str)
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
        kill_backend(running.backend_port)
        nothing_stays(running, project)
        assert running.process.returncode not in (0, 130)
        assert "The backend stopped" in running.output
    with dev(project) as running:
        address = running.wait_for_address()
        again = Chat(f"{address}/api/chatkit", chat.headers)
        assert again.items(thread_id) == items
        again.say("Still there?", thread_id)
        assert visit(address).ask("threads.list")["data"] == []


def kill_backend(port: int) -> None:
    """End what serves the backend with SIGKILL."""
    servers = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN"
    }
    assert servers
    for pid in servers:
        psutil.Process(pid).kill()
