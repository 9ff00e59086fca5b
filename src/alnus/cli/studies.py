"""demo, study, train, report: the whole protocol and its parts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from alnus.cli.app import Json, print_json
from alnus.cli.options import Folds, Models, Preset, Seed, Settings, config_of


def demo(
    out: Annotated[Path, typer.Option(help="Directory for the phantom cohort and the run.")] = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Seed of the phantom, the splits and the training.")] = 0,
    as_json: Json = False,
) -> None:
    """Simulate a small phantom cohort and run the whole study on it: data, four networks, report.

    Example: alnus demo --out runs/demo
    """
    from alnus.console import Terminal
    from alnus.study.demo import margin_lines, population_ceilings, run_demo

    result = run_demo(out, seed=seed, reporter=Terminal())
    _show_study(result, as_json)
    if not as_json:
        typer.echo(f"\n{margin_lines(result.results, population_ceilings(out))}")


def study(
    source: Annotated[Path, typer.Argument(metavar="COHORT|CONFIG", help="Cohort table (CSV, Parquet) or YAML.")],
    out: Annotated[Path | None, typer.Option(help="The run's directory; taken up again where it holds a run.")] = None,
    preset: Preset = None,
    models: Models = None,
    folds: Folds = None,
    seed: Seed = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Run the whole study: split, ingest, train, predict, evaluate, explain, report.

    Example: alnus study cohort.csv --preset small --models tin,image --out runs/first

    Example: alnus study configs/paper.yaml
    """
    config = config_of(source, out, preset=preset, models=models, folds=folds, seed=seed, settings=settings)
    from alnus.console import Terminal
    from alnus.study.protocol import run_study

    _show_study(run_study(config, reporter=Terminal(), command=_command()), as_json)


def _command() -> str:
    """Return the command as typed, without the path of the program."""
    return " ".join(["alnus", *sys.argv[1:]])


def _show_study(result: Any, as_json: bool) -> None:
    if as_json:
        print_json(
            {"run": str(result.run), "html": str(result.html), "pdf": str(result.pdf), "results": result.results}
        )
        return
    from alnus.evaluation import format_results

    typer.echo(format_results(result.results))
    typer.echo(f"\nReport: {result.html}\n        {result.pdf}")


def train(
    source: Annotated[Path, typer.Argument(metavar="COHORT|CONFIG", help="Cohort table or YAML.")],
    out: Annotated[Path | None, typer.Option(help="The run's directory.")] = None,
    preset: Preset = None,
    models: Models = None,
    folds: Folds = None,
    seed: Seed = None,
    settings: Settings = None,
    max_steps: Annotated[int | None, typer.Option(help="Stop each training after so many steps: a trial.")] = None,
) -> None:
    """Train networks only: split, ingest, train. The models lie under OUT/models.

    Example: alnus train cohort.csv --preset small --models tin --out runs/tin
    """
    steps = [] if max_steps is None else [f"training.max_steps={max_steps}"]
    config = config_of(
        source, out, preset=preset, models=models, folds=folds, seed=seed, settings=[*(settings or []), *steps]
    )
    from alnus.console import Terminal
    from alnus.study.protocol import train_only

    typer.echo(f"Models: {train_only(config, reporter=Terminal(), command=_command()) / 'models'}")


def report(run: Annotated[Path, typer.Argument(help="A run's directory.")]) -> None:
    """Write a run's report.html and report.pdf again from its files.

    Example: alnus report runs/demo/run
    """
    from alnus.report import write_report

    html, pdf = write_report(run)
    typer.echo(f"Report: {html}\n        {pdf}")
