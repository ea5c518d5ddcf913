"""The tables. The drawing of them is in docs/schema.md; migrations/ makes them."""

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
    """What somebody or something is known by. A client may ask for any text.

    PostgreSQL refuses a NUL, and MySQL takes what ends in a space for the same without it: both are
    stored, and looked for, as a sign that no name has.
    """

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return what stands in the database."""
        if value and value.endswith(" "):
            value = value[:-1] + UNKNOWN
        return value and value.replace("\0", UNKNOWN)


ID = Name(128)
OWNER = Name(255)


class Base(DeclarativeBase):
    """The base of all tables, yours too.

    On MySQL texts are compared byte by byte in each, or a foreign key of yours to a conversation
    would be refused. A table with `__table_args__` of its own ends them with `MYSQL`.
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
    __table_args__ = (Index(None, "owner", "number"), MYSQL)

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    """Rises with each new conversation, so that pages neither miss nor repeat one."""
    id: Mapped[str] = mapped_column(ID, unique=True)
    owner: Mapped[str] = mapped_column(OWNER)
    title: Mapped[str | None] = mapped_column(LONG_TEXT)
    created_at: Mapped[datetime] = mapped_column(MOMENT)
    document: Mapped[str] = mapped_column(LONG_TEXT)
    """The `ThreadMetadata` as JSON, exactly as ChatKit gave it. The other columns follow it."""


class Message(Base):
    """An item of a conversation: a message, a widget, a tool call, a form and so on."""

    __tablename__ = "messages"
    __table_args__ = (Index(None, "conversation_id", "position", unique=True), MYSQL)

    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    """1, 2, 3, … in the conversation, in the order in which the items were stored."""
    type: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(MOMENT)
    document: Mapped[str] = mapped_column(LONG_TEXT)
    """The `ThreadItem` as JSON, exactly as ChatKit gave it. The other columns follow it."""


class Feedback(Base):
    """What a person thinks of an item: thumbs up or down, the latest of it."""

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
    """What ChatKit knows of an uploaded file. The bytes are where ATTACHMENTS_URL says."""

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
    """The conversation that it was sent in. Without one it is removed once it is a day old."""
    created_at: Mapped[datetime] = mapped_column(MOMENT)
    size: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """In bytes: what was announced, until they are there."""
    document: Mapped[str] = mapped_column(LONG_TEXT)
    """The `Attachment` as JSON, exactly as ChatKit gave it."""
