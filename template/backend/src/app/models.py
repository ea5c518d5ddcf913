"""The tables. The drawing of them is in docs/schema.md; migrations/ makes them."""

from datetime import datetime

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
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

OWNER = String(255)


class Id(TypeDecorator[str]):
    """An id of ChatKit's. A client may ask for any text, and PostgreSQL refuses one with a NUL."""

    impl = String(128)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the id; with something in place of a NUL that no id has."""
        return value and value.replace("\0", "\ufffd")


class Base(DeclarativeBase):
    """The metadata that Alembic compares the database with."""

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
    __table_args__ = (Index(None, "owner", "number"),)

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    """Rises with each new conversation, so that pages neither miss nor repeat one."""
    id: Mapped[str] = mapped_column(Id, unique=True)
    owner: Mapped[str] = mapped_column(OWNER)
    title: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    document: Mapped[str] = mapped_column(Text)
    """The `ThreadMetadata` as JSON, exactly as ChatKit gave it. The other columns follow it."""


class Message(Base):
    """An item of a conversation: a message, a widget, a tool call, a form and so on."""

    __tablename__ = "messages"
    __table_args__ = (Index(None, "conversation_id", "position", unique=True),)

    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    """1, 2, 3, … in the conversation, in the order in which the items were stored."""
    type: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    document: Mapped[str] = mapped_column(Text)
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
    )

    conversation_id: Mapped[str] = mapped_column(Id, primary_key=True)
    message_id: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    """`positive` or `negative`."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Attachment(Base):
    """What ChatKit knows of an uploaded file. The bytes are where ATTACHMENTS_URL says."""

    __tablename__ = "attachments"
    __table_args__ = (
        Index(None, "owner", "conversation_id"),
        Index(None, "conversation_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner: Mapped[str] = mapped_column(OWNER)
    conversation_id: Mapped[str | None] = mapped_column(
        ForeignKey("conversations.id", ondelete="SET NULL")
    )
    """The conversation that it was sent in. Without one it is removed after a day."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    document: Mapped[str] = mapped_column(Text)
    """The `Attachment` as JSON, exactly as ChatKit gave it."""
