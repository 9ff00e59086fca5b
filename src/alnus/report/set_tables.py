"""The tables of a test set: measures with intervals, confusion matrices, paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from alnus.evaluation.text import NO_VARIANCE
from alnus.report.document import Cell, Column, Matrices, Matrix, Row, Table
from alnus.report.wording import (
    ABSENT,
    KINDS,
    UNDERPOWERED_WIDTH,
    auc_cell,
    difference,
    has_estimate,
    has_interval,
    is_number,
    is_underpowered,
    number,
    p_value,
    proportion_cell,
    set_title,
    share,
    source_title,
)

PROPORTIONS = {
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
}
Sources = Mapping[str, Mapping[str, Any]]


def ordered(sources: Sources) -> list[tuple[str, Mapping[str, Any]]]:
    """Return networks, then readers, then ceilings, each in the order of results.json."""
    kinds = list(KINDS)
    rank = {name: kinds.index(kind_of(source)) for name, source in sources.items()}
    return sorted(sources.items(), key=lambda item: rank[item[0]])


def kind_of(source: Mapping[str, Any]) -> str:
    """Return model, reader or ceiling; a source that does not say is a model."""
    kind = str(source.get("kind", "model"))
    return kind if kind in KINDS else "model"


def title_of(name: str, sources: Sources) -> str:
    """Return a source's written name."""
    return source_title(name, kind_of(sources.get(name, {})))


def measures_table(
    name: str, body: Mapping[str, Any], confidence: float, *, widest: float = UNDERPOWERED_WIDTH
) -> Table:
    """Return every source's measures on one test set, a heading above each kind of source."""
    sources: Sources = body["sources"]
    rows: list[Row] = []
    kinds = {kind_of(source) for source in sources.values()}
    last = None
    for source_name, source in ordered(sources):
        kind = kind_of(source)
        if kind != last and len(kinds) > 1:
            rows.append(Row((Cell(KINDS[kind]),), heading=True))
        last = kind
        rows.append(_measures_row(source_name, source, body["patients"]))
    caption = (
        f"{set_title(name)}: {body['patients']} patients, {body['positive']} with and {body['negative']} without "
        f"metastasis. Estimate, (numerator/denominator; {share(confidence)} confidence interval)."
    )
    columns = (
        Column("Source", share=1.15),
        Column(f"AUC ({share(confidence)} CI)", "right", 1.0),
        *(Column(label, "right", 1.12) for label in PROPORTIONS.values()),
    )
    return Table(f"results_{name}", caption, columns, tuple(rows), tuple(_measures_notes(body, confidence, widest)))


def _measures_row(name: str, source: Mapping[str, Any], patients: int) -> Row:
    answered = f"n = {source['patients']}" if _is_partial(source, patients) else ""
    title = Cell(source_title(name, kind_of(source)), answered)
    return Row((title, auc_cell(source.get("auc")), *(proportion_cell(source.get(key)) for key in PROPORTIONS)))


def _is_partial(source: Mapping[str, Any], patients: int) -> bool:
    """Tell whether a source lacks an answer for some of the set's patients."""
    return int(source.get("patients", patients)) < patients


def _measures_notes(body: Mapping[str, Any], confidence: float, widest: float) -> list[str]:
    """Return what a reader of the table must know: methods, marks, and the reason of each absent number."""
    sources: Sources = body["sources"]
    notes = [f"AUC: DeLong’s interval; proportions: Clopper and Pearson’s exact interval; both {share(confidence)}."]
    shares = [source.get(key) or {} for source in sources.values() for key in PROPORTIONS]
    areas = [source.get("auc") or {} for source in sources.values()]
    if any(is_underpowered(area) for area in areas) or any(measure.get("underpowered") for measure in shares):
        notes.append(
            f"“underpowered”: the interval is wider than {widest:g} ({100 * widest:g} percentage points), or there is "
            "none; the set holds too few patients for a firm statement about this number."
        )
    if any(_is_partial(source, body["patients"]) for source in sources.values()):
        notes.append(
            f"n: this source has an answer for so many of the {body['patients']} patients, and its numbers are theirs "
            "alone; they may be easier or harder than the others."
        )
    remarks: dict[str, list[str]] = {}
    for name, source in ordered(sources):
        for remark in _remarks(source):
            remarks.setdefault(remark, []).append(title_of(name, sources))
    return notes + _by_remark(remarks, len(sources))


