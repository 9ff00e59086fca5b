"""evaluate, compare: the statistics of any predictions table, of a reader study, and the patients a claim needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from alnus.cli.app import Json, print_json
from alnus.cli.options import Settings, evaluation_changes

Confidence = Annotated[float, typer.Option(help="Level of the intervals.")]

Html = Annotated[Path | None, typer.Option(help="Write the statistics with figures to this HTML file too.")]


def evaluate(
    table: Annotated[
        Path | None,
        typer.Argument(
            help="Predictions table, cohort table with reader_<name> columns, or ratings of a reader study."
        ),
    ] = None,
    confidence: Confidence = 0.95,
    primary: Annotated[str | None, typer.Option(help="The one uncorrected comparison, A:B.")] = None,
    settings: Settings = None,
    power: Annotated[str | None, typer.Option(help="AUCs, as 0.914,0.856: tell how many patients they need.")] = None,
    correlation: Annotated[str | None, typer.Option(help="With --power: of the two AUCs, as 0.5,0.84.")] = None,
    share: Annotated[float | None, typer.Option(help="With --power: share of patients with metastasis.")] = None,
    metric: Annotated[str | None, typer.Option(help="Reader study: auc,sensitivity,specificity.")] = None,
    readers: Annotated[str | None, typer.Option(help="Reader study: random or fixed readers.")] = None,
    cases: Annotated[str | None, typer.Option(help="Reader study: random or fixed cases.")] = None,
    covariance: Annotated[str | None, typer.Option(help="Reader study: delong, jackknife or unbiased.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Reader study: a rating from here on is a call.")] = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compute the statistics of a predictions table, a cohort's readers or a reader study; no network is needed.

    Example: alnus evaluate runs/demo/run/predictions.csv
    """
    options: dict[str, Any] = {"readers": readers, "cases": cases, "covariance": covariance, "threshold": threshold}
    options = {name: value for name, value in options.items() if value is not None}
    options |= {} if metric is None else {"metrics": _words(metric)}
    if table is None:
        if power is None:
            raise typer.BadParameter("give a table, or --power with AUCs", param_hint="TABLE")
        results, text = _sizes(power, correlation, share, None)
    else:
        from alnus.study.tables import evaluate_table

        changes = {"confidence": confidence} | evaluation_changes(settings)
        changes |= {} if primary is None else {"primary": _pair(primary)}
        evaluated = evaluate_table(table, changes, readers=options, origin="the command line")
        results, text = evaluated.results, evaluated.text
        if power is not None:
            sizes, lines = _sizes(power, correlation, share, results)
            results, text = results | sizes, f"{text}\n{lines}"
    _write_html(html, results, text)
    if as_json:
        print_json(results)
    else:
        typer.echo(text)


def compare(
    table: Annotated[Path, typer.Argument(help="Predictions table.")],
    a: Annotated[str, typer.Argument(help="A source in the table.")],
    b: Annotated[str, typer.Argument(help="Another source.")],
    confidence: Confidence = 0.95,
    settings: Settings = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare two sources of a predictions table: AUCs, sensitivities, specificities, predictive values on each set.

    Example: alnus compare runs/demo/run/predictions.csv tin image
    """
    from alnus.study.tables import compare_table

    changes = {"confidence": confidence} | evaluation_changes(settings)
    compared = compare_table(table, a, b, changes, origin="the command line")
    _write_html(html, compared.results, compared.text)
    if as_json:
        print_json(compared.results)
    else:
        typer.echo(compared.text)


def _sizes(
    power: str, correlation: str | None, share: float | None, results: dict[str, Any] | None
) -> tuple[dict[str, Any], str]:
    """Return sample sizes as JSON and text; a table's first test set gives the share, and its own power is told."""
    from alnus.evaluation import sample_size_lines, sample_sizes

    asked: dict[str, Any] = {} if correlation is None else {"correlations": _numbers(correlation, "--correlation")}
    for name, part in (results or {}).get("sets", {}).items():
        if name != "val" and part["positive"] and part["negative"]:
            asked |= {"study": (part["positive"], part["negative"])}
            asked |= {"share_positive": part["positive"] / part["patients"]}
            break
    asked |= {} if share is None else {"share_positive": share}
    sizes = sample_sizes(_numbers(power, "--power"), **asked)
    return {"power": sizes}, "\n".join(sample_size_lines(sizes))


def _write_html(out: Path | None, results: dict[str, Any], text: str) -> None:
    if out is not None:
        from alnus.report import write_table_report

        write_table_report(results, out, text=text)
        typer.echo(f"HTML: {out}", err=True)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str, option: str) -> list[float]:
    from alnus.errors import UsageError

    try:
        return [float(word) for word in _words(text)]
    except ValueError:
        raise UsageError(f"{option}: numbers separated by commas are expected, received '{text}'") from None


def _pair(text: str) -> list[str]:
    from alnus.errors import UsageError

    pair = [name.strip() for name in text.split(":")]
    if len(pair) != 2 or not all(pair):
        raise UsageError(f"--primary: two sources with a colon between them are expected, received '{text}'")
    return pair
