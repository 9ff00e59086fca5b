"""`create_app`: the room put together, from its settings to an ASGI application."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from threading import Semaphore
from typing import IO, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from alnus import __version__
from alnus.errors import AlnusError, MediaError, UsageError
from alnus.inference.engines import EngineName, check_engine, require
from alnus.media.identity import load_or_make_key
from alnus.serve.access.gate import Gate
from alnus.serve.access.people import has_own_password, make_first_admin
from alnus.serve.access.throttle import Throttle
from alnus.serve.database import open_database
from alnus.serve.intake.receiving import sweep
from alnus.serve.intake.whose import Registrar
from alnus.serve.metrics import Metrics
from alnus.serve.networks import served_models
from alnus.serve.pages.problems import gone, refused, unusable
from alnus.serve.parts import routers, services
from alnus.serve.room import Folders, Room
from alnus.serve.settings import ServeSettings, check_exposure
from alnus.serve.work.deleting import empty_trash
from alnus.serve.work.returning import drop_orphans

STATIC = Path(__file__).with_name("static")


def open_room(settings: ServeSettings, *, password: str | None = None) -> tuple[Room, str | None]:
    """Return the room, its folders and tables made, and the first administrator's password where one was just made.

    password: the administrator's own, instead of a random one. Raises UsageError where the settings would expose the
    room, WeightsError where a model cannot be served.
    """
    check_engine(settings.engine, "auto")
    if settings.engine != "auto":
        require(cast(EngineName, settings.engine))
    folders = Folders(settings.data.absolute())
    _make_private(folders.root)
    secret = load_or_make_key(folders.root / "secret.key")
    models = served_models(settings.models, engine=settings.engine)
    database = open_database(settings.database, data=folders.root)
    with database.writing() as session:
        shown = make_first_admin(session, password=password)
        session.flush()
        check_exposure(settings, has_own_password=has_own_password(session))
    limits = settings.limits
    failures = Throttle(limits.login_failures, limits.login_window_s)
    return Room(
        settings,
        database,
        folders,
        secret,
        models,
        Registrar(secret),
        Metrics(database, data=folders.root),
        login_failures=failures,
        uploads=Semaphore(limits.uploads),
    ), shown


def create_app(settings: ServeSettings, *, room: Room | None = None) -> FastAPI:
    """Return the reading room as an ASGI application; its services run from its start to its end.

    room: one that `open_room` has opened already.
    """
    opened = room or open_room(settings)[0]
    app = FastAPI(
        title="Alnus reading room",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=_lifespan(opened),
    )
    for router in routers(opened):
        app.include_router(router)
    app.add_exception_handler(RequestValidationError, unusable)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(MediaError, gone)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Gate, room=opened)
    app.state.room = opened
    return app


def _lifespan(room: Room) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as held:
            try:
                held.enter_context(_held(room.folders.root))
                sweep(room.folders)
                drop_orphans(room)
                empty_trash(room.folders)
                running = services(room)
                for service in running:
                    service.start()
            except AlnusError as error:
                app.state.failure = error  # for whoever started the server: one line instead of a traceback
                raise
            try:
                yield
            finally:
                for service in reversed(running):
                    await run_in_threadpool(service.stop)

    return lifespan


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise UsageError(f"--data {folder}: cannot be used ({error.strerror})") from None


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[IO[str]]:
    """Hold a data folder: two servers on one would take each other's work. Raises UsageError."""
    with (folder / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"--data {folder}: another reading room runs on it") from None
        stream.write(str(os.getpid()))
        stream.flush()
        yield stream
