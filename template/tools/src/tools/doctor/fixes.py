"""What `--fix` mends: only what can be mended without a decision, and nothing else."""

import re
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from alembic.script import ScriptDirectory
from alembic.util import rev_id

from kit.database.engine import alembic_config, applied_migrations, framework_tables, migrate
from kit.env_files import complete_env_files
from kit.settings import BACKEND
from tools import ROOT
from tools.dev import ports
from tools.doctor.layers import database
from tools.doctor.layers.database import TWO_HEADS, ask, run_alone
from tools.doctor.layers.files import mend_line_ends
from tools.doctor.layers.network import ADDRESSES

LOCALHOST = re.compile(r"(?<=[/@])localhost(?=[:/?]|$)", re.IGNORECASE)


def mend() -> list[str]:
    """Mend what is safe to mend, and return what was done, a sentence each.

    What cannot be mended is left as it is: the examination that follows says why.
    """
    done: list[str] = []
    for fix in FIXES:
        with suppress(Exception):
            done += fix()
    return done


def _complete_env_files() -> list[str]:
    return complete_env_files(ROOT)


def _write_addresses() -> list[str]:
    """Write 127.0.0.1 for localhost in both .env.local."""
    return [
        sentence
        for side, names in ADDRESSES.items()
        for name in names
        for sentence in _write_address(side, name)
    ]


def _write_address(side: str, name: str) -> list[str]:
    file = ROOT / side / ".env.local"
    if not file.exists():
        return []
    lines = file.read_bytes().decode("utf-8", "surrogateescape").splitlines(keepends=True)
    changed = 0
    for index, line in enumerate(lines):
        found = re.match(rf"\s*(?:export\s+)?{name}\s*=\s*['\"]?([^\s'\"#]+)", line)
        if found and _can_be_written(found[1]):
            start, end = found.span(1)
            address = LOCALHOST.sub("127.0.0.1", found[1], count=1)
            lines[index] = line[:start] + address + line[end:]
            changed += 1
    if not changed:
        return []
    file.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    return [f"Wrote 127.0.0.1 for localhost in {name} of {side}/.env.local."]


def _can_be_written(address: str) -> bool:
    """Whether it names localhost, and not somebody who listens at ::1 alone."""
    try:
        parts = urlsplit(address)
        port = parts.port or 0
    except ValueError:
        return False
    is_elsewhere = port and ports.answers("::1", port) and not ports.answers("127.0.0.1", port)
    return parts.hostname == "localhost" and not is_elsewhere


def _migrate() -> list[str]:
    there = database.address()
    if there.stands_in_the_way and there.slug != "migrations-not-run":
        return []
    missing = set(ScriptDirectory.from_config(alembic_config()).get_heads())
    others: list[str] = []
    if not there.stands_in_the_way:
        missing -= ask(lambda connection: connection.run_sync(applied_migrations))
        module = framework_tables()
        others = module.missing() if module else []
    if not missing and not others:
        return []
    migrate()
    return [f"Migrated the database: {', '.join([*sorted(missing), *others[:3]])}."]


def _join_heads() -> list[str]:
    """Let a new revision of theirs follow all heads, where `alembic upgrade head` takes but one."""
    script = ScriptDirectory.from_config(alembic_config())
    heads = script.get_heads()
    if len(heads) < 2 or TWO_HEADS not in run_alone("upgrade", "head", "--sql").stderr:
        return []
    script.messaging_opts = {"quiet": True}
    folder = BACKEND / "alembic" / "versions"
    joined = script.generate_revision(
        rev_id(), "join heads", head=list(heads), version_path=str(folder)
    )
    if joined is None:
        return []
    migrate()
    place = f"backend/alembic/versions/{joined.path.rpartition('versions')[2][1:]}"
    return [f"Joined the revisions {' and '.join(heads)} in {place}: commit it."]


FIXES: tuple[Callable[[], list[str]], ...] = (
    _complete_env_files,
    _write_addresses,
    mend_line_ends,
    _migrate,
    _join_heads,
)
