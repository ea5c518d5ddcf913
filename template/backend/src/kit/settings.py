"""The settings of the backend, from the environment and from backend/.env.local."""

import os
import ssl
from functools import cache
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUseDefault
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kit.env_files import expect_utf_8
from kit.errors import StartupError

BACKEND = Path(__file__).resolve().parents[2]
ENV_FILE = BACKEND / ".env.local"

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""The names and addresses of the local machine."""

MB = 1024 * 1024
"""The number of bytes in a MB of the settings."""

CHECKED_TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "application/pdf",
    "text/plain",
    "text/markdown",
    "text/csv",
    "application/json",
)
"""The types of files whose content `kit.attachments.content` can check."""


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [word.strip() for word in value.split(",") if word.strip()]


FOLLOWING = (
    "turns_per_minute_address",
    "turns_per_minute_guests",
    "turns_at_once",
    "turns_at_once_all",
    "requests_at_once",
)
"""The limits that TURNS_PER_MINUTE=0 turns off, unless they are set themselves."""

Words = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""A list of words, separated by commas."""


def _network(word: str) -> str:
    try:
        return str(ip_network(word, strict=False))
    except ValueError:
        raise ValueError(
            f'has "{word}", which is no address, and no range like 10.0.0.0/8'
        ) from None


Network = Annotated[str, AfterValidator(_network)]
"""An IP address or a network such as 10.0.0.0/8."""


