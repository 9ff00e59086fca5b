"""predict, explain, models: networks on single videos, and which there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alnus.cli.app import Json, print_json

if TYPE_CHECKING:
    from alnus.explanation import Explanation


def predict(
    model: Annotated[Path, typer.Argument(help="A model's directory, or a run's for all of its models.")],
    videos: Annotated[list[Path], typer.Argument(help="Video files, or one cohort table (.csv, .parquet).")],
    out: Annotated[Path | None, typer.Option(help="Write the predictions table here instead of printing it.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="auto, eager, compile, onnx, openvino; default: as the model was configured (eager)."),
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, float32, bf16, fp16, int8.")] = "auto",
    as_json: Json = False,
) -> None:
    """Score videos with a trained network. What cannot be read is named; the rest goes on.

    Example: alnus predict runs/demo/run/models/tin clip.mp4

    Example: alnus predict runs/demo/run/models/tin cohort.csv --engine auto --out predictions.csv
    """
    from alnus.console import Terminal
    from alnus.study.single import predict_files

    scores = predict_files(model, videos, reporter=Terminal(), engine=engine, precision=precision)
    table, failed = scores.table, scores.failed
    for note in scores.notes if len(table) else []:
        typer.echo(note, err=True)
    if out is not None:
        from alnus.provenance import write_atomic, write_json

        write_atomic(out, table.to_csv(index=False, lineterminator="\n"))
        write_json(out.with_suffix(".engines.json"), [answer.as_record() for answer in scores.answers])
        typer.echo(f"{len(table)} predictions: {out}")
    elif as_json:
        print_json(
            {
                "predictions": json.loads(table.to_json(orient="records")),
                "excluded": failed,
                "notes": scores.notes,
                "trained_on_phantom": scores.trained_on_phantom,
                "engines": [answer.as_record() for answer in scores.answers],
            }
        )
    elif len(table):
        typer.echo(table[["video", "source", "score", "call"]].to_string(index=False))
    fail_if_none_worked(len(table), failed)


def explain(
    model: Annotated[Path, typer.Argument(help="A model's directory, or a run's for all of its models.")],
    videos: Annotated[list[Path], typer.Argument(help="Video files.")],
    out: Annotated[Path, typer.Option(help="Directory for the pictures and videos.")] = Path("explanations"),
    keyframe: Annotated[int | None, typer.Option(help="The frame to show; default: the one weighed most.")] = None,
    as_json: Json = False,
) -> None:
    """Draw Grad-CAM heatmaps of videos: a PNG of the keyframe and an MP4 of the whole cine.

    Example: alnus explain runs/demo/run/models/tin clip.mp4 --out explanations
    """
    from alnus.console import Terminal
    from alnus.study.single import explain_files

    made, failed = explain_files(model, videos, out, keyframe=keyframe, reporter=Terminal())
    if as_json and (made or not failed):
        records = [json.loads(each.json.read_text(encoding="utf-8")) | _paths(each) for each in made]
        print_json({"explanations": records, "excluded": failed})
    elif not as_json:
        for path in (path for each in made for path in _paths(each).values() if path is not None):
            typer.echo(path)
    fail_if_none_worked(len(made), failed)


def _paths(explanation: Explanation) -> dict[str, str | None]:
    """Return where the picture and the video are."""
    mp4 = explanation.mp4
    return {"png": str(explanation.png), "mp4": None if mp4 is None else str(mp4)}


def fail_if_none_worked(done: int, failed: list[dict[str, str]]) -> None:
    """Name each file that failed; raise the last one's error where nothing could be done."""
    from alnus.errors import MediaError

    if failed and not done:
        raise MediaError("; ".join(item["reason"] for item in failed))
    for item in failed:
        typer.echo(f"excluded: {item['reason']}", err=True)


def models(as_json: Json = False) -> None:
    """List the networks: depths, clip, parameters, counted operations, and the weights that they can start from.

    Example: alnus models
    """
    from dataclasses import asdict

    from alnus.models.catalogue import describe, table

    found = describe()
    if as_json:
        print_json([asdict(network) for network in found])
    else:
        typer.echo(table(found))
