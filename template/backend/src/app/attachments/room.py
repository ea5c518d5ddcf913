"""How many bytes of files there may be: a guest could fill the disk."""

import asyncio
import time

from app.chatkit_store import ChatKitStore
from app.errors import RefusedError
from app.identity import RequestContext
from app.settings import MB, get_settings

A_WHILE = 60
"""For how many seconds a count of all is believed, and when to try again."""


class Room:
    """What a person and all together may still keep."""

    def __init__(self, records: ChatKitStore) -> None:
        """Count the records in the database."""
        self._records = records
        self._counting = asyncio.Lock()
        self._taken = 0
        self._counted_until = 0.0

    async def check_share(self, context: RequestContext) -> None:
        """Make sure that a person keeps no more than they may.

        That is asked when the record of the newest file is there: whoever uploads several at once
        would be under the limit before.

        Raises:
            RefusedError: they do (429).
        """
        most = get_settings().attachments_max_mb_person
        if most and await self._records.size_of_attachments(context) > most * MB:
            raise RefusedError(
                429,
                f"Your files would be larger than {most} MB together, the most that is kept here. "
                "Delete conversations with files, and try again.",
                A_WHILE,
            )

    async def check(self, size: int) -> None:
        """Make sure that there is room for a file.

        Raises:
            RefusedError: the files of all fill it (429).
        """
        most = get_settings().attachments_max_mb_all
        if most == 0:
            return
        async with self._counting:
            if time.monotonic() > self._counted_until:  # not each time: there may be many
                self._taken = await self._records.size_of_all_attachments()
                self._counted_until = time.monotonic() + A_WHILE
        if self._taken + size > most * MB:
            raise RefusedError(
                429,
                "There is no room for more files here at the moment. Try again later.",
                A_WHILE,
                inside=f"All files together may have {most} MB (ATTACHMENTS_MAX_MB_ALL).",
            )

    async def take(self, size: int) -> None:
        """Count a file that has come.

        Raises:
            RefusedError: there is no room for it (429).
        """
        await self.check(size)
        self._taken += size