class Settings(BaseSettings):
    """The settings of the backend.

    A variable in the environment overrides backend/.env.local, even if it is empty. An empty value
    means the default.
    """

    model_config = SettingsConfigDict(env_file=ENV_FILE, env_file_encoding="utf-8", extra="ignore")

    app_env: Literal["development", "production"] = "production"
    """The environment. Requests without a token are accepted only in development."""

    database_url: str | None = None
    """The address of the database, as a provider's console shows it. See `kit.database.engine`."""

    chatkit_secret: SecretStr = SecretStr("")
    """The secret, at least 32 characters, with which the front end signs its tokens."""

    chatkit_secret_previous: SecretStr | None = None
    """The previous secret, which is accepted, too. Both sides have it during a change."""

    assistant: Literal["demo", "own"] | None = None
    """Who answers: the demo assistant, or your own in app/assistant.py, with any library.

    By default your own if OPENAI_API_KEY or OPENAI_BASE_URL is set. Otherwise the demo answers in
    development, and production does not start.
    """

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    """Another server with OpenAI's API, such as Ollama, vLLM, LM Studio or OpenRouter."""

    openai_model: str | None = None
    """The name of the model. By default, openai-agents chooses."""

    openai_api: Literal["responses", "chat_completions"] | None = None
    """The API to use. The default is Chat Completions if OPENAI_BASE_URL is set, else Responses."""

    openai_models: Words = []
    """Further models that the person may choose for a message."""

    openai_transcription_model: str = "gpt-4o-mini-transcribe"
    """The model that transcribes dictated speech."""

    history_items: int = Field(default=100, ge=1, le=1000)
    """How many of the newest items of a conversation are sent to the model."""

    history_files_mb: int = Field(default=30, ge=0, le=1000)
    """How many MB of a conversation's files are sent to the model in a turn, newest first."""

    # For each limit below that may be 0, 0 means no limit. All processes count turns and tokens
    # together, in the database. Each counts requests and uploads for itself.
    turns_per_minute: int = Field(default=30, ge=0)
    """How many answers a person may ask for in a minute."""

    turns_per_minute_address: int = Field(default=30, ge=0)
    """How many answers the guests of one network address may ask for together in a minute."""

    turns_per_minute_guests: int = Field(default=60, ge=0)
    """How many answers all guests may ask for together in a minute."""

    turns_per_minute_all: int = Field(default=0, ge=0)
    """How many answers all people may ask for together in a minute."""

    turns_at_once: int = Field(default=5, ge=0)
    """How many answers to a person may run at the same time."""

    turns_at_once_guests: int = Field(default=0, ge=0)
    """How many answers to all guests may run at the same time."""

    turns_at_once_all: int = Field(default=200, ge=0)
    """How many answers to all people may run at the same time."""

    tokens_per_day: int = Field(default=0, ge=0)
    """How many tokens a person may use in a day, which begins at midnight in UTC.

    A turn counts when it is over.
    """

    tokens_per_day_guests: int = Field(default=0, ge=0)
    """How many tokens all guests may use in a day together."""

    tokens_per_day_all: int = Field(default=0, ge=0)
    """How many tokens all people may use in a day together."""

    turns_kept_days: int = Field(default=90, ge=2)
    """How many days the records of turns are kept, which `uv run usage` counts."""

    turn_max_minutes: int = Field(default=10, ge=1)
    """How many minutes an answer may go on that nobody reads any more."""

    drain_seconds: int = Field(default=30, ge=0)
    """How many seconds running answers may go on after the server is told to stop."""

    requests_at_once: int = Field(default=100, ge=0)
    """How many requests of a person, of any kind, may run at the same time."""

    message_max_characters: int = Field(default=50_000, ge=0)
    """How many characters a message, the output of a client tool, or the answers of a form have."""

    guest_history_days: int = Field(default=0, ge=0)
    """How many days a guest's conversation is kept after its last item; 0 for ever."""

    uploads_per_minute: int = Field(default=60, ge=0)
    """How many files a person may upload or announce in a minute."""

    attachments_max_mb_person: int = Field(default=500, ge=0)
    """The total size in MB of the files of a person."""

    attachments_max_mb_address: int = Field(default=2_000, ge=0)
    """How many MB of files the guests of one network address may upload in a day together."""

    attachments_max_mb_all: int = Field(default=20_000, ge=0)
    """The total size in MB of the files of all people."""

    attachments_url: str | None = None
    """Where files are stored: a folder, by default .attachments, or s3://bucket/prefix."""

    attachment_max_mb: int = Field(default=20, ge=1, le=1000)
    """The maximum size of a file in MB."""

    attachment_types: Words = list(CHECKED_TYPES)
    """The accepted types of files."""

    database_pool_size: int = Field(default=10, ge=1)
    """How many connections to a database server a process keeps open."""

    database_pool_overflow: int = Field(default=0, ge=0)
    """How many connections it may open beyond them, and closes after use."""

    database_pool_seconds: int = Field(default=5, ge=1)
    """How many seconds a request waits for a connection when all are in use."""

    trusted_proxies: Annotated[list[Network], NoDecode, BeforeValidator(_split)] = []
    """The proxies whose X-Forwarded-For and X-Forwarded-Proto headers are trusted."""

    oidc_issuer: str | None = None
    """The login provider whose tokens are accepted, too. See `kit.people.oidc`."""

    oidc_audience: str | None = None
    """The audience that the provider's tokens must have."""

    oidc_jwks_url: str | None = None
    """The URL of the provider's keys. By default, the provider's metadata names it."""

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise PydanticUseDefault
        return value

    @model_validator(mode="after")
    def _any_number_of_turns(self) -> "Settings":
        # TURNS_PER_MINUTE was once the only limit: 0 in an older .env.local means no limits at all.
        if self.turns_per_minute == 0:
            for name in FOLLOWING:
                if name not in self.model_fields_set:
                    setattr(self, name, 0)
        return self

    @field_validator("attachment_types")
    @classmethod
    def _can_be_checked(cls, value: list[str]) -> list[str]:
        unknown = ", ".join(word for word in value if word not in CHECKED_TYPES)
        if unknown:
            raise ValueError(
                f"names {unknown}, whose content cannot be checked. It may name "
                f"{', '.join(CHECKED_TYPES)}"
            )
        return value

    @field_validator("openai_base_url")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(
                "must start with http:// or https://, such as http://127.0.0.1:11434/v1"
            )
        return value

    @model_validator(mode="after")
    def _model_is_named(self) -> "Settings":
        if self.openai_base_url and not self.openai_model:
            raise ValueError(
                "OPENAI_MODEL is not set, and only the server at OPENAI_BASE_URL knows its models: "
                "set it to one of them, such as llama3.2"
            )
        return self

    @model_validator(mode="after")
    def _audience_is_named(self) -> "Settings":
        if self.oidc_issuer and not self.oidc_audience:
            raise ValueError(
                "OIDC_AUDIENCE is not set: without it a token that OIDC_ISSUER gave to another app "
                "would be believed here. Set it to the client id that your provider shows"
            )
        return self

    @property
    def has_openai(self) -> bool:
        """Whether OpenAI, or another server with its API, is set."""
        return self.openai_api_key is not None or self.openai_base_url is not None

    @property
    def is_demo(self) -> bool:
        """Whether the demo assistant answers."""
        if self.assistant is None:
            return self.app_env == "development" and not self.has_openai
        return self.assistant == "demo"


