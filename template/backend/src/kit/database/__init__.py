"""The database: its kinds, its tables, its migrations, and the store of conversations."""
