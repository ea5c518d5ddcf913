"""`/attachments`, whatever the framework: bytes in, a reply out."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from chatkit.store import NotFoundError
from chatkit.types import Attachment, AttachmentCreateParams

from app.attachments import files
from app.attachments.form import received_file
from app.chatkit_server import get_server
from app.errors import RefusedError
from app.headers import Headers
from app.identity import Identify, RequestContext, identify
from app.limits import count_upload
from app.replies import Reply, json_reply
from app.request_handling import handle

# A file never runs as a page of ours, whatever a browser takes it for.
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


async def upload(headers: Headers, body: AsyncIterator[bytes], who: Identify = identify) -> Reply:
    """Answer `POST /attachments`: take a file and return its ChatKit record."""

    async def work(context: RequestContext) -> Reply:
        store = get_server().attachments
        await count_upload(context)
        async with received_file(headers, body) as file:
            params = AttachmentCreateParams(
                name=file.name, size=file.size, mime_type=file.mime_type
            )
            attachment = await store.create_attachment(params, context)
            return _record(await store.receive(attachment, file.content, context))

    return await handle("attachments.upload", headers, work, who)


async def upload_announced(
    attachment_id: str, headers: Headers, body: AsyncIterator[bytes], who: Identify = identify
) -> Reply:
    """Answer `POST /attachments/{id}`: take the file that `attachments.create` announced."""

    async def work(context: RequestContext) -> Reply:
        server = get_server()
        attachment = await server.store.load_attachment(attachment_id, context)
        if attachment.upload_descriptor is None:
            raise RefusedError(400, f"The file of {attachment_id} is there already.")
        await count_upload(context)
        async with received_file(headers, body) as file:
            return _record(await server.attachments.receive(attachment, file.content, context))

    return await handle("attachments.upload", headers, work, who)


async def download(attachment_id: str, headers: Headers, who: Identify = identify) -> Reply:
    """Answer `GET /attachments/{id}` with the file, for its owner."""

    async def work(context: RequestContext) -> Reply:
        attachment = await get_server().store.load_attachment(attachment_id, context)
        found = await files.stream(attachment.id)
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
