"""The base of your tables, by the name that it had in 0.1.0; `from kit import Base` is the same."""

from kit.database.tables import Base

__all__ = ["Base"]
