"""A reader study's results as lines for the terminal: Markdown tables, then the test, then what must be known."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alnus.evaluation.readers.analysis import ReaderEstimate, TreatmentDifference, TreatmentMean
from alnus.evaluation.readers.mrmc import Metric, Mrmc, ReaderStudy
from alnus.evaluation.readers.obuchowski_rockette import Equality
from alnus.evaluation.readers.standalone import Standalone
from alnus.evaluation.readers.times import ReadingTimes
from alnus.evaluation.text import NONE, format_p, markdown_table

METHODS = {"delong": "DeLong", "jackknife": "jackknife", "unbiased": "unbiased (Gallas)"}
TITLES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
FIXED = {
    "readers": "Readers are fixed: the result holds for these readers, and says nothing of others.",
    "cases": "Cases are fixed: the result holds for these cases, and says nothing of others.",
}
NOT_CORRECTED = "P values of single differences are not corrected for their number."


def mrmc_lines(result: Mrmc, *, readers: bool = False) -> list[str]:
    """Return the lines of an MRMC analysis; readers: each reader's accuracy too."""
    lines = [_heading(TITLES[result.metric], result.study), _methods(result.readers, result.cases, result.covariance)]
    lines += ["", *_means(result)]
    if readers:
        lines += ["", *_by_reader(result.by_reader, result.metric, result.confidence)]
    if result.differences:
        lines += ["", *_differences(result.differences, result.metric, result.confidence)]
    return [*lines, "", *_equality(result.equality), *_notes(result)]


def standalone_lines(result: Standalone) -> list[str]:
    """Return the lines of a comparison of a model with the readers' average."""
    title = f"{TITLES[result.metric]} of the model against the readers' average"
    error = f"{_percent(result.confidence)} CI"
    rows = [
        ["Model", _estimate(result.model, result.metric), NONE],
        [f"Mean of {len(result.study.readers)} readers", _estimate(result.mean, result.metric), NONE],
        ["Model − readers", _difference(result.difference, result.metric), format_p(result.p_value)],
    ]
    lines = [_heading(title, result.study), _methods(result.readers, result.cases, result.covariance), ""]
    lines += markdown_table(["", f"{TITLES[result.metric]} ({error})", "P"], rows).splitlines()
    return [*lines, "", *_notes(result)]


def times_lines(result: ReadingTimes) -> list[str]:
    """Return the lines of a comparison of reading times."""
    error = f"({_percent(result.confidence)} CI)"
    means = [[row.treatment, f"{row.estimate:.1f} s ({row.low:.1f}–{row.high:.1f})"] for row in result.means]
    lines = [_heading("Reading times", result.study), _methods(result.readers, result.cases, "jackknife"), ""]
    lines += markdown_table(["Treatment", f"Geometric mean {error}"], means).splitlines()
    if result.ratios:
        ratios = [
            [
                f"{row.treatment_a} / {row.treatment_b}",
                f"{row.estimate:.3f} ({row.low:.3f}–{row.high:.3f})",
                format_p(row.p_value),
            ]
            for row in result.ratios
        ]
        lines += ["", *markdown_table(["Ratio", f"Times as long {error}", "P"], ratios).splitlines()]
    return [*lines, "", *_equality(result.equality), *_notes(result)]


def _heading(title: str, study: ReaderStudy) -> str:
    cases = f"{study.cases} cases"
    if study.positive is not None:
        cases += f" ({study.positive} with metastasis, {study.negative} without)"
    treatments = f"{len(study.treatments)} treatment{'s' * (len(study.treatments) > 1)}"
    return f"{title}: {treatments}, {len(study.readers)} reader{'s' * (len(study.readers) > 1)}, {cases}"


def _methods(readers: str, cases: str, covariance: str) -> str:
    over = f", {METHODS[covariance]} covariance" if cases == "random" else ""
    return f"Obuchowski–Rockette with Hillis' degrees of freedom; {readers} readers, {cases} cases{over}"


def _name(metric: Metric) -> str:
    """Return a measure's name inside a sentence."""
    return TITLES[metric] if metric == "auc" else metric


def _percent(confidence: float) -> str:
    return f"{100 * confidence:g}%"


def _number(value: float, metric: Metric) -> str:
    return f"{value:.3f}" if metric == "auc" else f"{100 * value:.1f}"


def _estimate(row: TreatmentMean | ReaderEstimate, metric: Metric) -> str:
    """Return "0.897 (0.825–0.969)" or "76.2% (52.8–91.8)"; no interval where the variance is zero or unknown."""
    unit = "" if metric == "auc" else "%"
    if row.low is None or row.high is None or row.low == row.high:
        return f"{_number(row.estimate, metric)}{unit} (no interval)"
    return f"{_number(row.estimate, metric)}{unit} ({_number(row.low, metric)}–{_number(row.high, metric)})"


def _difference(row: TreatmentMean | TreatmentDifference, metric: Metric) -> str:
    unit = "" if metric == "auc" else " points"
    ends = f"{_number(row.low, metric)} to {_number(row.high, metric)}" if row.low < row.high else "no interval"
    return f"{_number(row.estimate, metric)}{unit} ({ends})"


def _means(result: Mrmc) -> list[str]:
    header = ["Treatment", f"Readers' mean {_name(result.metric)} ({_percent(result.confidence)} CI)"]
    rows = [[row.treatment, _estimate(row, result.metric)] for row in result.means]
    if result.against is not None:
        header.append(f"P (against {result.against:g})")
        rows = [[*cells, format_p(row.p_value)] for cells, row in zip(rows, result.means, strict=True)]
    return markdown_table(header, rows).splitlines()


def _by_reader(rows: Sequence[ReaderEstimate], metric: Metric, confidence: float) -> list[str]:
    header = ["Treatment", "Reader", f"{TITLES[metric]} ({_percent(confidence)} CI)"]
    return markdown_table(header, [[row.treatment, row.reader, _estimate(row, metric)] for row in rows]).splitlines()


def _differences(rows: Sequence[TreatmentDifference], metric: Metric, confidence: float) -> list[str]:
    header = ["Difference", f"{TITLES[metric]} ({_percent(confidence)} CI)", "P"]
    cells = [
        [f"{row.treatment_a} − {row.treatment_b}", _difference(row, metric), format_p(row.p_value)] for row in rows
    ]
    return markdown_table(header, cells).splitlines()


def _equality(test: Equality | None) -> list[str]:
    if test is None:
        return []
    if math.isinf(test.df2):
        name = f"chi-square({test.df1}) = {test.df1 * test.statistic:.2f}"
    else:
        name = f"F({test.df1}, {test.df2:.2f}) = {test.statistic:.2f}"
    several = [NOT_CORRECTED] if test.df1 > 1 else []
    return [f"All treatments equal: {name}, P {_equals(format_p(test.p_value))}", *several]


def _equals(p_value: str) -> str:
    return p_value.replace("<", "< ") if p_value.startswith("<") else f"= {p_value}"


def _notes(result: Mrmc | Standalone | ReadingTimes) -> list[str]:
    study = result.study
    lines = [note for name, note in FIXED.items() if getattr(result, name) == "fixed"]
    if study.layout in ("cases nested in readers", "cases nested in treatments"):
        lines.append(f"Layout: {study.layout}; accuracies without a case in common do not covary.")
    elif study.missing:
        whole = study.missing + study.readings
        lines.append(
            f"{study.missing} of {whole} readings are missing (not every reader read every case in every treatment); "
            "the result holds if they are missing at random."
        )
    return lines
