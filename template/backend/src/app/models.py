"""`Base` under its name in 0.1.0. New code uses `from kit import Base`."""

from kit.database.tables import Base

__all__ = ["Base"]
