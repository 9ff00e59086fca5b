"""The room's database: SQLite beside the files, or PostgreSQL by one URL; migrated at start."""

from __future__ import annotations

from alnus.serve.database.engine import Database, open_database

__all__ = ["Database", "open_database"]
