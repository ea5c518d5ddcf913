"""Explanations of what goes wrong between the assistant, its tools and the model's server."""

import logging
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import openai
from agents import ToolErrorFormatterArgs
from agents.exceptions import MaxTurnsExceeded, ModelBehaviorError, ModelTimeoutError

from kit.disclosure import in_development, through_proxy
from kit.errors import explain_certificate
from kit.llm.compatibility import Ending, current_ending, words_of
from kit.settings import get_settings

logger = logging.getLogger("app.model")


@dataclass(frozen=True)
class Sentences:
    """What people read when an answer does not come as usual.

    Pass some of your own to `run_agent`, for example in your language.
    """

    blocked: str = "The assistant may not talk about this. Ask something else."
    """A guardrail has refused a message or its answer."""
    cut: str = "The answer is cut here: it has reached the model's limit of length."
    cut_before: str = "The model has reached its limit of length before it came to an answer."
    filtered: str = "The rest of the answer is withheld by the model's content filter."
    filtered_before: str = "The answer is withheld by the model's content filter."
    silent: str = "The model gave no answer. Ask again, or in other words."
    ask: str = "May the assistant use {tool}?"
    """Asks the person to allow a tool that has `needs_approval`."""
    allow: str = "Allow"
    decline: str = "Decline"
    """The labels of the two buttons below the question."""
    allowed: str = "You allowed it."
    declined: str = "You declined it."
    unanswered: str = "You did not answer."
    """What replaces the buttons."""


SENTENCES = Sentences()


ModelSetting = Literal["openai_model", "openai_transcription_model"]

FACTS = ("status_code", "code", "type", "param", "request_id")

PAYMENT_REQUIRED = 402
"""OpenRouter's status where an account has no credit."""

NOT_NOW = "The assistant cannot answer at the moment."
"""The message for errors that only the owner of the app can fix."""


def explain_model_error(error: Exception, setting: ModelSetting = "openai_model") -> str:
    """Log an error and return a message for the person. Neither contains a secret.

    In development the message names the settings to change. In production only the log does.

    Args:
        error: the error of the model's server, of the connection, or of the run.
        setting: the setting that names the model.
    """
    message, inside = _explain(error, setting)
    if in_development():
        _log(error)
        return inside
    _log(error, inside)
    return message


def _explain(error: Exception, setting: ModelSetting) -> tuple[str, str]:
    """Return a message for any person, and one for people who run the app."""
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
        case openai.APIStatusError() if (
            error.code == "insufficient_quota" or error.status_code == PAYMENT_REQUIRED
        ):
            inside = f"The account at {server} has no credit left."
        case openai.RateLimitError():
            message = "The assistant is asked too often at the moment. Try again in a minute."
            inside = f"{server} is asked too often at the moment. Try again in a minute."
        case openai.APITimeoutError() | ModelTimeoutError():
            message = "The assistant did not answer in time. Try again."
            inside = f"{server} did not answer in time. Try again."
        case openai.APIConnectionError() if refusal := explain_certificate(error):
            inside = f"{server} cannot be asked. {refusal}"
        case openai.APIConnectionError() if base_url:
            inside = f"{server} cannot be reached. Is it running, and is OPENAI_BASE_URL right?"
            inside += through_proxy(base_url)
        case openai.APIConnectionError():
            inside = "OpenAI cannot be reached. Is the backend's network all right?"
            inside += through_proxy("https://api.openai.com")
        case openai.BadRequestError() | openai.UnprocessableEntityError():
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
            inside = "The answer failed. The backend's log says why."
    return message, inside


def explain_ending(ending: Ending, has_words: bool, sentences: Sentences) -> str | None:
    """Return a sentence for the person if the model's last answer did not end as usual.

    Args:
        ending: how the answer ended.
        has_words: whether the person has read words of the answer.
        sentences: the sentences to choose from.
    """
    if ending.error:
        return explain_model_error(ending.error)
    match ending.reason:
        case "length":
            return sentences.cut if has_words else sentences.cut_before
        case "content_filter":
            return sentences.filtered if has_words else sentences.filtered_before
    return None if has_words else sentences.silent


def log_tool_error(failure: ToolErrorFormatterArgs[Any]) -> None:
    """Log that a tool has failed, with the traceback in development, and note it in the run.

    openai-agents logs no failures of tools. It tells the model of them in its own words.
    """
    if ending := current_ending.get():
        ending.has_failed_tool = True
    if isinstance(failure.error, ModelBehaviorError):
        logger.warning("The model called the tool %s with wrong arguments", failure.tool_name)
    elif error := failure.error:
        logger.error(
            "The tool %s failed: %s",
            failure.tool_name,
            type(error).__name__,
            exc_info=error if in_development() else None,
        )


def _log(error: Exception, inside: str = "") -> None:
    if isinstance(error, openai.OpenAIError):
        # The server's own message may quote what people write, or the key, so it is not logged.
        facts = [type(error).__name__, *(getattr(error, name, None) for name in FACTS)]
        cause = f"caused by {error.__cause__!r}" if error.__cause__ else ""
        told = filter(None, [*facts, cause, inside])
        logger.error("The model failed: %s", " ".join(map(str, told)))
    else:
        logger.error("The run failed", exc_info=error)


def _hide_secrets(text: str) -> str:
    # A server's message may quote its request, and so the key.
    key = get_settings().openai_api_key
    return text.replace(key.get_secret_value(), "***") if key else text


def _shown(base_url: str) -> str:
    """Return the URL without the user name, password and query that some gateways need."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _reason(error: openai.APIError) -> str:
    """Return the server's message in development only. The log never contains it."""
    if not in_development():
        return "."
    return f": {_hide_secrets(words_of(error.body) or 'it gave no reason')[:300]}"
