"""Failures of the model, in words that help."""

import logging
from typing import Literal
from urllib.parse import urlsplit

import openai
from agents.exceptions import MaxTurnsExceeded

from app.settings import get_settings

logger = logging.getLogger("app.model")

ModelSetting = Literal["openai_model", "openai_transcription_model"]

FACTS = ("status_code", "code", "request_id")


def explain_model_error(error: Exception, setting: ModelSetting = "openai_model") -> str:
    """Log what failed, and return a sentence that a person can act on. Neither has a secret in it.

    Args:
        error: what the model's server or the way to it failed with.
        setting: which model was asked.
    """
    _log(error)
    settings = get_settings()
    base_url = settings.openai_base_url
    server = _shown(base_url) if base_url else "OpenAI"
    model = getattr(settings, setting) or "the default model"
    variable = setting.upper()
    match error:
        case openai.AuthenticationError():
            return f"{server} refuses the key. Put a valid OPENAI_API_KEY into backend/.env.local."
        case openai.PermissionDeniedError():
            return f"The key may not use {model} at {server}. Set another {variable}."
        case openai.NotFoundError():
            return f"{server} does not know {model}. Set {variable} to a model that it has." + (
                " Is OPENAI_BASE_URL right? Most end in /v1." if base_url else ""
            )
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return f"The account at {server} has no credit left."
        case openai.RateLimitError():
            return f"{server} is asked too often at the moment. Try again in a minute."
        case openai.APITimeoutError():
            return f"{server} did not answer in time. Try again."
        case openai.APIConnectionError() if base_url:
            return f"{server} cannot be reached. Is it running, and is OPENAI_BASE_URL right?"
        case openai.APIConnectionError():
            return "OpenAI cannot be reached. Is the backend's network all right?"
        case openai.BadRequestError():
            return f"{server} refuses the request to {model}: {_reason(error)}"
        case openai.APIStatusError():
            return f"{server} failed with status {error.status_code}. Try again."
        case openai.APIError():
            return f"{server} broke the answer off: {_reason(error)}"
        case MaxTurnsExceeded():
            return "The assistant used its tools too many times without coming to an answer."
    return f"The answer failed ({type(error).__name__}). The backend's log says why."


def _log(error: Exception) -> None:
    if isinstance(error, openai.OpenAIError):
        # Not the server's own words, which may quote what people write, or the key.
        facts = [type(error).__name__, *(str(getattr(error, name, "")) for name in FACTS)]
        cause = f"caused by {error.__cause__!r}" if error.__cause__ else ""
        logger.error("The model failed: %s", " ".join(filter(None, [*facts, cause])))
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
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return _hide_secrets(str(message or "it gave no reason"))[:300]
