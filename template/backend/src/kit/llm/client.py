"""The model's server: OpenAI, or any other that speaks its API."""

from functools import cache

from agents import ModelProvider, OpenAIProvider, set_tracing_export_api_key
from chatkit.types import AudioInput, TranscriptionResult
from openai import AsyncOpenAI, OpenAIError

from kit.errors import RefusedError
from kit.llm.errors import explain_model_error
from kit.settings import get_settings

OPENAI_URL = "https://api.openai.com/v1"
"""Named, since the client would take an empty OPENAI_BASE_URL for an address."""

NO_KEY = "none"
"""Sent to servers that ask for no key: the client insists on one."""


@cache
def get_client() -> AsyncOpenAI:
    """Return the client of the model's server; the whole process shares its connections."""
    settings = get_settings()
    return AsyncOpenAI(api_key=_key(), base_url=settings.openai_base_url or OPENAI_URL)


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
    except OpenAIError as error:
        message = explain_model_error(error, "openai_transcription_model")
        raise RefusedError(502, message) from None
    return TranscriptionResult(text=heard.text)
