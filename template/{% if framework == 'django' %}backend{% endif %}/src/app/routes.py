"""Your own routes: this file is yours to change.

Browsers can only reach the routes that frontend/src/app/api/backend/[...path]/route.ts lists.
"""

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET
from sqlalchemy import func, select

from app.site.owners import user_or_guest
from kit import Conversation, Message, RefusedError, read
from kit.routes import with_owner


@require_GET
@with_owner(user_or_guest)
async def count_messages(_request: HttpRequest, owner: str, conversation_id: str) -> JsonResponse:
    """Count the items of a conversation, for its owner alone."""
    own = select(Conversation.id).filter_by(id=conversation_id, owner=owner)
    items = select(func.count()).select_from(Message).filter_by(conversation_id=conversation_id)
    async with read() as session:
        if await session.scalar(own) is None:
            raise RefusedError(404, "There is no such conversation.")
        return JsonResponse({"count": await session.scalar(items)})


urlpatterns = [path("conversations/<str:conversation_id>/count", count_messages)]
