"""What tests of stories know of people: what they do, and what must come of it."""

import pytest

pytest.register_assert_rewrite(
    "properties.actions", "properties.fleet", "properties.town", "properties.world"
)
