"""The command line: one thin function a command; torch, Lightning and pandas are imported inside them only."""

from __future__ import annotations

import sys

import typer

from alnus.cli import cases, cohorts, exporting, serving, statistics, studies
from alnus.cli.app import app
from alnus.errors import AlnusError, UsageError

__all__ = ["app", "main"]

INTERRUPTED = 130  # 128 + SIGINT, what a shell reports of a program that Ctrl-C ended

app.command()(studies.demo)
app.command()(studies.study)
app.command()(cohorts.phantom)
app.add_typer(cohorts.tables, name="cohort")
app.command()(cohorts.ingest)
app.command()(cohorts.check)
app.command()(studies.train)
app.command()(cases.predict)
app.command()(cases.explain)
app.command()(exporting.export)
app.command()(statistics.evaluate)
app.command()(statistics.compare)
app.command()(studies.report)
app.command()(cases.models)
app.command()(serving.serve)


def main() -> None:
    """Run the command line; an error that the user can mend becomes one line and its own exit status."""
    try:
        app()
    except AlnusError as error:
        _fail(str(error), error.exit_status)
    except OSError as error:  # what cannot be written; what cannot be read is an AlnusError where it is read
        name = error.filename2 or error.filename or "a file"
        _fail(f"{name}: {error.strerror or error}", UsageError.exit_status)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            typer.echo("alnus: interrupted; what is finished stays, and the same command goes on from there", err=True)
        raise


def _fail(message: str, status: int) -> None:
    """Write the one line that says what is wrong, and exit."""
    typer.echo(f"alnus: error: {message}", err=True)
    sys.exit(status)
