"""The model: its client, its input from a conversation, and explanations of its errors."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import openai
from agents import (
    Agent,
    ModelProvider,
    OpenAIProvider,
    RunConfig,
    RunItem,
    Runner,
    RunResultStreaming,
    TResponseInputItem,
    set_tracing_export_api_key,
)
from agents.exceptions import MaxTurnsExceeded
from agents.items import ToolCallItem, ToolCallOutputItem
from chatkit.agents import AgentContext, ThreadItemConverter, stream_agent_response
from chatkit.errors import BaseStreamError, CustomStreamError
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
    AudioInput,
    HiddenContextItem,
    InferenceOptions,
    ProgressUpdateEvent,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadStreamEvent,
    TranscriptionResult,
    UserMessageItem,
    UserMessageTagContent,
)
from openai.types.responses import (
    EasyInputMessageParam,
    ResponseInputContentParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)

from kit.attachments import file_store
from kit.attachments.content import is_image
from kit.chat.turns import Turn, with_fresh_ids
from kit.database.chatkit_store import generate_id
from kit.disclosure import in_development
from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.settings import MB, get_settings

logger = logging.getLogger("app.model")

OPENAI_URL = "https://api.openai.com/v1"
"""The default base URL, set explicitly because the client would use an empty OPENAI_BASE_URL."""

NO_KEY = "none"
"""The key for servers that need none, because the client requires one."""

ChatContext = AgentContext[RequestContext]
"""The context that the agent's tools receive."""

MAX_TEXT = 200_000
"""How many characters of an attached text are sent to the model."""


async def run_agent(
    agent: Agent[ChatContext], turn: Turn, note: str | None = None
) -> AsyncIterator[ThreadStreamEvent]:
    """Run the agent on the conversation and return the events for ChatKit's page.

    The run uses the model and the tool that the person chose for the message.

    Args:
        agent: the agent to run.
        turn: the turn that the agent answers.
        note: additional input for the agent, for this turn only.

    Raises:
        CustomStreamError: the run failed; the message tells the person why.
    """
    agent = with_choices(agent, turn.message.inference_options if turn.message else None)
    settings = get_settings()
    history = await turn.history(settings.history_items)
    items = await AgentInput(settings.history_files_mb * MB).to_agent_input(history)
    if note:
        items.append({"role": "user", "content": note})
    context = ChatContext(thread=turn.thread, store=turn.store, request_context=turn.context)
    result = Runner.run_streamed(
        agent,
        items,
        context=context,
        run_config=RunConfig(model_provider=get_model_provider(), tracing_disabled=not traces()),
    )
    memory = ToolMemory(context)
    try:
        async for event in with_fresh_ids(_events(context, result)):
            for item in memory.of_new_outputs(result.new_items):
                yield ThreadItemDoneEvent(item=item)
            yield event
        for item in memory.of_new_outputs(result.new_items):
            yield ThreadItemDoneEvent(item=item)
    except BaseStreamError:
        raise
    except Exception as error:
        raise CustomStreamError(explain_model_error(error), allow_retry=True) from error