def is_loopback(address: str) -> bool:
    """Whether a URL such as `http://127.0.0.1:3000` or `//localhost` names the local machine."""
    try:
        return urlsplit(address).hostname in LOOPBACK
    except ValueError:
        return False


def check_assistant(settings: Settings) -> None:
    """Check that somebody answers, because production never falls back to the demo.

    Raises:
        StartupError: no setting says who answers, or the demo assistant is to answer and its module
            is deleted. The message names the settings that help.
    """
    is_there = find_spec("kit.demo") is not None
    if settings.is_demo and not is_there:
        problem = "The demo assistant cannot answer, because backend/src/kit/demo.py is deleted."
    elif settings.assistant is None and not settings.has_openai and not settings.is_demo:
        problem = "No setting says who answers."
    else:
        return
    demo = " For the demo assistant, set ASSISTANT=demo." if is_there else ""
    raise StartupError(
        f"{problem} Set OPENAI_API_KEY, or OPENAI_BASE_URL and OPENAI_MODEL for another server "
        "with OpenAI's API. If backend/src/app/assistant.py answers without either, set "
        "ASSISTANT=own."
        f"{demo} Set it here in the environment or in {ENV_FILE}."
    )


def check_certificates(file: str) -> None:
    """Check that the file which SSL_CERT_FILE names has certificates, if it names one.

    Args:
        file: its path, which starts at backend/ if it is relative.

    Raises:
        StartupError: it is not there, or has none.
    """
    path = BACKEND / file
    try:
        if file:
            ssl.create_default_context(cafile=path)
    except OSError as error:
        raise StartupError(
            f"SSL_CERT_FILE is {path}, which has no certificates: {error.strerror}. Set it to a "
            "file in PEM's format, which begins with -----BEGIN CERTIFICATE-----."
        ) from None


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S]) -> S:
    """Read the settings of a class.

    Raises:
        StartupError: the file cannot be read, or a value is wrong. The message names the variable
            and the file. It shows a value only if it should be a number or one of a few choices, so
            never a secret.
    """
    expect_utf_8(ENV_FILE)
    try:
        return kind()
    except (UnicodeDecodeError, OSError) as error:
        raise StartupError(
            f"{ENV_FILE} cannot be read: {error}. Save it as plain text in UTF-8."
        ) from None
    except ValidationError as error:
        problems = [
            _in_words(problem, kind.model_fields) for problem in error.errors(include_url=False)
        ]
        raise StartupError(
            "The settings are wrong:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
            + f"\nCorrect them in {ENV_FILE}, or in the environment, which wins over that file."
        ) from None


def _in_words(problem: ErrorDetails, fields: dict[str, FieldInfo]) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    name = str(problem["loc"][0])
    if wanted := _wanted(problem, fields[name]):
        return f'{name.upper()} is "{problem["input"]}": set {wanted}.'
    return f"{name.upper()} {message[0].lower()}{message[1:]}"


def _wanted(problem: ErrorDetails, field: FieldInfo) -> str | None:
    if problem["type"] == "literal_error":
        return str(problem["ctx"]["expected"])
    if field.annotation is not int:
        return None
    least, most = (
        next((getattr(bound, name) for bound in field.metadata if hasattr(bound, name)), None)
        for name in ("ge", "le")
    )
    if most is not None:
        return f"a whole number from {least} to {most}"
    return "a whole number, 0 for no limit" if least == 0 else f"a whole number from {least} on"


@cache
def get_settings() -> Settings:
    """Return the settings, which are read once per process.

    Raises:
        StartupError: a value is wrong; see `read_settings`.
    """
    return read_settings(Settings)


def read_port(variable: str, default: int) -> int:
    """Return the port in an environment variable, or the default if it is unset or empty.

    Raises:
        StartupError: the value is not the number of a port.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise StartupError(
        f"{variable} is {text!r} in the environment: set it to a number from 1 to 65535, or unset "
        f"it for {default}."
    )
