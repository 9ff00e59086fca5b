"""Open, migrate, and begin transactions.

SQLite: write-ahead log, so that readers never wait for the writer; a transaction that will write takes the lock when it
begins, so that it cannot fail half way. Every commit is on the disk before it returns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlmodel import Session

from alnus.errors import UsageError

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_S = 30.0
_WRITES = "alnus_writes"


@dataclass(frozen=True)
class Database:
    """An engine with two ways to begin: to read, or to write."""

    engine: Engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the database and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session; commit at the end, or nothing where something was raised."""
        with Session(self.engine.execution_options(**{_WRITES: True}), expire_on_commit=False) as session:
            yield session
            session.commit()


def open_database(url: str | None, *, data: Path) -> Database:
    """Return the database at `url`, else room.sqlite in `data`, with all its tables. Raises UsageError."""
    engine = _sqlite(data / "room.sqlite") if url is None else _server(url)
    try:
        migrate(engine)
    except OperationalError as error:
        raise UsageError(f"--database: cannot be reached or changed ({type(error.orig).__name__})") from None
    return Database(engine)


def migrate(engine: Engine) -> None:
    """Bring the tables to this version of Alnus."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")


def _server(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("--database: is no database URL; write postgresql://user:password@host/name") from None
    if parsed.get_backend_name() != "postgresql":
        raise UsageError(f"--database: {parsed.get_backend_name()} is not supported; give postgresql://…")
    try:
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_size=16, pool_pre_ping=True, hide_parameters=True
        )
    except (SQLAlchemyError, ImportError):
        raise UsageError("--database: PostgreSQL needs the extra `postgres`: pip install 'alnus[postgres]'") from None


def _sqlite(path: Path) -> Engine:
    path.touch(mode=0o600)
    options = {"timeout": BUSY_S, "check_same_thread": False}
    engine = create_engine(f"sqlite:///{path}", connect_args=options, hide_parameters=True)  # none in a log's traceback
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy begins, not the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
