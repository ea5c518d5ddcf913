"""Where things lie."""

from kit.settings import BACKEND

ROOT = BACKEND.parent
FRONTEND = ROOT / "frontend"
