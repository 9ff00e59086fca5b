"""Scores as probabilities and as advice: calibration, what a call means for 100 patients, "not sure: examine"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alnus.report.document import Bullets, Cell, Column, Row, Table
from alnus.report.set_tables import Sources, called_at, kind_of, ordered, title_of
from alnus.report.wording import ABSENT, has_estimate, interval, is_number, number, p_value, set_title, share

STAGES = {"calibration": "as it is", "calibration_recalibrated": "recalibrated"}


def calibration_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return each source's calibration before and after recalibration; None where there is none."""
    sources: Sources = body["sources"]
    rows = [
        _calibration_row(title_of(key, sources), said, source[stage])
        for key, source in ordered(sources)
        if kind_of(source) != "ceiling"
        for stage, said in STAGES.items()
        if isinstance(source.get(stage), Mapping)
    ]
    if not rows:
        return None
    columns = (
        Column("Source", share=1.2),
        Column("Intercept", "right"),
        Column("Slope", "right"),
        Column("Expected / observed", "right", 1.1),
        Column("Brier score", "right"),
        Column("ECE", "right", 1.1),
        Column("P, Spiegelhalter", "right", 0.9),
    )
    level = share(confidence)
    notes = (
        f"Right where the intercept is 0, the slope 1, expected over observed 1 ({level} intervals). Brier score: the "
        "smaller the better; beside it the share of the error of “everybody has the set’s share of metastases” that is "
        "avoided. ECE: mean error of the probability over bins; beside it what a perfect forecast would show on so few "
        "patients. Spiegelhalter: a small P speaks against calibration. Recalibrated: by a map fitted on the "
        "validation patients alone.",
    )
    caption = f"{set_title(name)}: calibration, scores read as probabilities of metastasis."
    return Table(f"calibration_{name}", caption, columns, tuple(rows), notes)


def _calibration_row(title: str, said: str, measured: Mapping[str, Any]) -> Row:
    brier, ece = measured.get("brier") or {}, measured.get("ece") or {}
    scaled = f"({number(100 * brier['scaled'], 0)}% avoided)" if is_number(brier.get("scaled")) else ""
    perfect = f"(perfect: {number(ece['if_calibrated'])})" if is_number(ece.get("if_calibrated")) else ""
    return Row(
        (
            Cell(title, said),
            *(_with_interval(measured.get(key)) for key in ("intercept", "slope", "expected_over_observed")),
            Cell(number(brier["score"]), scaled) if is_number(brier.get("score")) else Cell(ABSENT),
            Cell(number(ece["estimate"]), perfect) if is_number(ece.get("estimate")) else Cell(ABSENT),
            Cell(p_value((measured.get("spiegelhalter") or {}).get("p_value"))),
        )
    )


def _with_interval(measure: Any) -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    return Cell(number(measure["estimate"], 2), f"({interval(measure, digits=2, dash=' to ')})")


def hundred_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return what each source's calls mean for 100 patients like these; None where results.json does not say."""
    sources: Sources = body["sources"]
    rows = [
        Row((Cell(title_of(key, sources)), *(_of_hundred(source["in_hundred"].get(part)) for part in PARTS)))
        for key, source in ordered(sources)
        if kind_of(source) != "ceiling" and isinstance(source.get("in_hundred"), Mapping)
    ]
    if not rows:
        return None
    columns = (Column("Source", share=1.2), *(Column(title, "right") for title in PARTS.values()))
    notes = (
        f"Of 100 patients with this set’s share of metastases ({share(confidence)} interval), were a biopsy done after "
        "a positive call only. A calculation on past patients, no rule for a patient’s care.",
    )
    caption = f"{set_title(name)}: what the calls mean for 100 patients ({called_at(name, body)})."
    return Table(f"hundred_{name}", caption, columns, tuple(rows), notes)


PARTS = {"spared": "Node biopsies spared", "missed": "Metastases missed", "in_vain": "Biopsies that find none"}


def _of_hundred(measure: Any) -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    return Cell(number(100 * measure["estimate"], 0), f"({interval(measure, digits=0, scale=100)})")


def hundred_words(name: str, body: Mapping[str, Any], source: str) -> Bullets | None:
    """Return the same for one network in words."""
    lines = ((body["sources"].get(source) or {}).get("in_hundred") or {}).get("lines")
    if not lines:
        return None
    return Bullets(tuple(map(str, lines)), heading=f"{set_title(name)}, {title_of(source, body['sources'])}, in words")


def not_sure_table(name: str, body: Mapping[str, Any], confidence: float) -> Table | None:
    """Return the answers where a case may be "not sure: examine"; None where there are none."""
    sources: Sources = body["sources"]
    rows = [
        _not_sure_row(title_of(key, sources), source["not_sure"])
        for key, source in ordered(sources)
        if kind_of(source) != "ceiling" and isinstance(source.get("not_sure"), Mapping)
    ]
    if not rows:
        return None
    columns = (
        Column("Source", share=1.2),
        Column("“Metastasis”", "right", 0.8),
        Column("“No metastasis”", "right", 0.8),
        Column("“Not sure: examine”", "right", 1.1),
        Column("Right where sure", "right", 1.1),
        Column("True answer kept, metastasis", "right", 1.15),
        Column("True answer kept, none", "right", 1.15),
    )
    asked = next(s["not_sure"].get("asked") for s in sources.values() if isinstance(s.get("not_sure"), Mapping))
    wanted = share(float(asked)) if is_number(asked) else "a stated share"
    notes = (
        f"Conformal answers, set on validation so that of each class {wanted} of patients keep their true answer, "
        f"alone or beside the other one, on average over such studies; {share(confidence)} intervals. On patients "
        "unlike the validation patients the promise does not hold.",
    )
    caption = f"{set_title(name)}: answers where “not sure” is allowed."
    return Table(f"not_sure_{name}", caption, columns, tuple(rows), notes)


def _not_sure_row(title: str, answers: Mapping[str, Any]) -> Row:
    coverage = answers.get("coverage") or {}
    return Row(
        (
            Cell(title),
            Cell(str(answers.get("metastasis", ABSENT))),
            Cell(str(answers.get("no_metastasis", ABSENT))),
            *(_share(answers.get(key)) for key in ("not_sure", "right_where_sure")),
            *(_share(coverage.get(key)) for key in ("positive", "negative")),
        )
    )


def _share(measure: Any) -> Cell:
    if not has_estimate(measure):
        return Cell(ABSENT)
    counts = f"{measure['numerator']}/{measure['denominator']}"
    return Cell(f"{number(100 * measure['estimate'], 1)}%", f"({counts}; {interval(measure, digits=1, scale=100)})")
