"""What test_properties.py knows of people: what they do, and what must come of it."""

import pytest

pytest.register_assert_rewrite("properties.actions", "properties.town", "properties.world")
