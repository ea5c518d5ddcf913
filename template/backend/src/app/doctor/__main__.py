"""`python -m app.doctor`, the same as `uv run doctor`."""

from app.doctor import main

main()
