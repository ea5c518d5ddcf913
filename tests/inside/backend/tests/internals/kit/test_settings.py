"""Settings that are wrong are named, with the file."""

from pathlib import Path

import pytest

from kit.errors import StartupError
from kit.settings import BACKEND, ENV_FILE, Settings, get_settings

LISTENING = ("BACKEND_HOST", "BACKEND_PORT", "FRONTEND_HOST", "FRONTEND_PORT", "PORT")
"""What is read from the environment alone."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set, and nothing is remembered."""
    get_settings.cache_clear()
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / "none")


def test_where_nothing_sets_it_this_is_production() -> None:
    assert get_settings().app_env == "production"


def test_an_empty_variable_means_the_default_and_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Slug: shell-beats-env-file."""
    file = tmp_path / ".env.local"
    file.write_text("OPENAI_API_KEY=from-the-file\nAPP_ENV=\n", encoding="utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    assert get_settings().has_openai
    assert get_settings().app_env == "production"
    monkeypatch.setenv("OPENAI_API_KEY", "")
    get_settings.cache_clear()
    assert not get_settings().has_openai


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"APP_ENV": "prod"}, "APP_ENV is \"prod\": set 'development' or 'production'."),
        ({"OPENAI_BASE_URL": "localhost:11434", "OPENAI_MODEL": "x"}, "http://"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}, "OPENAI_MODEL"),
        ({"HISTORY_ITEMS": "many"}, 'HISTORY_ITEMS is "many": set a whole number from 1 to 1000.'),
        ({"HISTORY_ITEMS": "0"}, 'HISTORY_ITEMS is "0": set a whole number from 1 to 1000.'),
        ({"DATABASE_POOL_SIZE": "0"}, 'DATABASE_POOL_SIZE is "0": set a whole number from 1 on.'),
        (
            {"TURNS_PER_MINUTE": "abc"},
            'TURNS_PER_MINUTE is "abc": set a whole number, 0 for no limit.',
        ),
        (
            {"TURNS_PER_MINUTE": "-1"},
            'TURNS_PER_MINUTE is "-1": set a whole number, 0 for no limit.',
        ),
        (
            {"TRUSTED_PROXIES": "10.0.0.1, nonsense"},
            'TRUSTED_PROXIES has "nonsense", which is no address, and no range like 10.0.0.0/8',
        ),
        ({"TRUSTED_PROXIES": "10.0.0.0/99"}, 'TRUSTED_PROXIES has "10.0.0.0/99"'),
        ({"ATTACHMENT_TYPES": "text/plain, text/html"}, "text/html"),
        ({"OIDC_ISSUER": "https://login.example.com"}, "OIDC_AUDIENCE"),
    ],
)
def test_a_wrong_value_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartupError) as refused:
        get_settings()
    assert words in str(refused.value)
    assert str(ENV_FILE) in str(refused.value)


def test_a_range_of_proxies_may_be_named_by_any_address_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "127.0.0.1, 10.1.2.3/8, fd00::5/8")
    assert get_settings().trusted_proxies == ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]


def test_every_setting_is_described() -> None:
    text = (BACKEND.parent / "docs" / "settings.md").read_text(encoding="utf-8")
    fields = [name.upper() for name in Settings.model_fields]
    assert [name for name in [*fields, *LISTENING] if f"`{name}`" not in text] == []


def test_a_file_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env.local"
    file.write_bytes(b"OPENAI_API_KEY=k\xe9y\n")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    with pytest.raises(StartupError, match="UTF-8"):
        get_settings()


def test_any_number_of_turns_lifts_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_settings().turns_per_minute_guests == 60
    get_settings.cache_clear()
    monkeypatch.setenv("TURNS_PER_MINUTE", "0")
    monkeypatch.setenv("TURNS_PER_MINUTE_GUESTS", "7")
    settings = get_settings()
    assert settings.turns_per_minute_guests == 7
    assert (settings.turns_per_minute_address, settings.turns_at_once) == (0, 0)
    assert settings.requests_at_once == 0