def _by_remark(remarks: Mapping[str, Sequence[str]], everybody: int) -> list[str]:
    """Return each remark once, with those whom it concerns."""
    return [
        f"{'All of them' if len(names) == everybody > 1 else ', '.join(names)}: {remark}"
        for remark, names in remarks.items()
    ]


def _remarks(source: Mapping[str, Any]) -> list[str]:
    """Return why a source lacks a number, and what of its AUC must not be misread."""
    remarks = []
    if not has_estimate(source.get("auc")):
        remarks.append(f"AUC not defined: {absence(source)}")
    elif note := source["auc"].get("note"):
        remarks.append(f"AUC {note}.")
    gone = [label for key, label in PROPORTIONS.items() if not has_estimate(source.get(key))]
    if gone and not source.get("counts"):
        remarks.append(f"{', '.join(gone)} not defined: {_stated(source, 'no calls') or 'no call was made'}.")
        return remarks
    undefined = [f"{label} not defined" for label in gone]
    return remarks + [f"{_stated(source, start) or start + ': nobody to count (0/0)'}." for start in undefined]


def _stated(source: Mapping[str, Any], start: str) -> str:
    """Return the part of a source's `reason` that begins with `start`, without a closing stop."""
    parts = str(source.get("reason") or "").split("; ")
    return next((part.removeprefix("AUC: ").rstrip(".") for part in parts if part.startswith(start)), "")


def absence(source: Mapping[str, Any]) -> str:
    """Return why a source has no AUC, as a sentence."""
    if stated := _stated(source, "AUC: "):
        return f"{stated}."
    counts = source.get("counts") or {}
    positive = counts.get("tp", 0) + counts.get("fn", 0)
    negative = counts.get("fp", 0) + counts.get("tn", 0)
    if counts and not (positive and negative):
        return f"the set holds one class only ({positive} with, {negative} without metastasis)."
    return "results.json states none."


def called_at(name: str, body: Mapping[str, Any]) -> str:
    """Return by what the networks of a set called: thresholds frozen before, or the calls that the table brought."""
    networks = [source for source in body["sources"].values() if kind_of(source) == "model"]
    brought = name != "folds" and all(source.get("threshold", 0.0) is None for source in networks)
    return "as called in the table" if networks and brought else "at the frozen threshold"


def confusion(name: str, body: Mapping[str, Any]) -> Matrices:
    """Return the 2x2 counts of every network and reader on a test set."""
    sources: Sources = body["sources"]
    items = [
        Matrix(title_of(key, sources), *(int(source["counts"][cell]) for cell in ("tp", "fn", "fp", "tn")))
        for key, source in ordered(sources)
        if kind_of(source) != "ceiling" and source.get("counts")
    ]
    caption = f"{set_title(name)}: patients by pathology (rows) and call (columns) {called_at(name, body)}."
    return Matrices(caption, tuple(items))


