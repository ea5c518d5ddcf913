"""Projects in production mode, which end with the attacks: other tests count what runs in them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest
from conftest import Installed
from contract.chat import UNLIMITED
from support.deployed import Deployed, deployed
from support.variants import Variant

DeployedOf = Callable[[Variant], Deployed]


@pytest.fixture(scope="package")
def deployed_of(built: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedOf]:
    """Return a variant's project in production mode.

    It is shared, and so has no limits: a test that needs some, or breaks something, runs its own.
    """
    with ExitStack() as stack:

        @cache
        def get(variant: Variant) -> Deployed:
            folder = tmp_path_factory.mktemp("deployed")
            return stack.enter_context(deployed(built(variant), folder, UNLIMITED))

        yield get
