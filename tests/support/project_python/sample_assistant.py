"""The assistant of a recipe, with a model that plays `SCRIPT` of its test, for the page's tests.

test_samples.py puts it into a project in place of contract/assistant.py.
"""

import os
from collections import deque

from contract.fake_model import run_fake_model
from test_sample import SCRIPT

running = run_fake_model()
model = running.__enter__()
model.script = deque(SCRIPT)
os.environ.update(model.settings)

from app.assistant import act, respond  # noqa: E402

__all__ = ["act", "respond"]
