"""What is typed while one works on the project: dev, check, doctor, copy-database."""

from kit.settings import BACKEND

ROOT = BACKEND.parent
FRONTEND = ROOT / "frontend"
