"""`/attachments`, whatever the framework: bytes in, a reply out."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from chatkit.store import NotFoundError
from chatkit.types import Attachment, AttachmentCreateParams

from kit.attachments import file_store
from kit.attachments.attachment_store import AttachmentStore
from kit.attachments.form import received_file
from kit.errors import RefusedError
from kit.http.request_handling import Reply, handle, json_reply
from kit.people.identity import Headers, Identify, RequestContext
from kit.people.limits import count_upload

# A file never runs as a page of ours, whatever a browser takes it for.
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


async def upload(
    store: AttachmentStore, headers: Headers, body: AsyncIterator[bytes], who: Identify
) -> Reply:
    """Answer `POST /attachments`: take a file and return its ChatKit record."""

    async def work(context: RequestContext) -> Reply:
        await count_upload(context)
        async with received_file(headers, body) as file:
            params = AttachmentCreateParams(
                name=file.name, size=file.size, mime_type=file.mime_type
            )
            attachment = await store.create_attachment(params, context)
            return _record(await store.receive(attachment, file.content, context))

    return await handle("attachments.upload", headers, work, who)


async def upload_announced(
    store: AttachmentStore,
    attachment_id: str,
    headers: Headers,
    body: AsyncIterator[bytes],
    who: Identify,
) -> Reply:
    """Answer `POST /attachments/{id}`: take the file that `attachments.create` announced."""

    async def work(context: RequestContext) -> Reply:
        attachment = await store.records.load_attachment(attachment_id, context)
        if attachment.upload_descriptor is None:
            raise RefusedError(400, f"The file of {attachment_id} is there already.")
        await count_upload(context)
        async with received_file(headers, body) as file:
            return _record(await store.receive(attachment, file.content, context))

    return await handle("attachments.upload", headers, work, who)


async def download(
    store: AttachmentStore, attachment_id: str, headers: Headers, who: Identify
) -> Reply:
    """Answer `GET /attachments/{id}` with the file, for its owner."""

    async def work(context: RequestContext) -> Reply:
        attachment = await store.records.load_attachment(attachment_id, context)
        found = await file_store.stream(attachment.id)
        if found is None:
            raise NotFoundError(f"Attachment {attachment_id} not found.")
        size, chunks = found
        name = quote(attachment.name, safe="")
        return Reply(
            200,
            attachment.mime_type,
            chunks,
            DOWNLOAD_HEADERS
            | {
                "Content-Length": str(size),
                "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            },
        )

    return await handle("attachments.download", headers, work, who)


def _record(attachment: Attachment) -> Reply:
    json = attachment.model_dump_json(exclude_none=True, context={"exclude_metadata": True})
    return json_reply(json.encode())
