"""Add the conversation and the creation time of attachments, and a table of feedback.

Revision ID: chatkit_0002
Revises: chatkit_0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "chatkit_0002"
down_revision = "chatkit_0001"
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")
MYSQL: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_engine": "InnoDB",
}


def upgrade() -> None:
    """Recreate the table of attachments, which is still empty, and create that of feedback."""
    op.drop_table("attachments")
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("conversation_id", sa.String(128)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_attachments_conversation_id_conversations",
            ondelete="SET NULL",
        ),
        **MYSQL,
    )
    op.create_index(
        "ix_attachments_conversation_id_created_at",
        "attachments",
        ["conversation_id", "created_at"],
    )
    op.create_index(
        "ix_attachments_owner_conversation_id", "attachments", ["owner", "conversation_id"]
    )
    op.create_table(
        "feedback",
        sa.Column("conversation_id", sa.String(128), nullable=False),
        sa.Column("message_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "message_id", name="pk_feedback"),
        sa.ForeignKeyConstraint(
            ["conversation_id", "message_id"],
            ["messages.conversation_id", "messages.id"],
            name="fk_feedback_conversation_id_message_id_messages",
            ondelete="CASCADE",
        ),
        **MYSQL,
    )
    op.create_index("ix_feedback_kind_created_at", "feedback", ["kind", "created_at"])


def downgrade() -> None:
    """Drop the tables. This deletes all feedback and the records of all attachments."""
    op.drop_table("feedback")
    op.drop_table("attachments")
    op.create_table(
        "attachments",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
        **MYSQL,
    )
    op.create_index("ix_attachments_owner", "attachments", ["owner"])
