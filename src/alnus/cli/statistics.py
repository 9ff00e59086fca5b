"""evaluate, compare: the statistics of any predictions table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alnus.cli.app import Json, print_json


def evaluate(
    table: Annotated[Path, typer.Argument(help="Predictions table, or a cohort table with reader_<name> columns.")],
    confidence: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    as_json: Json = False,
) -> None:
    """Compute every statistic of a predictions table, or of the readers of a cohort table. No network is needed.

    Example: alnus evaluate runs/demo/run/predictions.csv
    """
    from alnus.evaluation import format_results
    from alnus.study.single import evaluate_table

    results = evaluate_table(table, confidence=confidence)
    if as_json:
        print_json(results)
    else:
        typer.echo(format_results(results))


def compare(
    table: Annotated[Path, typer.Argument(help="Predictions table.")],
    a: Annotated[str, typer.Argument(help="A source in the table.")],
    b: Annotated[str, typer.Argument(help="Another source.")],
    as_json: Json = False,
) -> None:
    """Compare two sources of a predictions table: paired DeLong and McNemar tests on each set.

    Example: alnus compare runs/demo/run/predictions.csv tin image
    """
    from alnus.evaluation import compare_sources, format_comparisons, read_predictions

    comparisons = compare_sources(read_predictions(table), a, b)
    if as_json:
        print_json(comparisons)
    else:
        typer.echo(format_comparisons(comparisons))
