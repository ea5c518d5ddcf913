"""Create the tables of conversations, messages and attachments.

Revision ID: chatkit_0001
Revises:
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "chatkit_0001"
down_revision = None
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")
MYSQL: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_engine": "InnoDB",
}
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "conversations",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("title", LONG_TEXT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_conversations"),
        sa.UniqueConstraint("id", name="uq_conversations_id"),
        **MYSQL,
    )
    op.create_index("ix_conversations_owner_number", "conversations", ["owner", "number"])
    op.create_table(
        "messages",
        sa.Column("conversation_id", sa.String(128), nullable=False),
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "id", name="pk_messages"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_messages_conversation_id_conversations",
            ondelete="CASCADE",
        ),
        **MYSQL,
    )
    op.create_index(
        "ix_messages_conversation_id_position",
        "messages",
        ["conversation_id", "position"],
        unique=True,
    )
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
        **MYSQL,
    )
    op.create_index("ix_attachments_owner", "attachments", ["owner"])


def downgrade() -> None:
    """Drop the tables. This deletes every conversation."""
    op.drop_table("attachments")
    op.drop_table("messages")
    op.drop_table("conversations")
