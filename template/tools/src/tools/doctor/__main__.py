"""`python -m tools.doctor`, the same as `uv run doctor`."""

from tools.doctor import main

main()
