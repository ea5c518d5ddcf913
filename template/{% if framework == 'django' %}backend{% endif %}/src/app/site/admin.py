"""The admin pages of the chats. They are read-only, since only ChatKit's documents are complete."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils.html import format_html

from app.site.models import Attachment, Conversation, Feedback, Message
from app.site.owners import owner_of, user_key_of

SHOWN_MESSAGES = 200
"""How many of its newest messages a conversation's page shows. The list of messages has all."""

SHOWN_CHARACTERS = 300
"""How many characters of a message a list shows."""


class ReadOnly:
    """Allows viewing only."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Return False."""
        return False


class WithOwner:
    """Adds a column with the owner."""

    @admin.display(description="owner", ordering="owner")
    def whose(self, record: Conversation | Attachment) -> str:
        """Return the owner, with a link if it is a user of Django."""
        key = user_key_of(record.owner)
        if key is None:
            return record.owner
        url = reverse("admin:auth_user_change", args=[key])
        return format_html('<a href="{}">{}</a>', url, record.owner)


class MessageInline(ReadOnly, admin.TabularInline):
    """The newest messages of a conversation."""

    model = Message
    fields = readonly_fields = ("position", "type", "text", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Return the newest messages, oldest first."""
        others = Message.objects.filter(conversation=OuterRef("conversation"))
        newest = Subquery(others.order_by("-position").values("position")[:1])
        return super().get_queryset(request).filter(position__gt=newest - SHOWN_MESSAGES)


@admin.register(Conversation)
class ConversationAdmin(WithOwner, ReadOnly, admin.ModelAdmin):
    """The conversations, newest first."""

    list_display = ("__str__", "whose", "assistant", "created_at")
    search_fields = ("id__exact", "owner__startswith", "title")
    search_help_text = "By title, id, owner, or a user's whole name"
    show_full_result_count = False
    inlines = (MessageInline,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Conversation], search_term: str
    ) -> tuple[QuerySet[Conversation], bool]:
        """Search by the name of a user, too."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        users = get_user_model().objects.filter(username=search_term)
        theirs = queryset.filter(owner__in=[owner_of(user) for user in users])
        return found | theirs, may_repeat


@admin.register(Message)
class MessageAdmin(ReadOnly, admin.ModelAdmin):
    """The messages, conversation by conversation."""

    list_display = ("beginning", "type", "position", "conversation", "created_at")
    list_select_related = ("conversation",)
    search_fields = ("conversation__id__exact", "conversation__owner__startswith")
    search_help_text = "By the conversation's id or owner"
    show_full_result_count = False
    fields = ("conversation", "position", "type", "text", "created_at", "document")

    @admin.display(description="text")
    def beginning(self, message: Message) -> str:
        """Return the beginning of the text."""
        return truncatechars(message.text, SHOWN_CHARACTERS)


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly, admin.ModelAdmin):
    """The feedback on answers, newest first."""

    list_display = ("kind", "message_id", "conversation", "created_at")
    list_select_related = ("conversation",)
    list_filter = (("kind", admin.AllValuesFieldListFilter),)


@admin.register(Attachment)
class AttachmentAdmin(WithOwner, ReadOnly, admin.ModelAdmin):
    """The records of the files, newest first, without the files' bytes."""

    list_display = ("__str__", "whose", "conversation", "created_at")
    search_fields = ("id__exact", "owner__startswith")
    list_select_related = ("conversation",)
    show_full_result_count = False
