"""Makes text of what a person dictates."""

from chatkit.types import AudioInput, TranscriptionResult
from openai import OpenAIError

from app.errors import RefusedError
from app.model_errors import explain_model_error
from app.model_provider import get_client
from app.settings import get_settings


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
