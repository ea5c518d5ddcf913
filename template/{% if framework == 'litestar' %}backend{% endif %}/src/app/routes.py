"""Your own routes: this file is yours to change.

Browsers can only reach the routes that frontend/src/app/api/backend/[...path]/route.ts lists.
"""

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.identity import identify
from kit import Conversation, Message, RefusedError
from kit.routes import dependencies


@get("/conversations/{conversation_id:str}/count")
async def count_messages(
    conversation_id: FromPath[str],
    owner: NamedDependency[str],
    read_session: NamedDependency[AsyncSession],
) -> dict[str, int]:
    """Count the items of a conversation, for its owner alone."""
    own = select(Conversation.id).filter_by(id=conversation_id, owner=owner)
    if await read_session.scalar(own) is None:
        raise RefusedError(404, "There is no such conversation.")
    items = select(func.count()).select_from(Message).filter_by(conversation_id=conversation_id)
    return {"count": await read_session.scalar(items) or 0}


router = Router("/", route_handlers=[count_messages], dependencies=dependencies(identify))
