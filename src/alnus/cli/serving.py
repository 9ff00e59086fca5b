"""serve: the reading room, a web application around trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    models: Annotated[list[Path], typer.Argument(help="Models' directories, or runs.")],
    data: Annotated[Path, typer.Option(help="Where the room keeps its database, videos and results.")] = Path(
        "reading-room"
    ),
    database: Annotated[str | None, typer.Option(help="URL of a PostgreSQL database instead of SQLite.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; default: this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8700,
    name: Annotated[list[str] | None, typer.Option(help="Host name that browsers use (repeatable).")] = None,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate, PEM.")] = None,
    private_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    behind_tls_proxy: Annotated[bool, typer.Option("--behind-tls-proxy", help="A proxy in front speaks TLS.")] = False,
    password_file: Annotated[Path | None, typer.Option(help="File with the administrator's password.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Videos decoded at one time.")] = 2,
    keep_received: Annotated[
        bool, typer.Option("--keep-received", help="Keep received files, which name the patient.")
    ] = False,
) -> None:
    """Open the reading room: upload a video or send it from a scanner, see the risk and why. Research use only.

    Example: alnus serve runs/demo/run/models/tin --data reading-room
    """
    from alnus.serve.running import read_password, run_server
    from alnus.serve.settings import ServeSettings, WorkSettings

    settings = ServeSettings(
        models=tuple(models),
        data=data,
        database=database,
        host=host,
        port=port,
        names=tuple(name or ()),
        certificate=certificate,
        private_key=private_key,
        behind_tls_proxy=behind_tls_proxy,
        keep_received=keep_received,
        work=WorkSettings(workers=workers),
    )
    run_server(settings, password=read_password(password_file), say=lambda line: typer.echo(line, err=True))
