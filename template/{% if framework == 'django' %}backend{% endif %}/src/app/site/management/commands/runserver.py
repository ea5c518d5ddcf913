"""`manage.py runserver` over ASGI, because Django's own command cannot stream."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from kit import serve


class Command(BaseCommand):
    """Serves only the backend, as `uv run serve` does."""

    help = __doc__

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Serve until stopped."""
        sys.argv = ["serve"]
        serve.main()
