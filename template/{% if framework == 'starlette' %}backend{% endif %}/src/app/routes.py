"""Your own routes: this file is yours to change.

Browsers can only reach the routes that frontend/src/app/api/backend/[...path]/route.ts lists.
"""

from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.identity import identify
from kit import Conversation, Message, RefusedError, read
from kit.routes import with_owner


@with_owner(identify)
async def count_messages(request: Request, owner: str) -> JSONResponse:
    """Count the items of a conversation, for its owner alone."""
    conversation_id: str = request.path_params["conversation_id"]
    own = select(Conversation.id).filter_by(id=conversation_id, owner=owner)
    items = select(func.count()).select_from(Message).filter_by(conversation_id=conversation_id)
    async with read() as session:
        if await session.scalar(own) is None:
            raise RefusedError(404, "There is no such conversation.")
        return JSONResponse({"count": await session.scalar(items)})


routes = [Route("/conversations/{conversation_id}/count", count_messages)]
