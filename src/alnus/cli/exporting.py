"""export: a trained network for ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alnus.cli.app import Json, print_json


def export(
    model: Annotated[Path, typer.Argument(help="A model's directory.")],
    clips: Annotated[
        Path, typer.Option(help="A cine store, a cohort table or a video: what the export is checked on.")
    ],
    to: Annotated[str, typer.Option(help="openvino or onnx.")] = "openvino",
    int8: Annotated[bool, typer.Option("--int8", help="In 8 bits, calibrated on the clips (OpenVINO).")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Directory of the export; default: MODEL/engines/..., where predict finds it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a network for a faster engine, if it answers there as in PyTorch on real clips.

    Example: alnus export runs/demo/run/models/tin --clips cohort.csv

    Example: alnus export runs/demo/run/models/tin --to openvino --int8 --clips cohort.csv --out tin-int8
    """
    from alnus.console import Terminal
    from alnus.study.exporting import export_network

    done = export_network(model, clips, out, to=to, int8=int8, reporter=Terminal())
    if as_json:
        print_json({"directory": str(done.directory), "export": done.card.model_dump(mode="json")})
        return
    for line in done.lines():
        typer.echo(line)
