"""The backend of the page's tests, which are in ../frontend/tests/page.

It answers as the demo assistant, on an empty database of the project's kind, until its input ends.
"""

import json
import sys
import tempfile
from pathlib import Path

from contract.serving import DEMO, SECRET, alembic, empty_database, environment, run_server


def main() -> None:
    """Print, as a line of JSON, where it answers and the secret that it shares with the page."""
    with tempfile.TemporaryDirectory() as folder, empty_database(Path(folder)) as url:
        migrated = alembic("upgrade", "head", env=environment(url))
        if migrated.returncode:
            sys.exit(migrated.stderr)
        with run_server(url, None, **DEMO) as server:
            print(json.dumps({"address": server.address, "secret": SECRET}), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
