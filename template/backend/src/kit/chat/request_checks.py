"""What ChatKit's server would let pass, or refuse without words."""

import asyncio
import binascii
import json
import re

from chatkit.store import Store
from chatkit.types import (
    ActiveStatus,
    AudioInput,
    ChatKitReq,
    InputTranscribeReq,
    ItemsFeedbackReq,
    LockedStatus,
    ThreadMetadata,
    ThreadsAddClientToolOutputReq,
    ThreadsAddStructuredInputReq,
    ThreadsAddUserMessageReq,
    ThreadsCreateReq,
    ThreadsCustomActionReq,
    ThreadsRetryAfterItemReq,
    ThreadsSyncCustomActionReq,
    ThreadsUpdateReq,
    UserMessageInput,
    UserMessageItem,
    WidgetItem,
    is_streaming_req,
)
from pydantic import BaseModel, TypeAdapter

from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.settings import get_settings

MAX_ITEMS = 20
"""How many items one piece of feedback may be about."""

MAX_FILES = 20
"""How many files a message may have."""

MAX_TITLE = 1000
"""How many characters the title of a conversation may have."""

AUDIO_TYPES = ("audio/webm", "audio/ogg", "audio/mp4")
"""What ChatKit's page records."""

SLICE = 1024 * 1024
"""How many characters of Base64 are decoded at a time: whole groups of four."""


def check_length(request: ChatKitReq) -> None:
    """Make sure that what a person writes, or their page answers for them, has an end.

    Raises:
        RefusedError: it is longer than a message may be (413).
    """
    match request:
        case ThreadsCreateReq(params=params) | ThreadsAddUserMessageReq(params=params):
            message = params.input
            written: list[object] = [
                *message.content,
                message.quoted_text,
                message.inference_options,
            ]
        case ThreadsAddClientToolOutputReq(params=output):
            written = [output.result]
        case ThreadsAddStructuredInputReq(params=form):
            written = [*form.input.answers, *form.input.answers.values()]
        case ThreadsCustomActionReq(params=action) | ThreadsSyncCustomActionReq(params=action):
            written = [action.action.type, action.action.payload]
        case _:
            return
    most, length = get_settings().message_max_characters, sum(map(_length_of, written))
    if most and length > most:
        raise RefusedError(413, f"That is {length} characters long, and {most} are the most here.")


def _length_of(written: object) -> int:
    """Return how long something is for the model, which is sent as JSON what is no text."""
    match written:
        case None:
            return 0
        case str():
            return len(written)
        case BaseModel():
            return sum(_length_of(value) for name, value in written if name != "type")
    return len(json.dumps(written, ensure_ascii=False))


async def check_request(
    request: ChatKitReq, store: Store[RequestContext], context: RequestContext
) -> ThreadMetadata | None:
    """Make sure that a request can be done before it changes anything.

    Returns:
        The thread whose turn it is, if it was read.

    Raises:
        RefusedError: it cannot; says why.
        NotFoundError: it names something that is not there, or somebody else's.
    """
    match request:
        case InputTranscribeReq():
            _check_audio(request)
        case ItemsFeedbackReq(params=feedback) if len(feedback.item_ids) > MAX_ITEMS:
            raise RefusedError(400, f"Feedback is about {MAX_ITEMS} items at most.")
        case ThreadsUpdateReq(params=change) if len(change.title) > MAX_TITLE:
            raise RefusedError(400, f"A title has {MAX_TITLE} characters at most.")
    if isinstance(request, ThreadsCreateReq):
        await _check_input(request.params.input, None, store, context)
    elif is_streaming_req(request) or isinstance(request, ThreadsSyncCustomActionReq):
        thread_id = request.params.thread_id
        thread = await store.load_thread(thread_id, context)
        _check_status(thread)
        match request:
            case ThreadsAddUserMessageReq(params=message):
                await _check_input(message.input, thread_id, store, context)
            case ThreadsRetryAfterItemReq(params=retry):
                item = await store.load_item(thread_id, retry.item_id, context)
                if not isinstance(item, UserMessageItem):
                    raise RefusedError(400, f"Item {item.id} is no message of a person.")
            case ThreadsCustomActionReq(params=action) | ThreadsSyncCustomActionReq(params=action):
                if action.item_id is not None:
                    item = await store.load_item(thread_id, action.item_id, context)
                    if not isinstance(item, WidgetItem):
                        raise RefusedError(400, f"Item {item.id} is no widget.")
        return thread
    return None


def _check_status(thread: ThreadMetadata) -> None:
    status = thread.status
    if isinstance(status, ActiveStatus):
        return
    state = "locked" if isinstance(status, LockedStatus) else "closed"
    reason = f": {status.reason}" if status.reason else "."
    raise RefusedError(403, f"This conversation is {state}{reason}")


