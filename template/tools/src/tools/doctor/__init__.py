"""`uv run doctor`: says, layer by layer, what is wrong with the project, and mends what it can."""

from tools.doctor.command import main

__all__ = ["main"]
