"""The store of attachments' bytes: a folder, or cloud storage such as S3."""

import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from kit.errors import StartupError
from kit.settings import BACKEND, ENV_FILE, get_settings

CHUNK_BYTES = 256 * 1024
"""The size of a chunk. A download holds about three chunks in memory. Each chunk is one request to
S3, so much smaller chunks would be slow."""

DEFAULT_FOLDER = ".attachments"

RETRY = timedelta(seconds=10)
"""How long requests to a store that does not answer are repeated. obstore's default is three
minutes, during which an upload, or a turn that sends files to the model, would wait."""

# Two characters or more, since a single letter is a drive on Windows.
_URL = re.compile(r"[\w+.-]{2,}:")
_CREDENTIALS = re.compile(r"(?<=://)\S*@")


@cache
def get_file_store() -> ObjectStore:
    """Return the file store at ATTACHMENTS_URL, which the whole process shares.

    ATTACHMENTS_URL is a folder (relative paths start from backend/), or `s3://bucket/prefix` with
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL in the environment.
    URLs of Google Cloud Storage and Azure are accepted, too.

    Raises:
        StartupError: the address is wrong, or the folder cannot be created or written to.
    """
    url = get_settings().attachments_url or DEFAULT_FOLDER
    try:
        return _remote_store(url) if _URL.match(url) else _folder(url)
    except (BaseError, OSError, ValueError, RuntimeError) as error:
        shown = f"ATTACHMENTS_URL is {url}, which cannot be used: {str(error).splitlines()[0]}"
        raise StartupError(
            f"{_CREDENTIALS.sub('', shown)}\n"
            "It is a folder, or an address such as s3://bucket/prefix, and comes from the "
            f"environment or {ENV_FILE}."
        ) from None


def _remote_store(url: str) -> ObjectStore:
    store = from_url(url, retry_config={"retry_timeout": RETRY})
    if not isinstance(store, S3Store | GCSStore | AzureStore):
        raise ValueError("it is no address of S3, of Google's storage or of Azure's")
    return store


def _folder(path: str) -> ObjectStore:
    folder = (BACKEND / Path(path).expanduser()).resolve()
    is_ours = path == DEFAULT_FOLDER or not folder.exists()
    store = LocalStore(folder, mkdir=True)
    if is_ours:  # an existing folder may contain files of other users
        folder.chmod(0o700)
    with TemporaryFile(dir=folder):  # fails if an existing folder is not writable
        return store


async def save(attachment_id: str, content: BinaryIO) -> None:
    """Store the bytes of an attachment from the current position of `content`.

    In a folder, only the app's own user can read the file.
    """
    store = get_file_store()
    await obstore.put_async(store, attachment_id, content)
    if isinstance(store, LocalStore) and store.prefix is not None:
        (Path(store.prefix) / attachment_id).chmod(0o600)


async def stream(
    attachment_id: str, chunk_bytes: int = CHUNK_BYTES
) -> tuple[int, AsyncIterator[bytes]] | None:
    """Return the size of an attachment in bytes, and its chunks; None if the file is gone.

    Each chunk is read with a separate request. A single request would time out after 30 seconds
    and cut off the file for a person with a slow connection.
    """
    try:
        file = await obstore.open_reader_async(
            get_file_store(), attachment_id, buffer_size=chunk_bytes
        )
        # Opening reads nothing. Reading the first chunk here detects a file that is gone.
        first = bytes(await file.read(chunk_bytes))
    except FileNotFoundError:
        return None

    async def chunks(chunk: bytes) -> AsyncIterator[bytes]:
        while chunk:
            yield chunk
            chunk = bytes(await file.read(chunk_bytes))

    return file.size, chunks(first)


async def delete(attachment_id: str) -> None:
    """Delete the bytes of an attachment. Do nothing if there are none."""
    with suppress(FileNotFoundError):
        await obstore.delete_async(get_file_store(), attachment_id)
