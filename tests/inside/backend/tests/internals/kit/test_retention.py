"""What guests wrote long ago is forgotten, where GUEST_HISTORY_DAYS says so."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from chatkit.store import NotFoundError
from chatkit.types import InferenceOptions, ThreadMetadata, UserMessageItem

from internals.conftest import Run
from kit.attachments.retention import forget_guests
from kit.database.chatkit_store import ChatKitStore, generate_id
from kit.people.identity import RequestContext


async def begin(owner: RequestContext, *days: int) -> str:
    """Store a conversation, with an item of each of so many days ago; return its id."""
    times = [datetime.now(UTC) - timedelta(days=ago) for ago in days]
    store, thread = ChatKitStore(), ThreadMetadata(id=generate_id("thread"), created_at=times[0])
    await store.save_thread(thread, owner)
    for moment in times:
        item = UserMessageItem(
            id=generate_id("message"),
            thread_id=thread.id,
            created_at=moment,
            content=[],
            inference_options=InferenceOptions(),
        )
        await store.add_thread_item(thread.id, item, owner)
    return thread.id


async def is_kept(thread_id: str, owner: RequestContext) -> bool:
    try:
        await ChatKitStore().load_thread(thread_id, owner)
    except NotFoundError:
        return False
    return True


@pytest.mark.parametrize("assistant", ["", "support"])
def test_guests_are_forgotten_and_others_are_not(run: Run, assistant: str) -> None:
    async def work() -> None:
        guest = RequestContext("guest_1", assistant=assistant)
        member = RequestContext("guestly-member", assistant=assistant)
        old, new = await begin(guest, 40, 31), await begin(guest, 2)
        used_again, members = await begin(guest, 40, 2), await begin(member, 40)
        await forget_guests(ChatKitStore(), datetime.now(UTC) - timedelta(days=30))
        assert not await is_kept(old, guest)
        assert [await is_kept(thread_id, guest) for thread_id in (new, used_again)] == [True, True]
        assert await is_kept(members, member)

    run(work())


def test_a_conversation_that_goes_on_just_then_is_kept(run: Run) -> None:
    async def work() -> None:
        guest, since = RequestContext("guest_2"), datetime.now(UTC) - timedelta(days=30)
        thread_id = await begin(guest, 40, 2)
        assert await ChatKitStore().remove_thread(thread_id, guest, since) == []
        assert await is_kept(thread_id, guest)

    run(work())


def test_a_conversation_that_cannot_be_removed_does_not_keep_others(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class StumblingStore(ChatKitStore):
        stumbled = False

        async def remove_thread(
            self, thread_id: str, context: RequestContext, idle_since: datetime | None = None
        ) -> Sequence[str]:
            if not self.stumbled:
                self.stumbled = True
                raise RuntimeError("Something of the owner's refers to it.")
            return await super().remove_thread(thread_id, context, idle_since)

    async def work() -> None:
        guest, since = RequestContext("guest_3"), datetime.now(UTC) - timedelta(days=30)
        ids = [await begin(guest, 40), await begin(guest, 40)]
        await forget_guests(StumblingStore(), since)
        assert [await is_kept(thread_id, guest) for thread_id in ids].count(True) == 1
        assert "could not be removed" in caplog.text

    run(work())


@pytest.mark.parametrize("owner", ["guest_%", "guestX", "Guest_Ada"])
def test_a_name_is_taken_as_it_is(run: Run, owner: str) -> None:
    async def work() -> None:
        since = datetime.now(UTC) - timedelta(days=30)
        context = RequestContext(owner)
        thread_id = await begin(context, 40)
        found = await ChatKitStore().list_idle_threads("guest_", since)
        assert (thread_id in dict(found)) == (owner == "guest_%")

    run(work())
