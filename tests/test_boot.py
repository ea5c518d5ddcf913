"""Variants, started as their owner starts them, conversing through the page's server."""

import pytest
from conftest import Installed
from contract.chat import Json, visit
from support.conversation import converse, transcript
from support.dev import dev, nothing_stays
from support.ports import kill_server
from support.variants import STARTED, Variant


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
