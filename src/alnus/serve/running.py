"""The web server itself, from an open room to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alnus.errors import UsageError
from alnus.serve.settings import ServeSettings

Say = Callable[[str], None]


def run_server(settings: ServeSettings, *, password: str | None, say: Say) -> None:
    """Serve until the process is told to end. say: shows a line to whoever started it. Raises UsageError."""
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
    say(f"Reading room: {'https' if settings.certificate else 'http'}://{settings.host}:{settings.port}/")
    say("Research use only: accuracy on lymph nodes has not been measured.")
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.private_key,
        proxy_headers=settings.behind_tls_proxy,
        access_log=False,  # who looked at what is in the audit log
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )


def read_password(path: Path | None) -> str | None:
    """Return the first line of a password file, None where there is none. Raises UsageError."""
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--password-file {path}: cannot be read ({type(error).__name__})") from None
    return lines[0] if lines else ""
