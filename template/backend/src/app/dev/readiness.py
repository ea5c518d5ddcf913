"""Does a chat request pass, from the page's address to the backend and back?"""

import json
import time
from collections.abc import Callable
from http.client import HTTPException
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, Request, build_opener

REQUEST_TIMEOUT = 60
ERROR_PATIENCE = 15
SILENCE_PATIENCE = 120
PAUSE = 0.2
PAUSE_AFTER_COMPLAINT = 2.0


class NotReadyError(Exception):
    """No chat yet. The message says what was tried and what came back."""

    def __init__(self, message: str, *, answered: bool) -> None:
        """Keep whether there was an answer at all."""
        super().__init__(message)
        self.answered = answered


def wait_until_ready(
    page: str, backend: str, is_running: Callable[[], bool], complain: Callable[[str], None]
) -> bool:
    """Wait until a chat request passes; the first visitor then waits no more.

    Args:
        page: the page's address.
        backend: the backend's address.
        is_running: whether it is worth to go on.
        complain: takes a sentence when it takes too long; called once.

    Returns:
        Whether it is ready; False when it runs no more.
    """
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    # In this order, since the page takes longest, and without a backend its proxy only complains.
    steps: list[Callable[[], object]] = [
        lambda: _open(browser, Request(page)),
        lambda: _open(browser, Request(f"{backend}/health")),
        lambda: list_conversations(browser, page),
    ]
    started = time.monotonic()
    complained = False
    while steps and is_running():
        try:
            steps[0]()
            del steps[0]
        except NotReadyError as error:
            patience = ERROR_PATIENCE if error.answered else SILENCE_PATIENCE
            if not complained and time.monotonic() - started > patience:
                complain(str(error))
                complained = True
            time.sleep(PAUSE_AFTER_COMPLAINT if complained else PAUSE)
    return not steps


def list_conversations(browser: OpenerDirector, page: str) -> None:
    """List the conversations of the guest that the page has made, as ChatKit does.

    Raises:
        NotReadyError: there was no list.
    """
    body = json.dumps({"type": "threads.list", "params": {"limit": 1}}).encode()
    headers = {"Content-Type": "application/json", "Origin": page}
    request = Request(f"{page}/api/chatkit", data=body, headers=headers, method="POST")
    answer = _open(browser, request)
    try:
        is_list = "data" in json.loads(answer)
    except (ValueError, TypeError):
        is_list = False
    if not is_list:
        raise NotReadyError(f"{_name(request)} gave no list: {_shorten(answer)}", answered=True)


def _open(opener: OpenerDirector, request: Request) -> bytes:
    try:
        with opener.open(request, timeout=REQUEST_TIMEOUT) as response:
            content: bytes = response.read()
            return content
    except HTTPError as error:
        with error:
            said = _message(error.read())
        raise NotReadyError(
            f"{_name(request)} answered {error.code}: {said}", answered=True
        ) from error
    except (OSError, HTTPException) as error:
        raise NotReadyError(f"{_name(request)} failed: {error}", answered=False) from error


def _name(request: Request) -> str:
    return f"{request.get_method()} {request.full_url}"


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, TypeError, KeyError):
        return _shorten(answer)


def _shorten(answer: bytes) -> str:
    text = " ".join(answer.decode(errors="replace").split())
    return text if len(text) <= 300 else f"{text[:300]} ..."
