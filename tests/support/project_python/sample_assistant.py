"""The assistant of a recipe, with a model that plays `SCRIPT` of its test, for the page's tests.

If the test has a `title`, it answers the requests for titles.
test_samples.py puts it into a project in place of contract/assistant.py.
"""

import os
from collections import deque

import test_sample
from contract.fake_model import run_fake_model

running = run_fake_model()
model = running.__enter__()
model.script = deque(test_sample.SCRIPT)
model.besides = getattr(test_sample, "title", None)
os.environ.update(model.settings)

from app.assistant import act, respond  # noqa: E402

__all__ = ["act", "respond"]
