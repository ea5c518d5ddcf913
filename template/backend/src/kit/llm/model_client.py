"""The client of the model's server, which the whole process shares."""

from functools import cache
from typing import Any, Literal

import openai
from agents import (
    ModelProvider,
    ModelSettings,
    OpenAIProvider,
    RunConfig,
    set_default_openai_api,
    set_default_openai_client,
    set_tracing_disabled,
    set_tracing_export_api_key,
)
from chatkit.types import AudioInput, TranscriptionResult
from openai.types.audio.transcription import UsageTokens

from kit.database.turn_records import Usage
from kit.errors import RefusedError
from kit.llm.compatibility import ModelHttpClient
from kit.llm.model_errors import explain_model_error, log_tool_error
from kit.settings import get_settings

OPENAI_URL = "https://api.openai.com/v1"
"""The default base URL, set explicitly because the client would use an empty OPENAI_BASE_URL."""

NO_KEY = "none"
"""The key for servers that need none, because the client requires one."""

ASK_FOR_USAGE = ModelSettings(include_usage=True)
"""Without it, only OpenAI's own server is asked for the usage over Chat Completions."""


@cache
def get_client() -> openai.AsyncOpenAI:
    """Return the client of the model's server. The whole process shares its connections."""
    settings = get_settings()
    return openai.AsyncOpenAI(
        api_key=_key(),
        base_url=settings.openai_base_url or OPENAI_URL,
        http_client=ModelHttpClient(),
    )


@cache
def get_model_provider() -> ModelProvider:
    """Return the provider from which openai-agents gets models."""
    return OpenAIProvider(openai_client=get_client(), use_responses=_api() == "responses")


def get_run_config(**changes: Any) -> RunConfig:
    """Return how the kit runs agents, with the given fields of `RunConfig` changed.

    The agents use the model's server of the settings, which is asked for the usage. A tool that
    does not exist is reported to the model, and a tool that fails also to the log.
    """
    # Only what is set here replaces the settings of the agents.
    changes["model_settings"] = ASK_FOR_USAGE.resolve(changes.get("model_settings"))
    usual: dict[str, Any] = {
        "model_provider": get_model_provider(),
        "tracing_disabled": not traces(),
        "tool_error_formatter": log_tool_error,
        "tool_not_found_behavior": "return_error_to_model",
    }
    return RunConfig(**(usual | changes))


def use_for_all_runs() -> None:
    """Make the model's server the default of openai-agents.

    So `Runner.run(agent, "A text")` in the owner's code, for example for a title, needs no
    configuration.
    """
    set_default_openai_client(get_client(), use_for_tracing=False)
    set_default_openai_api(_api())
    set_tracing_disabled(not traces())
    if traces():
        set_tracing_export_api_key(_key())


def _api() -> Literal["chat_completions", "responses"]:
    settings = get_settings()
    return settings.openai_api or ("chat_completions" if settings.openai_base_url else "responses")


def _key() -> str:
    key = get_settings().openai_api_key
    return key.get_secret_value() if key else NO_KEY


def traces() -> bool:
    """Whether runs are traced at OpenAI: only if the model runs at OpenAI, too."""
    settings = get_settings()
    return settings.openai_api_key is not None and settings.openai_base_url is None


async def transcribe(audio: AudioInput) -> tuple[TranscriptionResult, Usage]:
    """Return the text of a recording, transcribed by the model, and what the model has used.

    Models that are paid by the minute report no tokens.

    Raises:
        RefusedError: no key is set (400), or the model's server failed (502).
    """
    settings = get_settings()
    model = settings.openai_transcription_model
    if not settings.has_openai or settings.is_demo:
        raise RefusedError(
            400,
            "Dictation needs a model.",
            inside="Put an OPENAI_API_KEY into backend/.env.local.",
        )
    name = f"speech.{audio.media_type.removeprefix('audio/')}"
    try:
        heard = await get_client().audio.transcriptions.create(
            model=model, file=(name, audio.data, audio.media_type)
        )
    except openai.OpenAIError as error:
        message = explain_model_error(error, "openai_transcription_model")
        raise RefusedError(502, message) from None
    usage = Usage(model)
    if isinstance(heard.usage, UsageTokens):
        usage = Usage(model, heard.usage.input_tokens, heard.usage.output_tokens)
    return TranscriptionResult(text=heard.text), usage
