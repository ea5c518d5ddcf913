"""Add the size of attachments, for the limits per person and for all together.

Revision ID: chatkit_0003
Revises: chatkit_0002
"""

import sqlalchemy as sa
from alembic import op

revision = "chatkit_0003"
down_revision = "chatkit_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Existing files count as 0 bytes."""
    size = sa.Column("size", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("attachments", size)


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("attachments") as table:
        table.drop_column("size")
