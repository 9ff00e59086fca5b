"""Alembic's entry point: `alnus.serve.database.engine.migrate` hands it an open connection."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
