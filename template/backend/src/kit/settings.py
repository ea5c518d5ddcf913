"""The settings of the backend, from the environment and from backend/.env.local."""

import os
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeVar

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

from kit.errors import StartupError

BACKEND = Path(__file__).resolve().parents[2]
ENV_FILE = BACKEND / ".env.local"

MB = 1024 * 1024
"""What settings in MB count, in bytes."""

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
"""The limits that are off with TURNS_PER_MINUTE=0, unless they are set."""

Words = Annotated[list[str], NoDecode, BeforeValidator(_split)]
"""Words with commas between them."""


def _network(word: str) -> str:
    try:
        return str(ip_network(word, strict=False))
    except ValueError:
        raise ValueError(
            f'has "{word}", which is no address, and no range like 10.0.0.0/8'
        ) from None


Network = Annotated[str, AfterValidator(_network)]
"""An address, or a range of them."""


class Settings(BaseSettings):
    """What can be set. The environment wins over backend/.env.local, with an empty value too.

    An empty value means the default.
    """

    model_config = SettingsConfigDict(env_file=ENV_FILE, env_file_encoding="utf-8", extra="ignore")

    app_env: Literal["development", "production"] = "production"
    """Where this runs. Only development believes requests that carry no token."""

    database_url: str | None = None
    """The database, as a provider's console shows it. See `kit.database.engine`."""

    chatkit_secret: SecretStr = SecretStr("")
    """Shared with the front end, which signs with it who is asking. 32 characters or more."""

    chatkit_secret_previous: SecretStr | None = None
    """The one before it, believed too: both sides have it while the secret is changed."""

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    """Another server that speaks OpenAI's API: Ollama, vLLM, LM Studio, OpenRouter."""

    openai_model: str | None = None
    """The model's name; without it the one that openai-agents chooses."""

    openai_api: Literal["responses", "chat_completions"] | None = None
    """Which of OpenAI's APIs to speak. Without it, Chat Completions to a base URL and Responses
    to OpenAI."""

    openai_models: Words = []
    """Other models that the page may choose for a message."""

    openai_transcription_model: str = "gpt-4o-mini-transcribe"
    """What makes text of dictated speech."""

    history_items: int = Field(default=100, ge=1, le=1000)
    """How many of the newest items of a conversation the model is sent."""

    history_files_mb: int = Field(default=30, ge=0, le=1000)
    """How many MB of files the model is sent of a conversation in a turn, the newest of them."""

    # Of each limit that follows, 0 means any. They are counted in each process of this server.
    turns_per_minute: int = Field(default=30, ge=0)
    """How many answers a person may ask for in a minute."""

    turns_per_minute_address: int = Field(default=30, ge=0)
    """How many the guests of one network address may ask for together."""

    turns_per_minute_guests: int = Field(default=60, ge=0)
    """How many all guests may ask for together."""

    turns_at_once: int = Field(default=5, ge=0)
    """How many answers to a person may be written at the same time."""

    turns_at_once_all: int = Field(default=200, ge=0)
    """How many answers to all may."""

    requests_at_once: int = Field(default=100, ge=0)
    """How many requests of a person, of any kind, may be answered at the same time."""

    message_max_characters: int = Field(default=50_000, ge=0)
    """How long a message may be, the output of a client tool, and the answers in a form."""

    guest_history_days: int = Field(default=0, ge=0)
    """How many days the conversations of guests are kept after the last item; 0 for ever."""

    uploads_per_minute: int = Field(default=60, ge=0)
    """How many files a person may upload or announce in a minute."""

    attachments_max_mb_person: int = Field(default=500, ge=0)
    """How large all files of a person may be together."""

    attachments_max_mb_address: int = Field(default=2_000, ge=0)
    """How many MB of files the guests of one network address may upload in a day together."""

    attachments_max_mb_all: int = Field(default=20_000, ge=0)
    """How large all files of all may be together."""

    attachments_url: str | None = None
    """Where files are kept: a folder, by default .attachments, or s3://bucket/prefix."""

    attachment_max_mb: int = Field(default=20, ge=1, le=1000)
    """How large a file may be."""

    attachment_types: Words = list(CHECKED_TYPES)
    """Which types of files are taken."""

    database_pool_size: int = Field(default=10, ge=1)
    """How many connections a process has to a database server at most."""

    trusted_proxies: Annotated[list[Network], NoDecode, BeforeValidator(_split)] = []
    """Whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses and networks."""

    oidc_issuer: str | None = None
    """Whose tokens are believed besides those of the page's server. See `kit.people.oidc`."""

    oidc_audience: str | None = None
    """For whom those tokens must be meant."""

    oidc_jwks_url: str | None = None
    """Where the issuer's keys are; without it the issuer is asked."""

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_default(cls, value: object) -> object:
        if isinstance(value, str) and not value.strip():
            raise PydanticUseDefault
        return value

    @model_validator(mode="after")
    def _any_number_of_turns(self) -> "Settings":
        # Whoever lifted the one limit that there was means any number.
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
    def is_demo(self) -> bool:
        """Whether no model can be asked, so that the demo assistant answers."""
        return self.openai_api_key is None and self.openai_base_url is None


S = TypeVar("S", bound=Settings)


def read_settings(kind: type[S]) -> S:
    """Read settings of a kind.

    Raises:
        StartupError: a value is wrong; names the variable and the file, and shows no value but that
            of a number or of a choice.
    """
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
            + f"\nMend them in {ENV_FILE}, or in the environment, which wins over that file."
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
    """Return the settings, read once.

    Raises:
        StartupError: a value is wrong; see `read_settings`.
    """
    return read_settings(Settings)


def read_port(variable: str, default: int) -> int:
    """Return the port that an environment variable names.

    Raises:
        StartupError: it is not a port's number.
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
