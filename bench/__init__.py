"""Measurements, each a ratio against something else in the same run.

They work with projects as the tests do, and with the tests' helpers.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "template" / "backend" / "tests")]
