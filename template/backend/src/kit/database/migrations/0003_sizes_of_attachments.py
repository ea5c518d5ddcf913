"""How large each attachment is, for the limits of what a person and all may keep.

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
    """Add the column. Files that are there already count as nothing."""
    size = sa.Column("size", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("attachments", size)


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("attachments") as table:
        table.drop_column("size")
