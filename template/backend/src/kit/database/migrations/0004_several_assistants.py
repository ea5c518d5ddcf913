"""Add the assistant of a conversation, which has a history of its own for each person.

Revision ID: chatkit_0004
Revises: chatkit_0003
"""

import sqlalchemy as sa
from alembic import op

revision = "chatkit_0004"
down_revision = "chatkit_0003"
branch_labels = None
depends_on = None

OLD = "ix_conversations_owner_number"
NEW = "ix_conversations_owner_assistant_number"


def upgrade() -> None:
    """Add the column. Existing conversations belong to the first assistant."""
    assistant = sa.Column("assistant", sa.String(40), nullable=False, server_default="")
    op.add_column("conversations", assistant)
    op.create_index(NEW, "conversations", ["owner", "assistant", "number"])
    op.drop_index(OLD, "conversations")


def downgrade() -> None:
    """Drop the column. Then the conversations of all assistants belong to the first one."""
    op.create_index(OLD, "conversations", ["owner", "number"])
    op.drop_index(NEW, "conversations")
    with op.batch_alter_table("conversations") as table:
        table.drop_column("assistant")
