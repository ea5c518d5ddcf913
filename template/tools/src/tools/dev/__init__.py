"""`uv run dev`: installs, migrates, starts both sides, prints one address."""

from tools.dev.command import main

__all__ = ["main"]
