"""serve: the reading room, a web application around trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NODE = "DICOM node"


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
    engine: Annotated[str, typer.Option(help="What scores: auto, eager, compile, onnx, openvino.")] = "auto",
    password_file: Annotated[Path | None, typer.Option(help="File with the administrator's password.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Videos decoded at one time.")] = 2,
    patient_issuer: Annotated[
        str, typer.Option(help="IssuerOfPatientID in the hospital's DICOM files; typed patients' ids are of it.")
    ] = "",
    keep_received: Annotated[
        bool, typer.Option("--keep-received", help="Keep received files, which name the patient.")
    ] = False,
    dicom_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for DICOM; none: no scanner can send.", rich_help_panel=NODE),
    ] = None,
    dicom_host: Annotated[
        str, typer.Option(help="Address for DICOM; default: this machine only.", rich_help_panel=NODE)
    ] = "127.0.0.1",
    dicom_ae: Annotated[str, typer.Option(help="The node's own AE title.", rich_help_panel=NODE)] = "ALNUS",
    dicom_caller: Annotated[
        list[str] | None, typer.Option(help="AE title that may send (repeatable).", rich_help_panel=NODE)
    ] = None,
    dicom_trusted_network: Annotated[
        bool,
        typer.Option(
            "--dicom-trusted-network", help="All that can read this network may see patients.", rich_help_panel=NODE
        ),
    ] = False,
    dicom_return: Annotated[
        str | None, typer.Option(help="Where results go: AE@host:port, or a DICOMweb URL.", rich_help_panel=NODE)
    ] = None,
    dicom_web: Annotated[
        str | None, typer.Option(help="URL of the DICOMweb service to fetch from.", rich_help_panel=NODE)
    ] = None,
    dicom_web_login: Annotated[
        Path | None, typer.Option(help="File with its user:password.", rich_help_panel=NODE)
    ] = None,
    dicom_poll: Annotated[
        float | None, typer.Option(min=1, help="Fetch new ultrasound every so many seconds.", rich_help_panel=NODE)
    ] = None,
    dicom_complete_after: Annotated[
        float, typer.Option(min=0, help="Seconds without a new instance until results go back.", rich_help_panel=NODE)
    ] = 60,
) -> None:
    """Open the reading room: upload a video or send it from a scanner, see the risk and why. Research use only.

    Example: alnus serve runs/demo/run/models/tin --data reading-room
    """
    from alnus.serve.node.settings import NodeSettings
    from alnus.serve.running import read_password, run_server
    from alnus.serve.settings import ServeSettings, WorkSettings

    node = NodeSettings(
        port=dicom_port,
        host=dicom_host,
        ae_title=dicom_ae,
        callers=tuple(dicom_caller or ()),
        trusted_network=dicom_trusted_network,
        return_to=dicom_return,
        web=dicom_web,
        web_login=dicom_web_login,
        poll_s=dicom_poll,
        complete_after_s=dicom_complete_after,
    )
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
        patient_issuer=patient_issuer,
        keep_received=keep_received,
        engine=engine,
        work=WorkSettings(workers=workers),
        node=node,
    )
    run_server(settings, password=read_password(password_file), say=lambda line: typer.echo(line, err=True))
