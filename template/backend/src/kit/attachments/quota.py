"""How many bytes of files there may be: a guest could fill the disk."""

import asyncio
import math
import time

from limits import RateLimitItemPerDay
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from kit.database.chatkit_store import ChatKitStore
from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.people.limits import seconds_left, sender_of
from kit.settings import MB, get_settings

A_WHILE = 60
"""For how many seconds a count of all is believed, and when to try again."""

HOUR = 3600


class Room:
    """What a person, the guests of an address and all together may still upload."""

    def __init__(self, records: ChatKitStore) -> None:
        """Count the records in the database."""
        self._records = records
        self._counting = asyncio.Lock()
        self._taken = 0
        self._counted_until = 0.0
        self._of_address = FixedWindowRateLimiter(MemoryStorage())

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

    async def check(self, size: int, context: RequestContext) -> None:
        """Make sure that there is room for a file.

        Raises:
            RefusedError: the files of all fill it, or the guests of an address have sent all that
                they may in a day (429).
        """
        await self._count_for_address(size, context, is_there=False)
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

    async def take(self, size: int, context: RequestContext) -> None:
        """Count a file that has come.

        Raises:
            RefusedError: there is no room for it (429).
        """
        await self.check(size, context)
        await self._count_for_address(size, context, is_there=True)
        self._taken += size

    async def _count_for_address(self, size: int, context: RequestContext, is_there: bool) -> None:
        """Count a file, once it is there: a new cookie is a new person with a share of their own.

        Raises:
            RefusedError: it would be more than may come from an address in a day (429).
        """
        most, sender = get_settings().attachments_max_mb_address, sender_of(context)
        if most == 0 or sender == context.owner:
            return
        limit = RateLimitItemPerDay(most * MB)
        count = self._of_address.hit if is_there else self._of_address.test
        if not await count(limit, sender, cost=size):
            seconds = seconds_left(await self._of_address.get_window_stats(limit, sender))
            raise RefusedError(
                429,
                f"{most} MB of files a day are the most for the guests of one network. "
                f"Go on in {math.ceil(seconds / HOUR)} h.",
                seconds,
            )
