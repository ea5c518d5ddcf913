"""Your own routes: this file is yours to change.

Browsers can only reach the routes that frontend/src/app/api/backend/[...path]/route.ts lists.
"""

from quart import Blueprint
from sqlalchemy import func, select

from app.identity import identify
from kit import Conversation, Message, RefusedError, read
from kit.routes import with_owner

routes = Blueprint("routes", __name__)


@routes.get("/conversations/<conversation_id>/count")
@with_owner(identify)
async def count_messages(owner: str, conversation_id: str) -> dict[str, int]:
    """Count the items of a conversation, for its owner alone."""
    own = select(Conversation.id).filter_by(id=conversation_id, owner=owner)
    items = select(func.count()).select_from(Message).filter_by(conversation_id=conversation_id)
    async with read() as session:
        if await session.scalar(own) is None:
            raise RefusedError(404, "There is no such conversation.")
        return {"count": await session.scalar(items) or 0}
