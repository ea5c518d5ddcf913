"""Django's command line: `uv run manage.py createsuperuser`, and so on."""

import os
import sys

from django.core.management import execute_from_command_line

from kit.errors import StartupError


def main() -> None:
    """Run a command of Django's; exit with a sentence when a setting is wrong."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.site.settings")
    try:
        execute_from_command_line(sys.argv)
    except StartupError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
