"""Where the bytes of attachments lie: in a folder, or in any S3-compatible store."""

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
"""How much is read at a time. A download holds about three of them, however slowly it is read; an
S3 store is asked for each, and would be slow with much smaller ones."""

DEFAULT_FOLDER = ".attachments"

RETRY = timedelta(seconds=10)
"""How long a store that does not answer is asked again. obstore would ask for three minutes, while
a person waits for an upload, and a turn for the files that the model is sent."""

# A drive of Windows is one letter.
_URL = re.compile(r"[\w+.-]{2,}:")
_CREDENTIALS = re.compile(r"(?<=://)\S*@")


@cache
def get_file_store() -> ObjectStore:
    """Return the store that the whole process shares.

    That is ATTACHMENTS_URL: a folder (from backend/ if it is relative), or `s3://bucket/prefix`
    with the usual AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL in the
    environment; Google's and Azure's URLs are taken too.

    Raises:
        StartupError: the address is wrong, or the folder cannot be made or written.
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
    if is_ours:  # another may have other things in it, for others
        folder.chmod(0o700)
    with TemporaryFile(dir=folder):  # one that is there need not be writable
        return store


async def save(attachment_id: str, content: BinaryIO) -> None:
    """Store the bytes of an attachment, from where `content` stands, for the app's own eyes."""
    store = get_file_store()
    await obstore.put_async(store, attachment_id, content)
    if isinstance(store, LocalStore) and store.prefix is not None:
        (Path(store.prefix) / attachment_id).chmod(0o600)


async def stream(
    attachment_id: str, chunk_bytes: int = CHUNK_BYTES
) -> tuple[int, AsyncIterator[bytes]] | None:
    """Return the size of an attachment in bytes, and its chunks; None if they are gone.

    Each chunk is a request of its own: one for all would be over after half a minute, and a file
    cut off, however slow the person's connection is.
    """
    try:
        file = await obstore.open_reader_async(
            get_file_store(), attachment_id, buffer_size=chunk_bytes
        )
        # Opening it reads nothing yet: a file may be removed before its first chunk is read.
        first = bytes(await file.read(chunk_bytes))
    except FileNotFoundError:
        return None

    async def chunks(chunk: bytes) -> AsyncIterator[bytes]:
        while chunk:
            yield chunk
            chunk = bytes(await file.read(chunk_bytes))

    return file.size, chunks(first)


async def delete(attachment_id: str) -> None:
    """Delete the bytes of an attachment; without effect where there are none."""
    with suppress(FileNotFoundError):
        await obstore.delete_async(get_file_store(), attachment_id)
