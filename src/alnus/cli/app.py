"""The command line's root: what every command shares, and how an error becomes one line and an exit status."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from alnus import __version__

app = typer.Typer(
    name="alnus",
    help="Axillary lymph node metastasis from breast ultrasound videos: train, compare, explain, report. "
    "Research use only: its accuracy on lymph nodes has not been measured.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"alnus {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def print_json(value: Any) -> None:
    """Write a value as JSON; a number that JSON does not have is an error."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
