"""The model's server: OpenAI, or any other that speaks its API."""

from functools import cache

from agents import ModelProvider, OpenAIProvider, set_tracing_export_api_key
from openai import AsyncOpenAI

from app.settings import get_settings

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
