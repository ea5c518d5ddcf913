"""What the doctor finds in a database that something is wrong with."""

import pytest
from contract.serving import run_sql

from internals.tools.patient import Patient, fails
from kit.database.engine import newest_migrations

[NEWEST] = newest_migrations()


def test_migrations_not_run_is_named_and_mended(clone: Patient, patient_alone: Patient) -> None:
    run_sql(patient_alone.url, "DELETE FROM alembic_version")
    for table in ("feedback", "attachments", "messages", "conversations", "turns", "locks"):
        run_sql(patient_alone.url, f"DROP TABLE {table}")
    examination = patient_alone.examine("database.text")
    found = fails(examination, "database.migrations", "migrations-not-run")
    assert NEWEST in found["words"]
    assert examination["database.tables"]["because"] == "database.migrations"
    assert patient_alone.mend("database.text").status == 0


def test_a_project_that_never_ran_has_no_tables(patient: Patient) -> None:
    """And the doctor makes none: what it looks at stays as it is."""
    patient.set("backend", "DATABASE_URL", "sqlite:///new.db")
    examination = patient.examine("database.text")
    assert examination["database.address"]["slug"] == "migrations-not-run"
    assert not patient.path("backend/new.db").exists()


def test_a_table_that_is_gone_is_named(patient_alone: Patient) -> None:
    run_sql(patient_alone.url, "DROP TABLE feedback")
    run_sql(patient_alone.url, "DROP TABLE messages")
    examination = patient_alone.examine("database.text")
    found = fails(examination, "database.tables", "migrations-not-run")
    assert "messages" in found["words"]


def test_a_database_of_another_branch_is_named(patient_alone: Patient) -> None:
    run_sql(patient_alone.url, "UPDATE alembic_version SET version_num = 'of_a_branch'")
    run_sql(patient_alone.url, "ALTER TABLE locks RENAME TO other_locks")
    found = fails(patient_alone.examine("database.text"), "database.migrations", "")
    assert "of_a_branch" in found["words"]
    run_sql(patient_alone.url, "ALTER TABLE other_locks RENAME TO locks")
    run_sql(patient_alone.url, f"UPDATE alembic_version SET version_num = '{NEWEST}'")


def test_old_code_is_unhealthy_a_newer_database_is_named(patient_alone: Patient) -> None:
    run_sql(patient_alone.url, "UPDATE alembic_version SET version_num = 'chatkit_9999'")
    examination = patient_alone.examine("database.text")
    found = examination["database.migrations"]
    assert (found["outcome"], found["slug"]) == ("WARN", "old-code-is-unhealthy")
    assert "chatkit_9999" in found["words"]
    assert not patient_alone.mend("database.text").status
    run_sql(patient_alone.url, f"UPDATE alembic_version SET version_num = '{NEWEST}'")


def test_a_database_that_does_not_answer_is_named(patient: Patient) -> None:
    kind = patient.url.get_backend_name()
    if kind == "sqlite":
        patient.path("backend/chat.db").write_text("This is no database. " * 100, encoding="utf-8")
    else:
        patient.set("backend", "DATABASE_URL", f"{kind}://ada:s3cret@127.0.0.1:1/chat")
    examination = patient.examine("database.text")
    fails(examination, "database.server", "database-down")
    assert "s3cret" not in examination.said


def test_a_server_that_refuses_is_not_one_that_does_not_answer(patient: Patient) -> None:
    kind = patient.url.get_backend_name()
    if kind == "sqlite":
        pytest.skip("a file lets everybody in")
    other = patient.url.set(drivername=kind, database="of_nobody")
    patient.set("backend", "DATABASE_URL", other.render_as_string(hide_password=False))
    found = fails(patient.examine("database.text"), "database.server", "database-down")
    assert found["words"].startswith("the database server refuses")
    assert "of_nobody" in found["words"]
    assert found["command"] == ""


def test_sqlite_in_a_temp_folder_a_missing_folder_is_named(patient: Patient) -> None:
    place = patient.set("backend", "DATABASE_URL", "sqlite:///no/folder/chat.db")
    examination = patient.examine("database.text")
    found = examination["database.address"]
    assert found["slug"] == "sqlite-in-a-temp-folder"
    assert place in found["source"]


def test_a_database_that_is_not_supported_is_named(patient: Patient) -> None:
    patient.set("backend", "DATABASE_URL", "oracle://ada@127.0.0.1/chat")
    examination = patient.examine("database.text")
    found = fails(examination, "database.address", "database-url-dialect")
    assert "oracle" in found["words"]


def test_database_is_locked_without_wal(patient_alone: Patient) -> None:
    if patient_alone.url.get_backend_name() != "sqlite":
        pytest.skip("WAL is SQLite's")
    file = "backend/src/kit/database/sqlite.py"
    patient_alone.change(file, "journal_mode = WAL", "journal_mode = DELETE")
    fails(
        patient_alone.examine("database.many-at-once"),
        "database.many-at-once",
        "database-is-locked",
    )


def test_emoji_and_nul_an_encoding_without_emoji_is_named(patient_alone: Patient) -> None:
    if patient_alone.url.get_backend_name() != "mysql":
        pytest.skip("only MySQL lets a table have an encoding of its own")
    change = "ALTER TABLE feedback CONVERT TO CHARACTER SET latin1"
    run_sql(patient_alone.url, "DROP TABLE feedback")
    run_sql(
        patient_alone.url,
        "ALTER TABLE messages DROP FOREIGN KEY fk_messages_conversation_id_conversations",
    )
    run_sql(patient_alone.url, change.replace("feedback", "messages"))
    fails(patient_alone.examine("database.text"), "database.text", "emoji-and-nul")


def test_alembic_that_cannot_import_is_named(patient: Patient) -> None:
    line = 'sys.path.insert(0, str(BACKEND / "src"))'
    patient.change("backend/alembic/env.py", line, "")
    examination = patient.examine("database.alembic")
    fails(examination, "database.alembic", "alembic-cannot-import")


def test_migrations_of_the_framework(patient_alone: Patient) -> None:
    if not patient_alone.path("backend/src/kit/database/framework_tables.py").exists():
        pytest.skip("this framework has no tables of its own")
    run_sql(patient_alone.url, "DELETE FROM django_migrations WHERE app = 'sessions'")
    run_sql(patient_alone.url, "DROP TABLE django_session")
    examination = patient_alone.examine("database.other-migrations")
    fails(examination, "database.other-migrations", "migrations-not-run")
    assert patient_alone.mend("database.other-migrations").status == 0
