"""Your tables: this file is yours to change.

class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)

After a change, run `uv run alembic revision --autogenerate -m "Add orders"` in backend/. Then run
`uv run alembic upgrade head`, or start `uv run dev`, which does the same. See docs/schema.md.
"""

from kit import Base

__all__ = ["Base"]