async def _events(
    context: ChatContext, result: RunResultStreaming
) -> AsyncIterator[ThreadStreamEvent]:
    """Return the events of a run. The run has ended when they end.

    ChatKit reads a run in two tasks. When ChatKit is cancelled or fails, it does not end them, and
    they log errors. So only the run is cancelled here, and ChatKit reads it to the end.
    """
    events: asyncio.Queue[ThreadStreamEvent | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async for event in stream_agent_response(context, result):
                events.put_nowait(event)
        finally:
            events.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (event := await events.get()) is not None:
            yield event
        await reader
    finally:
        if not result.is_complete:
            result.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        # After a failure, one of ChatKit's tasks still waits for an event. This event ends it.
        await context.stream(ProgressUpdateEvent(text=""))


class ToolMemory:
    """Makes hidden items from tool outputs, because ChatKit has no items for them.

    Client tools are left out: their items contain their outputs.
    """

    def __init__(self, context: ChatContext) -> None:
        """Create a memory for the run with this context."""
        self._context = context
        self._seen = 0

    def of_new_outputs(self, items: Sequence[RunItem]) -> Iterator[HiddenContextItem]:
        """Return an item for each tool output in `items` that is new since the last call."""
        new, self._seen = items[self._seen :], len(items)
        calls = {item.call_id: item for item in items if isinstance(item, ToolCallItem)}
        client_tool = self._context.client_tool_call
        for item in new:
            call = calls.get(item.call_id) if isinstance(item, ToolCallOutputItem) else None
            if call is None or (client_tool and call.tool_name == client_tool.name):
                continue
            arguments = getattr(call.raw_item, "arguments", "{}")
            yield HiddenContextItem(
                id=generate_id("message"),
                thread_id=self._context.thread.id,
                created_at=datetime.now(),
                content=f"The tool {call.tool_name} was called with {arguments} and said: "
                f"{item.output}",
            )


Context = TypeVar("Context")


def with_choices(agent: Agent[Context], options: InferenceOptions | None) -> Agent[Context]:
    """Return the agent with the model and the tool that the person chose in ChatKit's page.

    Only models in OPENAI_MODEL and OPENAI_MODELS are allowed, since models differ in cost.

    Raises:
        CustomStreamError: the model or the tool is not available.
    """
    changes: dict[str, Any] = {}
    if options and options.model is not None:
        settings = get_settings()
        if options.model not in [settings.openai_model, *settings.openai_models]:
            raise CustomStreamError(
                f"The model {options.model} is not offered here: OPENAI_MODELS does not name it."
            )
        changes["model"] = options.model
    if options and options.tool_choice is not None:
        tool = options.tool_choice.id
        if tool not in [known.name for known in agent.tools]:
            raise CustomStreamError(f"The assistant has no tool named {tool}.")
        changes["model_settings"] = replace(agent.model_settings, tool_choice=tool)
    return agent.clone(**changes) if changes else agent


class AgentInput(ThreadItemConverter):
    """Converts the items of a thread into the input of an agent, for one turn."""

    def __init__(self, file_bytes: int) -> None:
        """Create a converter that sends at most `file_bytes` bytes of files, newest first."""
        self._bytes_left = file_bytes

    async def to_agent_input(
        self, thread_items: Sequence[ThreadItem] | ThreadItem
    ) -> list[TResponseInputItem]:
        """Return the items as the input of an agent, in the same order."""
        items = thread_items if isinstance(thread_items, Sequence) else [thread_items]
        inputs: list[TResponseInputItem] = []
        for item in reversed(items):  # the newest files get the limited bytes first
            inputs[:0] = await super().to_agent_input(item)
        return inputs

    async def assistant_message_to_input(self, item: AssistantMessageItem) -> TResponseInputItem:
        """Return an earlier answer as plain text, which both of OpenAI's APIs accept.

        ChatKit's own converter returns content parts, which Chat Completions refuses from the
        second turn on.
        """
        return EasyInputMessageParam(
            type="message", role="assistant", content="".join(part.text for part in item.content)
        )

    async def user_message_to_input(
        self, item: UserMessageItem, is_last_message: bool = True
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return a message with its quoted text, which later turns need to understand it, too.

        ChatKit's own converter includes the quoted text only for the last message.
        """
        return await super().user_message_to_input(item, is_last_message=True)

    async def hidden_context_to_input(
        self, item: HiddenContextItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return a hidden item. Content other than text becomes JSON."""
        if not isinstance(item.content, str):
            text = json.dumps(item.content, ensure_ascii=False, default=str)
            item = item.model_copy(update={"content": text})
        return await super().hidden_context_to_input(item)

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputContentParam:
        """Return the page's data about an entity that the person mentioned with @."""
        known = json.dumps({"id": tag.id, **tag.data}, ensure_ascii=False)
        return ResponseInputTextParam(type="input_text", text=f"@{tag.text} is {known}")

    async def attachment_to_message_content(
        self, attachment: Attachment
    ) -> ResponseInputContentParam:
        """Return an attached file: an image or a PDF as a file, any other type as text.

        If the file is gone or exceeds the limit, return a sentence that tells the model.
        """
        found = await file_store.stream(attachment.id, MB)
        if found is None:
            return _text(f"The person attached the file {attachment.name}, which is gone.")
        size, chunks = found
        is_pdf = attachment.mime_type == "application/pdf"
        is_text = not is_pdf and not is_image(attachment.mime_type)
        if is_text:
            size = min(size, MAX_TEXT)
        if size > self._bytes_left:
            return _text(
                f"The person attached the file {attachment.name}. It is left out here, since the "
                "files of this conversation are too large together: ask for it if you need it."
            )
        self._bytes_left -= size
        content = b"".join([chunk async for chunk in chunks])
        if is_text:
            text = content.decode(errors="replace")
            shown = text[:MAX_TEXT]
            cut = "" if shown == text else f"\n(cut after {MAX_TEXT} characters)"
            return _text(f"The person attached the file {attachment.name}:\n{shown}{cut}")
        url = f"data:{attachment.mime_type};base64,{base64.b64encode(content).decode()}"
        if is_pdf:
            return ResponseInputFileParam(
                type="input_file", filename=attachment.name, file_data=url
            )
        return ResponseInputImageParam(type="input_image", detail="auto", image_url=url)


def _text(text: str) -> ResponseInputContentParam:
    return ResponseInputTextParam(type="input_text", text=text)


ModelSetting = Literal["openai_model", "openai_transcription_model"]

FACTS = ("status_code", "code", "type", "param", "request_id")

NOT_NOW = "The assistant cannot answer at the moment."
"""The message for errors that only the owner of the app can fix."""


@cache
def get_client() -> openai.AsyncOpenAI:
    """Return the client of the model's server. The whole process shares its connections."""
    settings = get_settings()
    return openai.AsyncOpenAI(api_key=_key(), base_url=settings.openai_base_url or OPENAI_URL)


@cache
def get_model_provider() -> ModelProvider:
    """Return the provider from which openai-agents gets models."""
    settings = get_settings()
    if traces():
        set_tracing_export_api_key(_key())
    api = settings.openai_api or ("chat_completions" if settings.openai_base_url else "responses")
    return OpenAIProvider(openai_client=get_client(), use_responses=api == "responses")


def _key() -> str:
    key = get_settings().openai_api_key
    return key.get_secret_value() if key else NO_KEY


def traces() -> bool:
    """Whether runs are traced at OpenAI: only if the model runs at OpenAI, too."""
    settings = get_settings()
    return settings.openai_api_key is not None and settings.openai_base_url is None


async def transcribe(audio: AudioInput) -> TranscriptionResult:
    """Return the text of a recording, transcribed by the model.

    Raises:
        RefusedError: no key is set (400), or the model's server failed (502).
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
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return f": {_hide_secrets(str(message or 'it gave no reason'))[:300]}"
