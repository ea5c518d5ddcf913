"""What a conversation of the doctor with a project that runs leaves behind: nothing."""

import pytest
from contract.serving import Server, free_port

from internals.tools.between import Between
from internals.tools.patient import Examination, Patient


def talked(examination: Examination) -> dict[str, str]:
    return {
        name: found["outcome"]
        for name, found in examination.findings.items()
        if name.startswith("round-trip.")
    }


@pytest.mark.parametrize("way", ["through the page", "straight"])
def test_a_round_trip_leaves_nothing_behind(
    healthy: Patient, backend: Server, between: Between, way: str
) -> None:
    page = between.port if way == "through the page" else str(free_port())
    before = backend.sql("SELECT count(*) FROM conversations")
    examination = healthy.converse(BACKEND_PORT=backend.port, FRONTEND_PORT=page)
    assert set(talked(examination).values()) == {"PASS"}
    assert len(talked(examination)) == 13
    assert (page in examination["round-trip.answer"]["words"]) == (way == "through the page")
    assert backend.sql("SELECT count(*) FROM conversations") == before
