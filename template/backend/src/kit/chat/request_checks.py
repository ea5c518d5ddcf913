"""Checks that ChatKit's server does not make, or does not explain to the person."""

import asyncio
import binascii
import json
import re
from typing import Annotated, Literal

from chatkit.store import Store
from chatkit.types import (
    ActiveStatus,
    AudioInput,
    ChatKitReq,
    InputTranscribeReq,
    ItemsFeedbackReq,
    LockedStatus,
    NonStreamingReq,
    StreamingReq,
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
from pydantic import BaseModel, Field, TypeAdapter

from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.settings import get_settings

MAX_ITEMS = 20
"""How many items one feedback request may name."""

MAX_FILES = 20
"""How many files a message may have."""

MAX_TITLE = 1000
"""How many characters the title of a conversation may have."""

AUDIO_TYPES = ("audio/webm", "audio/ogg", "audio/mp4")
"""The media types that ChatKit's page records."""

SLICE = 1024 * 1024
"""How many characters of Base64 are decoded at a time. It is a multiple of four."""


def check_length(request: "AnyReq") -> None:
    """Check the length of what a person or their page sends to the model.

    Raises:
        RefusedError: it is longer than MESSAGE_MAX_CHARACTERS (413).
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
        raise RefusedError(
            413, f"The message has {length} characters, and at most {most} are allowed."
        )


def _length_of(written: object) -> int:
    """Return the length in characters as the model sees it: non-text is sent to it as JSON."""
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
    """Check a request before it changes anything.

    Returns:
        The thread of the request, if the check has read it.

    Raises:
        RefusedError: the request is not possible; the message says why.
        NotFoundError: the request names a record that does not exist or belongs to another owner.
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
    elif isinstance(request, ThreadsAddUserMessageReq):
        thread_id = request.params.thread_id
        if request.params.input.attachments:  # what is wrong with the thread is said first
            check_status(await store.load_thread(thread_id, context))
        # Otherwise the transaction that stores the message is soon enough to check its thread.
        await _check_input(request.params.input, thread_id, store, context)
    elif is_streaming_req(request) or isinstance(request, ThreadsSyncCustomActionReq):
        thread_id = request.params.thread_id
        thread = await store.load_thread(thread_id, context)
        check_status(thread)
        match request:
            case ThreadsRetryAfterItemReq(params=retry):
                item = await store.load_item(thread_id, retry.item_id, context)
                if not isinstance(item, UserMessageItem):
                    raise RefusedError(400, f"Item {item.id} is not a person's message.")
            case ThreadsCustomActionReq(params=action) | ThreadsSyncCustomActionReq(params=action):
                if action.item_id is not None:
                    item = await store.load_item(thread_id, action.item_id, context)
                    if not isinstance(item, WidgetItem):
                        raise RefusedError(400, f"Item {item.id} is not a widget.")
        return thread
    return None


def check_status(thread: ThreadMetadata) -> None:
    """Check that a conversation goes on.

    Raises:
        RefusedError: it is locked or closed (403).
    """
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
            f"Speech of the type {audio.media_type} is not accepted, only "
            f"{', '.join(AUDIO_TYPES)}.",
        )


async def audio_of(request: InputTranscribeReq) -> AudioInput:
    """Return the recording in a request.

    Raises:
        RefusedError: the recording is empty or not valid Base64 (400).
    """
    encoded = request.params.audio_base64
    data = bytearray()
    try:
        for start in range(0, len(encoded), SLICE):
            data += binascii.a2b_base64(encoded[start : start + SLICE], strict_mode=True)
            await asyncio.sleep(0)  # let other requests run while a long recording is decoded
    except ValueError:  # raised for non-ASCII characters, too
        raise RefusedError(400, "audio_base64 is not Base64.") from None
    if not data:
        raise RefusedError(400, "The recording is empty.")
    return AudioInput(data=bytes(data), mime_type=request.params.mime_type)


MAX_TEXT_BYTES = 512 * 1024
"""The limit for a JSON body without the recorded speech."""

MAX_PARTS = 10_000
"""How many brackets, commas, colons and strings a JSON body may have.

A table of 2,500 cells that repeats the column names in each row has about as many.
"""

# Each repetition matches one part. Possessive quantifiers (+) never backtrack, so matching takes
# linear time for any input. A string is one part: brackets inside it do not count.
_PART = rb'[^"\[{,:]*+(?:[\[{,:]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?+)'
_TOO_MANY_PARTS = re.compile(b"(?:%b){" % _PART + str(MAX_PARTS + 1).encode() + b"}", re.DOTALL)
_SPEECH = b'"audio_base64"'
_OPENING = re.compile(rb'\s*+:\s*+"')


def check_json(body: bytes) -> None:
    """Check that a body is small enough to be parsed without delaying other requests.

    Raises:
        RefusedError: the body is too large, or has too many parts (413).
    """
    text = body if len(body) <= MAX_TEXT_BYTES else _without_speech(body)
    if len(text) > MAX_TEXT_BYTES:
        raise too_much_text()
    if _TOO_MANY_PARTS.match(text):
        message = f"The JSON has more than {MAX_PARTS} brackets, commas and strings."
        raise RefusedError(413, message)


def too_much_text() -> RefusedError:
    """Return the error for a body that is too large without recorded speech."""
    return RefusedError(413, f"The JSON is larger than {MAX_TEXT_BYTES // 1024} KB.")


def _without_speech(body: bytes) -> bytes:
    """Return a body without the string of recorded speech, if it has one."""
    name = body.find(_SPEECH)
    opening = _OPENING.match(body, name + len(_SPEECH)) if name >= 0 else None
    if opening is None:
        return body
    start = opening.end()
    end = body.find(b'"', start)
    # Base64 has no backslash. After a backslash, a quotation mark would not end the string.
    if end < 0 or body.find(b"\\", start, end) >= 0:
        return body
    if start + len(body) - end > MAX_TEXT_BYTES:  # too large anyway, so do not copy it
        return body
    return body[:start] + body[end:]


class TurnParams(BaseModel):
    """Names a conversation."""

    thread_id: str


class TurnReq(BaseModel):
    """The page asks how the newest turn of a conversation is, or stops it. ChatKit has neither."""

    type: Literal["kit.turn", "kit.stop"]
    params: TurnParams


AnyReq = StreamingReq | NonStreamingReq | TurnReq
"""A request of ChatKit's, or of the kit's own."""


def is_streaming(request: AnyReq) -> bool:
    """Whether the answer to a request is a stream."""
    return not isinstance(request, TurnReq) and is_streaming_req(request)


# Built once, because building it takes longer than most requests.
_REQUEST: TypeAdapter[AnyReq] = TypeAdapter(Annotated[AnyReq, Field(discriminator="type")])


def parse_request(request: str | bytes | bytearray) -> AnyReq:
    """Parse the JSON of a request.

    Raises:
        pydantic.ValidationError: the JSON is not a ChatKit request.
        RefusedError: the request is an action without a type (400). The SDK accepts it and fills
            in an internal object.
    """
    parsed = _REQUEST.validate_json(request)
    match parsed:
        case ThreadsCustomActionReq(params=params) | ThreadsSyncCustomActionReq(params=params):
            if not isinstance(params.action.type, str):
                raise RefusedError(400, "The action has no type.")
    return parsed