async def _check_input(
    message: UserMessageInput,
    thread_id: str | None,
    store: Store[RequestContext],
    context: RequestContext,
) -> None:
    ids = message.attachments
    if len(ids) > MAX_FILES or len(set(ids)) < len(ids):
        raise RefusedError(400, f"A message has {MAX_FILES} files at most, each of them once.")
    for attachment_id in ids:
        attachment = await store.load_attachment(attachment_id, context)
        if attachment.upload_descriptor is not None:
            raise RefusedError(400, f"The file {attachment.name} is not uploaded yet.")
        if attachment.thread_id not in (None, thread_id):
            raise RefusedError(400, f"The file {attachment.name} is in another conversation.")


def _check_audio(request: InputTranscribeReq) -> None:
    audio = AudioInput(data=b"", mime_type=request.params.mime_type)
    if audio.media_type not in AUDIO_TYPES:
        raise RefusedError(
            415,
            f"Speech of the type {audio.media_type} is not taken, only {', '.join(AUDIO_TYPES)}.",
        )


async def audio_of(request: InputTranscribeReq) -> AudioInput:
    """Return the recording that a request carries.

    Raises:
        RefusedError: it is empty, or not Base64.
    """
    encoded = request.params.audio_base64
    data = bytearray()
    try:
        for start in range(0, len(encoded), SLICE):
            data += binascii.a2b_base64(encoded[start : start + SLICE], strict_mode=True)
            await asyncio.sleep(0)  # others need not wait for all of a long recording
    except ValueError:  # of what is no ASCII, too
        raise RefusedError(400, "audio_base64 is not Base64.") from None
    if not data:
        raise RefusedError(400, "The recording is empty.")
    return AudioInput(data=bytes(data), mime_type=request.params.mime_type)


MAX_TEXT_BYTES = 512 * 1024
"""What JSON may carry besides recorded speech."""

MAX_PARTS = 10_000
"""How many brackets, commas, colons and strings it may have.

A table of 2,500 cells has as many, with the names of its columns in each row.
"""

# One of them a round, and none is tried again (+), so that matching ends soon whatever comes. A
# string is taken whole: a bracket in it is none.
_PART = rb'[^"\[{,:]*+(?:[\[{,:]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?+)'
_TOO_MANY_PARTS = re.compile(b"(?:%b){" % _PART + str(MAX_PARTS + 1).encode() + b"}", re.DOTALL)
_SPEECH = b'"audio_base64"'
_OPENING = re.compile(rb'\s*+:\s*+"')


def check_json(body: bytes) -> None:
    """Make sure that a body can be parsed while others wait.

    Raises:
        RefusedError: it is too large, or holds too much (413).
    """
    text = body if len(body) <= MAX_TEXT_BYTES else _without_speech(body)
    if len(text) > MAX_TEXT_BYTES:
        raise too_much_text()
    if _TOO_MANY_PARTS.match(text):
        message = f"That is JSON of more than {MAX_PARTS} brackets, commas and strings."
        raise RefusedError(413, message)


def too_much_text() -> RefusedError:
    """Return the refusal of a body that is too large for one without speech."""
    return RefusedError(413, f"That is larger than {MAX_TEXT_BYTES // 1024} KB of text.")


def _without_speech(body: bytes) -> bytes:
    """Return a body without the one string that may be long, if there is one."""
    name = body.find(_SPEECH)
    opening = _OPENING.match(body, name + len(_SPEECH)) if name >= 0 else None
    if opening is None:
        return body
    start = opening.end()
    end = body.find(b'"', start)
    # Base64 has no backslash. Behind one the quotation mark would not be the end of the string.
    if end < 0 or body.find(b"\\", start, end) >= 0:
        return body
    if start + len(body) - end > MAX_TEXT_BYTES:  # too large all the same, and long to copy
        return body
    return body[:start] + body[end:]


# Built once: building it takes longer than many a request.
_REQUEST: TypeAdapter[ChatKitReq] = TypeAdapter(ChatKitReq)


def parse_request(request: str | bytes | bytearray) -> ChatKitReq:
    """Return the request that some JSON is.

    Raises:
        pydantic.ValidationError: it is not one of ChatKit's.
        RefusedError: it is an action without a type (400), for which the SDK puts in an object of
            its own.
    """
    parsed = _REQUEST.validate_json(request)
    match parsed:
        case ThreadsCustomActionReq(params=params) | ThreadsSyncCustomActionReq(params=params):
            if not isinstance(params.action.type, str):
                raise RefusedError(400, "The action has no type.")
    return parsed
