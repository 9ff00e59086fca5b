"""Results as text for the terminal: aligned Markdown tables, percent with exact intervals, AUC to three decimals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TITLES = {
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
}
SET_TITLES = {
    "train": "Training set",
    "val": "Validation set",
    "test_a": "Testing set A",
    "test_b": "Testing set B",
    "folds": "Cross-validation, held-out patients of all folds",
    "all": "All patients",
}
OPTIMISTIC = "(epochs and thresholds were chosen on these patients: optimistic)"
NONE = "-"
MARK = "†"
"""Beside a number whose interval is too wide to support a claim."""
NO_VARIANCE = "the difference has no variance, so there is neither an interval nor a P value"
SIMULATED = "Simulated (phantom) patients: these numbers say nothing about the accuracy on lymph nodes."


def format_results(
    results: Mapping[str, Any],
    *,
    measures: Sequence[str] = ("accuracy", "sensitivity", "specificity"),
    details: bool = False,
) -> str:
    """Return the tables of results.json: a table of sources and one of comparisons for each set.

    measures: which proportions, of accuracy, sensitivity, specificity, ppv and npv; all five need 150 columns.
    details: the further statistics of each set too.
    """
    from alnus.evaluation.summary import words  # which writes with this module's words

    parts = [SIMULATED] if results["phantom"] else []
    parts += [line for line in [words.primary_line(results, SET_TITLES)] if line]
    parts += words.opening_lines(results, SET_TITLES)
    for name, part in results["sets"].items():
        heading = f"{SET_TITLES.get(name, name)}: {part['patients']} patients, {part['positive']} with metastasis"
        fitted = name == "val" and any(source["kind"] == "model" for source in part["sources"].values())
        parts.append(f"{heading} {OPTIMISTIC}" if fitted else heading)
        parts.append(_sources_table(part["sources"], part["patients"], results["confidence"], measures))
        if part["comparisons"]:
            parts.append(_comparisons_table(part["comparisons"]))
        parts += words.set_lines(part, results["settings"], results["primary"]) if details else []
        parts += _notes(part["sources"], part["comparisons"])
    parts += words.underpowered_line("\n".join(parts), results["settings"])
    return "\n\n".join(parts) + "\n"


def format_comparisons(comparison: Mapping[str, Any], *, details: bool = False) -> str:
    """Return what `compare_sources` found: for each set both sources' statistics, then the paired tests.

    details: differences of sensitivity and specificity and the comparison of predictive values too.
    """
    from alnus.evaluation.summary import words  # which writes with this module's words

    parts = [SIMULATED] if comparison["phantom"] else []
    for name, row in comparison["sets"].items():
        parts.append(f"{SET_TITLES.get(name, name)}: {row['patients']} patients with an answer of both")
        measures = ("accuracy", "sensitivity", "specificity")
        parts.append(_sources_table(row["sources"], row["patients"], comparison["confidence"], measures))
        parts.append(_comparisons_table([row]))
        further = [words.discrimination_table(row["sources"], comparison["settings"]), words.differences_table([row])]
        parts += [table for table in further if table] if details else []
        parts += _notes(row["sources"], [row])
    parts += words.underpowered_line("\n".join(parts), comparison["settings"])
    return "\n\n".join(parts) + "\n"


def format_auc(area: Mapping[str, Any] | None) -> str:
    """Return an AUC as "0.914 (0.843-0.985)"; "1.000 (no interval)" where its variance is zero."""
    if area is None:
        return NONE
    ends = f"{area['low']:.3f}\u2013{area['high']:.3f}" if has_width(area) else "no interval"
    return f"{area['estimate']:.3f} ({ends})"


def has_width(measure: Mapping[str, Any]) -> bool:
    """Tell whether an interval is more than a point: where a variance is zero, the point is no sign of certainty."""
    return bool(measure["low"] < measure["high"])


def format_difference(difference: Mapping[str, Any] | None) -> str:
    """Return a difference of AUCs as "0.058 (-0.012 to 0.128)"; "0.000 (no interval)" where its variance is zero."""
    if difference is None:
        return NONE
    ends = f"{difference['low']:.3f} to {difference['high']:.3f}" if has_width(difference) else "no interval"
    return f"{difference['estimate']:.3f} ({ends})"


def format_proportion(share: Mapping[str, Any] | None) -> str:
    """Return a proportion as "76.2% (52.8-91.8)"."""
    if share is None:
        return NONE
    return f"{100 * share['estimate']:.1f}% ({100 * share['low']:.1f}\u2013{100 * share['high']:.1f})"


def format_p(p_value: float | None) -> str:
    """Return a P value to three decimals, "<0.001" below that."""
    if p_value is None:
        return NONE
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def marked(text: str, statistic: Mapping[str, Any] | None) -> str:
    """Return a number with `MARK` beside it where its interval is too wide; one without an interval says so itself."""
    wide = statistic is not None and statistic.get("underpowered") and has_width(statistic)
    return f"{text} {MARK}" if wide else text


def _sources_table(sources: Mapping[str, Any], patients: int, confidence: float, measures: Sequence[str]) -> str:
    interval = f"({100 * confidence:g}% CI)"
    header = ["Source", "Kind", f"AUC {interval}", *[f"{TITLES[measure]} {interval}" for measure in measures]]
    rows = [
        [
            f"{name} (n = {source['patients']})" if source["patients"] < patients else name,
            source["kind"],
            marked(format_auc(source["auc"]), source["auc"]),
            *[marked(format_proportion(source[measure]), source[measure]) for measure in measures],
        ]
        for name, source in sources.items()
    ]
    return markdown_table(header, rows)


def _comparisons_table(comparisons: Sequence[Mapping[str, Any]]) -> str:
    header = ["Comparison", "AUC difference (CI)", "P (DeLong)", "P (Holm)", "only a right / only b", "P (McNemar)"]
    return markdown_table(header, [_comparison_row(row) for row in comparisons])


def _comparison_row(row: Mapping[str, Any]) -> list[str]:
    area, calls = row["auc"] if row["auc"] and has_width(row["auc"]) else {}, row["mcnemar"] or {}
    return [
        f"{row['a']} \u2212 {row['b']}",
        format_difference(row["auc"]),
        format_p(area.get("p_value")),
        format_p(area.get("p_holm")),
        f"{calls['b']} / {calls['c']}" if calls else NONE,
        format_p(calls.get("p_value")),
    ]


def _notes(sources: Mapping[str, Any], comparisons: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one paragraph with what is missing or must not be misread, or nothing."""
    lines = [f"{name}: {source['reason']}" for name, source in sources.items() if "reason" in source]
    flat = [name for name, source in sources.items() if source["auc"] and "note" in source["auc"]]
    lines += [f"{name}: AUC {sources[name]['auc']['note']}" for name in flat]
    pairs: dict[str, list[str]] = {}
    for row in comparisons:
        same = [f"AUC: {NO_VARIANCE}"] if row["auc"] and not has_width(row["auc"]) else []
        for reason in [*same, *([row["reason"]] if "reason" in row else [])]:
            pairs.setdefault(reason, []).append(f"{row['a']} \u2212 {row['b']}")
    lines += [f"{', '.join(names)}: {reason}" for reason, names in pairs.items()]
    return ["\n".join(lines)] if lines else []


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned for the eye."""
    widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])
