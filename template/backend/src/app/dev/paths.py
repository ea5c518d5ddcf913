"""Where things lie."""

from app.settings import BACKEND

ROOT = BACKEND.parent
FRONTEND = ROOT / "frontend"
