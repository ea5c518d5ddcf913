"""The tables of the chat. `migrations/` creates them; docs/schema.md has a diagram."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MYSQL = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}
LONG_TEXT = Text().with_variant(mysql.LONGTEXT(), "mysql")
MOMENT = DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")


UNKNOWN = "\ufffd"


class Name(TypeDecorator[str]):
    """A column type for ids and owners. A client may send any text as an id.

    PostgreSQL refuses NUL, and MySQL ignores a space at the end when it compares. In stored values
    and in queries, both are replaced by a character that no id or owner contains.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the value as the database stores it."""
        if value and value.endswith(" "):
            value = value[:-1] + UNKNOWN
        return value and value.replace("\0", UNKNOWN)


ID = Name(128)
OWNER = Name(255)


class Base(DeclarativeBase):
    """The base class of all tables, your own included.

    On MySQL, all tables need the same collation, or a foreign key of your table to a conversation
    is refused. If your table sets `__table_args__`, put `MYSQL` at their end.
    """

    __table_args__: Any = MYSQL

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Conversation(Base):
    """A ChatKit thread, without its items."""

    __tablename__ = "conversations"
    __table_args__ = (Index(None, "owner", "assistant", "number"), MYSQL)

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    """Increases with each new conversation, so that no page skips or repeats a conversation."""
    id: Mapped[str] = mapped_column(ID, unique=True)
    owner: Mapped[str] = mapped_column(OWNER)
    title: Mapped[str | None] = mapped_column(LONG_TEXT)
    created_at: Mapped[datetime] = mapped_column(MOMENT)
    document: Mapped[str] = mapped_column(LONG_TEXT)
    """The `ThreadMetadata` as JSON, exactly as ChatKit gave it. Other columns are copies of it."""
    assistant: Mapped[str] = mapped_column(String(40), server_default="")
    """The name of the assistant that answers; empty for the first one."""


class Message(Base):
    """An item of a conversation: a message, a widget, a tool call, a form and so on."""

    __tablename__ = "messages"
    __table_args__ = (Index(None, "conversation_id", "position", unique=True), MYSQL)

    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    """The number of the item in the conversation, from 1, in the order of storing."""
    type: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(MOMENT)
    document: Mapped[str] = mapped_column(LONG_TEXT)
    """The `ThreadItem` as JSON, exactly as ChatKit gave it. Other columns are copies of it."""


class Feedback(Base):
    """The latest feedback of a person on an item: thumbs up or down."""

    __tablename__ = "feedback"
    __table_args__ = (
        ForeignKeyConstraint(
            ["conversation_id", "message_id"],
            ["messages.conversation_id", "messages.id"],
            ondelete="CASCADE",
            name="fk_feedback_conversation_id_message_id_messages",
        ),
        Index(None, "kind", "created_at"),
        MYSQL,
    )

    conversation_id: Mapped[str] = mapped_column(ID, primary_key=True)
    message_id: Mapped[str] = mapped_column(ID, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`positive` or `negative`."""
    created_at: Mapped[datetime] = mapped_column(MOMENT)


class Attachment(Base):
    """The record of an uploaded or made file. ATTACHMENTS_URL says where its bytes are stored."""

    __tablename__ = "attachments"
    __table_args__ = (
        Index(None, "owner", "conversation_id"),
        Index(None, "conversation_id", "created_at"),
        MYSQL,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    owner: Mapped[str] = mapped_column(OWNER)
    conversation_id: Mapped[str | None] = mapped_column(
        ForeignKey("conversations.id", ondelete="SET NULL")
    )
    """The conversation that the file is in. A file without one is removed after a day."""
    created_at: Mapped[datetime] = mapped_column(MOMENT)
    size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The size in bytes: the announced size until the upload, then the real size."""
    document: Mapped[str] = mapped_column(LONG_TEXT)
    """The `Attachment` as JSON, exactly as ChatKit gave it."""


class TurnRecord(Base):
    """A turn: who asked, when, and how it ended. It has nothing that people write."""

    __tablename__ = "turns"
    __table_args__ = (
        Index(None, "conversation_id"),
        Index(None, "owner", "started_at"),
        # All that the limits of a minute and of a day read.
        Index(None, "started_at", "owner", "network", "tokens_in", "tokens_out"),
        Index(None, "ended_at", "owner"),
        MYSQL,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    conversation_id: Mapped[str | None] = mapped_column(ID)
    """The conversation, which may be deleted by now. None for dictation and for actions without a
    stream, several of which may run at a time."""
    owner: Mapped[str] = mapped_column(OWNER)
    network: Mapped[str | None] = mapped_column(String(32))
    """A digest of a guest's network address, which the limits count."""
    request_id: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(MOMENT)
    beat_at: Mapped[datetime] = mapped_column(MOMENT)
    """When the process of the turn last said that it runs. A turn whose beat stands still died."""
    ended_at: Mapped[datetime | None] = mapped_column(MOMENT)
    outcome: Mapped[str] = mapped_column(String(16))
    """`running`, `answered`, `stopped`, `failed` or `interrupted`.

    `stopped` without `ended_at`: the turn is told to stop.
    """
    model: Mapped[str | None] = mapped_column(String(255))
    tokens_in: Mapped[int] = mapped_column(BigInteger, server_default="0")
    tokens_out: Mapped[int] = mapped_column(BigInteger, server_default="0")


class Lock(Base):
    """A row that a transaction locks to be the only one that counts something."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
