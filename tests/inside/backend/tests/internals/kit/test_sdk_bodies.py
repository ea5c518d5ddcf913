"""What the kit does as ChatKit does, in code of its own: ChatKit's must still be the same."""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from chatkit.server import ChatKitServer

COPIED: dict[Callable[..., Any], str] = {
    ChatKitServer.process: "b477bf3aa3f5866d",
    ChatKitServer._process_streaming: "78a60b3a1d57c9e0",
    ChatKitServer._process_streaming_impl: "a7dffd0d4ad6caeb",
    ChatKitServer._process_new_thread_item_respond: "1365ab2973d3d7b6",
}
"""Bodies of ChatKit's that `kit.chat.chatkit_server` follows, by the digests of their code."""


def digest_of(function: Callable[..., Any]) -> str:
    """Return a digest of a function's code; comments and blank lines do not count."""
    lines = (line.strip() for line in inspect.getsource(function).splitlines())
    code = "\n".join(line for line in lines if line and not line.startswith("#"))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


@pytest.mark.parametrize("function", COPIED, ids=lambda one: one.__name__)
def test_the_body_is_the_one_that_was_followed(function: Callable[..., Any]) -> None:
    """When it fails, compare the new body with the kit's, and note the new digest."""
    assert digest_of(function) == COPIED[function]
