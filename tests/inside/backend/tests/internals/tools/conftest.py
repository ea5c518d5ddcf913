"""Copies of the project, to be broken, and what stands between the doctor and a backend."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.serving import DEMO, SECRET, Server, empty_database, run_server

from internals.tools.between import Between, stand_between
from internals.tools.patient import Patient, make_patient


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """A copy of the project, as somebody has just cloned it."""
    return make_patient(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def healthy(clone: Patient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    """A copy of the project with settings and a migrated database, which nobody may break."""
    folder = tmp_path_factory.mktemp("healthy")
    patient = clone.copy(folder)
    with empty_database(folder) as url:
        patient.settle(url, SECRET)
        yield patient


@pytest.fixture
def patient(healthy: Patient, tmp_path: Path) -> Patient:
    """A copy of the project, to be broken; a database that is not a file is shared."""
    return healthy.copy(tmp_path)


@pytest.fixture
def patient_alone(clone: Patient, tmp_path: Path) -> Iterator[Patient]:
    """A copy of the project with a database of its own, to be broken."""
    patient = clone.copy(tmp_path)
    with empty_database(tmp_path) as url:
        patient.settle(url, SECRET)
        yield patient


@pytest.fixture(scope="session")
def backend(healthy: Patient) -> Iterator[Server]:
    """The backend of the healthy project."""
    with run_server(healthy.url, None, **DEMO) as running:
        yield running


@pytest.fixture
def between(backend: Server) -> Iterator[Between]:
    """What stands in for the page in front of it, or for a backend that errs."""
    with stand_between(backend.address, SECRET) as running:
        yield running
