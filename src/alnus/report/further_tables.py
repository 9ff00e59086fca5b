"""The tables of a test set beyond the first: further measures, and differences of calls in pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnus.report.document import Cell, Column, Row, Table
from alnus.report.set_tables import Sources, kind_of, ordered, title_of
from alnus.report.wording import ABSENT, auc_cell, has_estimate, interval, is_number, number, p_value, set_title, share


def further_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return likelihood ratios, points of the ROC curve and other AUCs; None where results.json has none of them."""
    sources: Sources = body["sources"]
    wanted = {
        "auc_logit": "AUC, logit interval",
        "partial_auc": _partial_title(sources),
        "sensitivity_at_specificity": _point_title(sources, "sensitivity_at_specificity"),
        "specificity_at_sensitivity": _point_title(sources, "specificity_at_sensitivity"),
        "lr_positive": "Likelihood ratio +",
        "lr_negative": "Likelihood ratio −",
        "auc_videos": "AUC of single videos",
        "auc_folds": "Mean AUC of the folds",
    }
    present = [key for key in wanted if any(has_estimate(source.get(key)) for source in sources.values())]
    if not present:
        return None
    rows = [
        Row((Cell(title_of(key, sources)), *(_cell(measure, source.get(measure)) for measure in present)))
        for key, source in ordered(sources)
    ]
    columns = (Column("Source", share=1.1), *(Column(wanted[key], "right") for key in present))
    caption = f"{set_title(name)}: further measures with their {share(confidence)} confidence intervals."
    return Table(f"further_{name}", caption, columns, tuple(rows), tuple(_notes(present, sources)))


def _partial_title(sources: Sources) -> str:
    at = next((s["partial_auc"].get("at") for s in sources.values() if has_estimate(s.get("partial_auc"))), None)
    return f"AUC from specificity {share(float(at))}" if is_number(at) and at is not None else "Partial AUC"


def _point_title(sources: Sources, key: str) -> str:
    measured, fixed = key.split("_at_")
    at = next((source[key].get("at") for source in sources.values() if has_estimate(source.get(key))), None)
    level = f" {share(float(at))}" if is_number(at) and at is not None else " a fixed value"
    return f"{measured.capitalize()} at {fixed}{level}"


def _cell(key: str, measure: Any) -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    if key.startswith("lr_"):
        return Cell(number(measure["estimate"], 2), f"({interval(measure, digits=2)})")
    if "_at_" in key:
        flag = "underpowered" if measure.get("underpowered") else ""
        return Cell(f"{number(100 * measure['estimate'], 1)}%", f"({interval(measure, digits=1, scale=100)})", flag)
    return auc_cell(measure)


def _notes(present: list[str], sources: Sources) -> list[str]:
    said = {
        "auc_logit": "Logit interval: keeps what it states in small sets, where DeLong’s plain one is too narrow.",
        "partial_auc": "Partial AUC: on McClish’s scale, where 0.5 is chance; bootstrap (BCa).",
        "sensitivity_at_specificity": "Points of the ROC curve: read off this set’s curve, so no frozen threshold.",
        "lr_positive": "Likelihood ratios: by how much a call changes the odds of metastasis.",
        "auc_videos": "Single videos: each with its own score, patients as units (Obuchowski).",
        "auc_folds": "Mean of the folds: each network ranks its own patients alone (LeDell).",
    }
    notes = [" ".join(text for key, text in said.items() if key in present)]
    adjusted = [
        title_of(key, sources)
        for key, source in sources.items()
        if any((source.get(ratio) or {}).get("adjusted") for ratio in ("lr_positive", "lr_negative"))
    ]
    if adjusted:
        notes.append(f"{', '.join(adjusted)}: one half was added to each count of the ratios, for one count was 0.")
    return notes


def folds_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return each network's AUC in each fold; None where results.json has none."""
    sources: Sources = body["sources"]
    areas = {key: source["auc_folds"] for key, source in ordered(sources) if _has_folds(source)}
    if not areas:
        return None
    folds = [part["fold"] for part in next(iter(areas.values()))["folds"]]
    columns = (Column("Source", share=1.1), *(Column(f"Fold {fold + 1}", "right") for fold in folds))
    rows = tuple(
        Row((Cell(title_of(key, sources)), *(auc_cell(part) for part in area["folds"]))) for key, area in areas.items()
    )
    caption = f"{set_title(name)}: AUC of each fold’s network on its own patients, {share(confidence)} intervals."
    return Table(f"folds_{name}", caption, columns, rows, ())


def _has_folds(source: Mapping[str, Any]) -> bool:
    return kind_of(source) == "model" and has_estimate(source.get("auc_folds"))


def differences_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return the differences of calls of the declared pairs; None where results.json has none."""
    sources: Sources = body["sources"]
    items = [item for item in body.get("comparisons") or () if item.get("declared") and _has_differences(item)]
    if not items:
        return None
    items.sort(key=lambda item: item.get("role") != "primary")
    columns = (
        Column("Comparison", share=1.5),
        *(Column(f"Difference of {key}", "right", 1.1) for key in ("accuracy", "sensitivity", "specificity")),
        *(Column(f"Ratio of {key.upper()}", "right", 1.1) for key in ("ppv", "npv")),
    )
    rows = tuple(
        Row(
            (
                Cell(f"{title_of(item['a'], sources)} vs {title_of(item['b'], sources)}"),
                *(_difference(item.get(key)) for key in ("accuracy", "sensitivity", "specificity")),
                *(_ratio(item.get(key)) for key in ("ppv", "npv")),
            )
        )
        for item in items
    )
    caption = f"{set_title(name)}: declared pairs, differences of their calls on the same patients."
    notes = (
        f"Percentage points, first less second; Newcombe’s {share(confidence)} interval, exact McNemar test. PPV and "
        "NPV: ratio with Moskowitz and Pepe’s interval, weighted score test. These P values are not corrected.",
    )
    return Table(f"differences_{name}", caption, columns, rows, notes)


def _has_differences(item: Mapping[str, Any]) -> bool:
    return any(has_estimate(item.get(key)) for key in ("accuracy", "sensitivity", "specificity"))


def _difference(measure: Any) -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    ends = interval(measure, digits=1, scale=100, dash=" to ")
    wide = ", underpowered" if measure.get("underpowered") else ""
    return Cell(number(100 * measure["estimate"], 1), f"({ends})", f"P {_equals(measure.get('p_value'))}{wide}")


def _ratio(measure: Any) -> Cell:
    if not isinstance(measure, Mapping) or not is_number(measure.get("ratio")):
        return Cell(ABSENT)
    ends = interval({**measure, "estimate": measure["ratio"]}, digits=2)
    return Cell(number(measure["ratio"], 2), f"({ends})", f"P {_equals(measure.get('p_value'))}")


def _equals(value: object) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"
