"""The web server itself, from an open room to its end."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from alnus.errors import UsageError
from alnus.serve.settings import ServeSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

Say = Callable[[str], None]


def run_server(settings: ServeSettings, *, password: str | None, say: Say) -> None:
    """Serve until the process is told to end. say: shows a line to whoever started it.

    Raises UsageError, and whatever AlnusError keeps a part of the room from starting.
    """
    try:
        import uvicorn

        from alnus.serve.app import create_app, open_room
    except ImportError as error:
        raise UsageError(
            f"the reading room needs the extra `serve` ({error.name} is missing): pip install 'alnus[serve]'"
        ) from None
    room, shown = open_room(settings, password=password)
    app = create_app(settings, room=room)
    if shown is not None:
        say(f"The administrator's first password, shown once: {shown} (name: admin)")
    config = uvicorn.Config(
        app,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.private_key,
        proxy_headers=settings.behind_tls_proxy,
        access_log=False,  # who looked at what is in the audit log
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    logging.getLogger("uvicorn.error").addFilter(lambda _: failure_of(app) is None)
    with _listening(settings) as ear:
        say(f"Reading room: {address_of(settings, ear.getsockname()[1])}")
        say("Research use only: accuracy on lymph nodes has not been measured.")
        try:
            uvicorn.Server(config).run(sockets=[ear])
        except SystemExit as ended:  # uvicorn's way to say that the application has not started
            raise failure_of(app) or ended from None


def failure_of(app: FastAPI) -> Exception | None:
    """Return what kept the room from starting, None where nothing did."""
    found: Exception | None = getattr(app.state, "failure", None)
    return found


def address_of(settings: ServeSettings, port: int) -> str:
    """Return where browsers find the room."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.certificate else 'http'}://{host}:{port}/"


def read_password(path: Path | None) -> str | None:
    """Return the first line of a password file, None where there is none. Raises UsageError."""
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--password-file {path}: cannot be read ({type(error).__name__})") from None
    return lines[0] if lines else ""


def _listening(settings: ServeSettings) -> socket.socket:
    """Return the socket of the web server. Raises UsageError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UsageError(f"--host {settings.host} --port {settings.port}: cannot be listened on ({reason})") from None
