"""Your tables: this file is yours to change.

class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)

After a change run `uv run alembic revision --autogenerate -m "Add orders"` in backend/, and
`uv run alembic upgrade head`, which `uv run dev` does too. See docs/schema.md.
"""

from kit import Base

__all__ = ["Base"]
