"""The migrations of the tables in models.py. Yours go to backend/alembic/versions."""
