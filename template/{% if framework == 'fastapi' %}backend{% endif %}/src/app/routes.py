"""Your own routes: this file is yours to change.

Browsers can only reach the routes that frontend/src/app/api/backend/[...path]/route.ts lists.
"""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import func, select

from app.identity import identify
from kit import Conversation, Message, RefusedError
from kit.routes import ReadSession, owner_by

Owner = Annotated[str, Depends(owner_by(identify))]

router = APIRouter()


@router.get("/conversations/{conversation_id}/count")
async def count_messages(
    conversation_id: str, owner: Owner, session: ReadSession
) -> dict[str, int]:
    """Count the items of a conversation, for its owner alone."""
    own = select(Conversation.id).filter_by(id=conversation_id, owner=owner)
    if await session.scalar(own) is None:
        raise RefusedError(404, "There is no such conversation.")
    items = select(func.count()).select_from(Message).filter_by(conversation_id=conversation_id)
    return {"count": await session.scalar(items) or 0}
