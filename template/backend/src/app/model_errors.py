"""Failures of the model, in words that help."""

import openai
from agents.exceptions import MaxTurnsExceeded

from app.settings import get_settings


def explain_model_error(error: Exception) -> str:
    """Return a sentence that a person can act on, with nothing secret in it."""
    settings = get_settings()
    server = settings.openai_base_url or "OpenAI"
    model = settings.openai_model or "the default model"
    match error:
        case openai.AuthenticationError():
            return f"{server} refuses the key. Put a valid OPENAI_API_KEY into backend/.env.local."
        case openai.PermissionDeniedError():
            return f"The key may not use {model} at {server}. Set another OPENAI_MODEL."
        case openai.NotFoundError():
            return f"{server} does not know {model}. Set OPENAI_MODEL to a model that it has."
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return f"The account at {server} has no credit left."
        case openai.RateLimitError():
            return f"{server} is asked too often at the moment. Try again in a minute."
        case openai.APITimeoutError():
            return f"{server} did not answer in time. Try again."
        case openai.APIConnectionError():
            return f"{server} cannot be reached. Is it running, and is OPENAI_BASE_URL right?"
        case openai.BadRequestError():
            return f"{server} refuses the request to {model}: {_reason(error)}"
        case openai.APIStatusError():
            return f"{server} failed with status {error.status_code}. Try again."
        case MaxTurnsExceeded():
            return "The assistant used its tools too many times without coming to an answer."
    return f"The model failed ({type(error).__name__}). The backend's log says more."


def _reason(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return str(message or "it gave no reason")[:300]
