"""Variants, started as their owner starts them, conversing through the page's server."""

import pytest
from chat import Json, visit
from conftest import Installed
from conversation import converse
from running import dev, kill_server, nothing_stays
from transcript import transcript
from variants import STARTED, Variant


@pytest.mark.parametrize("variant", STARTED, ids=str)
def test_it_converses(installed: Installed, usual_transcript: list[Json], variant: Variant) -> None:
    """That nothing is forgotten, test_clone.py and test_production.py show."""
    project = installed(variant)
    with dev(project) as running:
        address = running.wait_for_address()
        assert transcript(visit(address)) == usual_transcript
        converse(visit(address))
        kill_server(running.backend_port)
        nothing_stays(running, project)
        assert running.process.returncode not in (0, 130)
        assert "The backend stopped" in running.output
