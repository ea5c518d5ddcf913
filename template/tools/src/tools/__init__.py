"""What is typed while one works on the project: dev, check, doctor, copy-database."""

from pathlib import Path

# Found without the kit: `uv run dev` has nothing slow to import before it hears of Ctrl-C.
ROOT = Path(__file__).resolve().parents[3]
FRONTEND = ROOT / "frontend"
