"""Add a table of turns, and one of the locks with which they are counted.

Revision ID: chatkit_0005
Revises: chatkit_0004
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "chatkit_0005"
down_revision = "chatkit_0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql")
MYSQL: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mysql_engine": "InnoDB",
}
INDEXES = (
    ["conversation_id"],
    ["owner", "started_at"],
    ["started_at", "owner", "network", "tokens_in", "tokens_out"],
    ["ended_at", "owner"],
)


def upgrade() -> None:
    """Create the tables. Turns from before are not in them."""
    op.create_table(
        "turns",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("conversation_id", sa.String(128)),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("network", sa.String(32)),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("beat_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("model", sa.String(255)),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
        **MYSQL,
    )
    for columns in INDEXES:
        op.create_index("_".join(["ix_turns", *columns]), "turns", columns)
    op.create_table(
        "locks",
        sa.Column("name", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_locks"),
        **MYSQL,
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("locks")
    op.drop_table("turns")
