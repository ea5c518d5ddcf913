"""How many stories Hypothesis makes up."""

import os

from hypothesis import HealthCheck, settings


def examples(usual: int) -> settings:
    """Return settings for so many stories, the same each time.

    With PROPERTY_EXAMPLES=1000 in the environment they are that many others.
    """
    wanted = int(os.environ.get("PROPERTY_EXAMPLES", "0"))
    return settings(
        max_examples=wanted or usual,
        derandomize=not wanted,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],
    )
