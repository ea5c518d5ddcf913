"""What the questions of the template were answered with, as Copier recorded it."""

import re
from functools import cache

from app.dev.paths import ROOT

FILE = ROOT / ".copier-answers.yml"


@cache
def recorded_answers() -> dict[str, str]:
    """Return the answers by their questions, as they are written; none without the file."""
    try:
        text = FILE.read_text(encoding="utf-8")
    except OSError:
        return {}
    # Each is a word on a line of its own, so no parser of YAML has to be installed.
    return dict(re.findall(r"(?m)^(\w+): ['\"]?(.*?)['\"]?$", text))
