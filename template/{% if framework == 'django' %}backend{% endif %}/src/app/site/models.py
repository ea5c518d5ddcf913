"""Django's models of the tables that `kit.database.tables` defines and Alembic creates."""

import json

from django.db import models


class Conversation(models.Model):
    """A ChatKit thread, without its items."""

    id = models.CharField(primary_key=True, max_length=128)
    number = models.BigIntegerField()
    owner = models.CharField(max_length=255)
    title = models.TextField(null=True)
    created_at = models.DateTimeField()
    document = models.TextField()
    assistant = models.CharField(max_length=40)

    class Meta:
        """Which table this is."""

        managed = False
        db_table = "conversations"
        ordering = ("-number",)

    def __str__(self) -> str:
        """Return the title as the history shows it."""
        return self.title or self.id


class Message(models.Model):
    """An item of a conversation."""

    # The primary key is (conversation_id, id), but Django's admin supports only one column.
    id = models.CharField(primary_key=True, max_length=128)
    conversation = models.ForeignKey(Conversation, models.DO_NOTHING)
    position = models.IntegerField()
    type = models.CharField(max_length=32)
    created_at = models.DateTimeField()
    document = models.TextField()

    class Meta:
        """Which table this is."""

        managed = False
        db_table = "messages"
        # There is an index for this order, but none for the date.
        ordering = ("conversation", "position")
        unique_together = ("conversation", "position")

    def __str__(self) -> str:
        """Return what identifies the item."""
        return f"{self.type} {self.id}"

    @property
    def text(self) -> str:
        """The text of the item, or the whole item as JSON if it has no text."""
        item = json.loads(self.document)
        content = item.get("content")
        parts = content if isinstance(content, list) else []
        written = [part["text"] for part in parts if part.get("text")]
        return "\n".join(written) or json.dumps(item, ensure_ascii=False, indent=1)


class Feedback(models.Model):
    """What a person thinks of an item."""

    message_id = models.CharField(primary_key=True, max_length=128)
    conversation = models.ForeignKey(Conversation, models.DO_NOTHING)
    kind = models.CharField(max_length=16)
    created_at = models.DateTimeField()

    class Meta:
        """Which table this is."""

        managed = False
        db_table = "feedback"
        ordering = ("-created_at",)
        verbose_name_plural = "feedback"

    def __str__(self) -> str:
        """Return the kind of feedback and the id of the item."""
        return f"{self.kind} for {self.message_id}"


class Attachment(models.Model):
    """The record of an uploaded file."""

    id = models.CharField(primary_key=True, max_length=128)
    owner = models.CharField(max_length=255)
    conversation = models.ForeignKey(Conversation, models.DO_NOTHING, null=True)
    created_at = models.DateTimeField()
    size = models.BigIntegerField()
    document = models.TextField()

    class Meta:
        """Which table this is."""

        managed = False
        db_table = "attachments"
        ordering = ("-created_at",)

    def __str__(self) -> str:
        """Return the file's name."""
        return str(json.loads(self.document)["name"])
