"""Failures of the model, in words that help."""

from urllib.parse import urlsplit

import openai
from agents.exceptions import MaxTurnsExceeded

from app.settings import get_settings


def explain_model_error(error: Exception, model: str | None = None) -> str:
    """Return a sentence that a person can act on, with nothing secret in it.

    Args:
        error: what the model's server or the way to it failed with.
        model: which model was asked; by default OPENAI_MODEL.
    """
    settings = get_settings()
    base_url = settings.openai_base_url
    server = _shown(base_url) if base_url else "OpenAI"
    model = model or settings.openai_model or "the default model"
    match error:
        case openai.AuthenticationError():
            return f"{server} refuses the key. Put a valid OPENAI_API_KEY into backend/.env.local."
        case openai.PermissionDeniedError():
            return f"The key may not use {model} at {server}. Set another OPENAI_MODEL."
        case openai.NotFoundError():
            return f"{server} does not know {model}. Set OPENAI_MODEL to a model that it has." + (
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
    return f"The answer failed ({type(error).__name__}). The backend's log says more."


def hide_secrets(text: str) -> str:
    """Return a text, which a server may have made of what it was sent, without the key."""
    key = get_settings().openai_api_key
    return text.replace(key.get_secret_value(), "***") if key else text


def _shown(base_url: str) -> str:
    """Return the address without the name, password and query that some gateways ask for."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _reason(error: openai.APIError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return hide_secrets(str(message or "it gave no reason"))[:300]