def comparisons_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return the paired tests of a test set, or None where there are none."""
    comparisons: Sequence[Mapping[str, Any]] = body.get("comparisons") or ()
    if not comparisons:
        return None
    sources: Sources = body["sources"]
    level = share(confidence)
    columns = (
        Column("Comparison", share=1.7),
        Column("n", "right", 0.4),
        Column(f"Difference of AUC ({level} CI)", "right", 1.35),
        Column("P, DeLong", "right", 0.75),
        Column("P, DeLong, Holm", "right", 0.85),
        Column("Only first / only second right", "right", 1.15),
        Column("P, McNemar", "right", 0.85),
        Column("P, McNemar, Holm", "right", 0.9),
    )
    caption = f"{set_title(name)}: paired tests between sources, on the same patients."
    rows = _comparison_rows(comparisons, sources)
    return Table(f"comparisons_{name}", caption, columns, rows, tuple(_comparison_notes(comparisons, sources)))


def _comparison_rows(comparisons: Sequence[Mapping[str, Any]], sources: Sources) -> tuple[Row, ...]:
    primary = [item for item in comparisons if item.get("role") == "primary"]
    declared = [item for item in comparisons if item.get("declared", True) and item not in primary]
    further = [item for item in comparisons if not item.get("declared", True)]
    groups = {
        "Primary comparison: declared beforehand, its AUCs not corrected": primary,
        "Further declared comparisons" if primary else "Declared comparisons": declared,
        "Exploratory: not declared, not corrected": further,
    }
    rows: list[Row] = []
    for title, items in groups.items():
        if items:
            rows += [Row((Cell(title),), heading=True), *(_comparison_row(item, sources) for item in items)]
    return tuple(rows)


def _comparison_row(item: Mapping[str, Any], sources: Sources) -> Row:
    auc, mcnemar = item.get("auc") or {}, item.get("mcnemar") or {}
    tested = auc if has_interval(auc) else {}
    pair = f"{title_of(item['a'], sources)} vs {title_of(item['b'], sources)}"
    discordant = f"{mcnemar['b']} / {mcnemar['c']}" if {"b", "c"} <= set(mcnemar) else ABSENT
    return Row(
        (
            Cell(pair),
            Cell(str(item.get("patients", ABSENT))),
            _difference(auc, is_flagged=item.get("role") in ("primary", "secondary")),
            Cell(p_value(tested.get("p_value"))),
            Cell(p_value(tested.get("p_holm"))),
            Cell(discordant),
            Cell(p_value(mcnemar.get("p_value"))),
            Cell(p_value(mcnemar.get("p_holm"))),
        )
    )


def _difference(auc: Mapping[str, Any], *, is_flagged: bool) -> Cell:
    """Return the difference, marked underpowered where results.json says so of a declared comparison."""
    return replace(difference(auc), note="underpowered" if is_flagged and auc.get("underpowered") else "")


def _comparison_notes(comparisons: Sequence[Mapping[str, Any]], sources: Sources) -> list[str]:
    declared = sum(bool(item.get("declared", True)) for item in comparisons)
    roles = any("role" in item for item in comparisons)
    family = "declared comparisons of all sets but the primary one" if roles else f"{declared} declared comparisons"
    notes = [
        "n: patients with an answer of both sources. "
        "Difference: AUC of the first source less that of the second. Only first / only second right: patients whom "
        f"one of the two called rightly and the other wrongly. Holm: corrected for the {family}"
        f"{'' if roles else ' of this set'}."
    ]
    named = {name for item in comparisons for name in (item["a"], item["b"])}
    graded = [title_of(n, sources) for n in sources if n in named and (sources[n].get("auc") or {}).get("note")]
    if graded:
        notes.append(
            f"{', '.join(graded)}: mind the note on this AUC in the table of results before reading its difference."
        )
    reasons: dict[str, list[str]] = {}
    for item in comparisons:
        pair = f"{title_of(item['a'], sources)} vs {title_of(item['b'], sources)}"
        if has_estimate(item.get("auc")) and not has_interval(item["auc"]):
            reasons.setdefault(f"{NO_VARIANCE}.", []).append(pair)
        if item.get("reason"):
            reasons.setdefault(f"{str(item['reason']).rstrip('.')}.", []).append(pair)
    return notes + _by_remark(reasons, len(comparisons))


def threshold_text(value: object) -> str:
    """Return a threshold with three digits, or a dash."""
    return number(value) if isinstance(value, int | float) and is_number(value) else ABSENT
