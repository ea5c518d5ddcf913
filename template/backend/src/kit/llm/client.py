"""The model's server, OpenAI or any other that speaks its API, and its failures in words."""

import logging
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

import openai
from agents import ModelProvider, OpenAIProvider, set_tracing_export_api_key
from agents.exceptions import MaxTurnsExceeded
from chatkit.types import AudioInput, TranscriptionResult

from kit.disclosure import in_development
from kit.errors import RefusedError
from kit.settings import get_settings

logger = logging.getLogger("app.model")

OPENAI_URL = "https://api.openai.com/v1"
"""Named, since the client would take an empty OPENAI_BASE_URL for an address."""

NO_KEY = "none"
"""Sent to servers that ask for no key: the client insists on one."""


ModelSetting = Literal["openai_model", "openai_transcription_model"]

FACTS = ("status_code", "code", "type", "param", "request_id")

NOT_NOW = "The assistant cannot answer at the moment."
"""What a person is told whom only the owner of the app can help."""


@cache
def get_client() -> openai.AsyncOpenAI:
    """Return the client of the model's server; the whole process shares its connections."""
    settings = get_settings()
    return openai.AsyncOpenAI(api_key=_key(), base_url=settings.openai_base_url or OPENAI_URL)


@cache
def get_model_provider() -> ModelProvider:
    """Return what openai-agents asks for models."""
    settings = get_settings()
    if traces():
        set_tracing_export_api_key(_key())
    api = settings.openai_api or ("chat_completions" if settings.openai_base_url else "responses")
    return OpenAIProvider(openai_client=get_client(), use_responses=api == "responses")


def _key() -> str:
    key = get_settings().openai_api_key
    return key.get_secret_value() if key else NO_KEY


def traces() -> bool:
    """Whether runs are traced at OpenAI: only where the model is OpenAI's too."""
    settings = get_settings()
    return settings.openai_api_key is not None and settings.openai_base_url is None


async def transcribe(audio: AudioInput) -> TranscriptionResult:
    """Return the text of a recording, as the model hears it.

    Raises:
        RefusedError: there is no key (400), or the model's server failed (502); says why.
    """
    settings = get_settings()
    if settings.is_demo:
        raise RefusedError(
            400,
            "Dictation needs a model.",
            inside="Put an OPENAI_API_KEY into backend/.env.local.",
        )
    name = f"speech.{audio.media_type.removeprefix('audio/')}"
    try:
        heard = await get_client().audio.transcriptions.create(
            model=settings.openai_transcription_model, file=(name, audio.data, audio.media_type)
        )
    except openai.OpenAIError as error:
        message = explain_model_error(error, "openai_transcription_model")
        raise RefusedError(502, message) from None
    return TranscriptionResult(text=heard.text)


def explain_model_error(error: Exception, setting: ModelSetting = "openai_model") -> str:
    """Log what failed, and return a sentence that a person can act on. Neither has a secret in it.

    In development the sentence tells what to set, in production the log does.

    Args:
        error: what the model's server or the way to it failed with.
        setting: which model was asked.
    """
    message, inside = _explain(error, setting)
    if in_development():
        _log(error)
        return inside
    _log(error, inside)
    return message


def _explain(error: Exception, setting: ModelSetting) -> tuple[str, str]:
    """Return a sentence for anybody, and one for who runs the app."""
    settings = get_settings()
    base_url = settings.openai_base_url
    server = _shown(base_url) if base_url else "OpenAI"
    model = getattr(settings, setting) or "the default model"
    variable = setting.upper()
    message = NOT_NOW
    match error:
        case openai.AuthenticationError():
            advice = "Put a valid OPENAI_API_KEY into backend/.env.local."
            inside = f"{server} refuses the key. {advice}"
        case openai.PermissionDeniedError():
            inside = f"The key may not use {model} at {server}. Set another {variable}."
        case openai.NotFoundError():
            inside = f"{server} does not know {model}. Set {variable} to a model that it has." + (
                " Is OPENAI_BASE_URL right? Most end in /v1." if base_url else ""
            )
        case openai.RateLimitError() if error.code == "insufficient_quota":
            inside = f"The account at {server} has no credit left."
        case openai.RateLimitError():
            message = "The assistant is asked too often at the moment. Try again in a minute."
            inside = f"{server} is asked too often at the moment. Try again in a minute."
        case openai.APITimeoutError():
            message = "The assistant did not answer in time. Try again."
            inside = f"{server} did not answer in time. Try again."
        case openai.APIConnectionError() if base_url:
            inside = f"{server} cannot be reached. Is it running, and is OPENAI_BASE_URL right?"
        case openai.APIConnectionError():
            inside = "OpenAI cannot be reached. Is the backend's network all right?"
        case openai.BadRequestError():
            message = "The assistant cannot answer this."
            inside = f"{server} refuses the request to {model}{_reason(error)}"
        case openai.APIStatusError():
            message = "The assistant failed. Try again."
            inside = f"{server} failed with status {error.status_code}. Try again."
        case openai.APIError():
            message = "The answer broke off. Try again."
            inside = f"{server} broke the answer off{_reason(error)}"
        case MaxTurnsExceeded():
            message = "The assistant used its tools too many times without coming to an answer."
            inside = message
        case _:
            message = "The answer failed."
            inside = f"The answer failed ({type(error).__name__}). The backend's log says why."
    return message, inside


def _log(error: Exception, inside: str = "") -> None:
    if isinstance(error, openai.OpenAIError):
        # Not the server's own words, which may quote what people write, or the key.
        facts = [type(error).__name__, *(getattr(error, name, None) for name in FACTS)]
        cause = f"caused by {error.__cause__!r}" if error.__cause__ else ""
        told = filter(None, [*facts, cause, inside])
        logger.error("The model failed: %s", " ".join(map(str, told)))
    else:
        logger.error("The run failed", exc_info=error)


def _hide_secrets(text: str) -> str:
    # A server may make its words of what it was sent.
    key = get_settings().openai_api_key
    return text.replace(key.get_secret_value(), "***") if key else text


def _shown(base_url: str) -> str:
    """Return the address without the name, password and query that some gateways ask for."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _reason(error: openai.APIError) -> str:
    """Return what the server says, for a person who runs the app; the log never has it."""
    if not in_development():
        return "."
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return f": {_hide_secrets(str(message or 'it gave no reason'))[:300]}"
