"""How numbers, partitions and sources are written: one place, so that text, tables and figures agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from alnus.evaluation.text import has_width
from alnus.report.document import Cell

UNDERPOWERED_WIDTH = 0.2
"""An AUC whose interval is wider than this, or that has none, is marked "underpowered"."""

SETS = {
    "train": "Training set",
    "val": "Validation set",
    "test_a": "Testing set A",
    "test_b": "Testing set B",
    "folds": "Cross-validation",
}
SOURCES = {
    "tin": "TIN",
    "r2plus1d": "R(2+1)D",
    "resnet3d": "ResNet-3D",
    "x3d": "X3D",
    "mvit": "MViTv2",
    "image": "Static image",
}
KINDS = {"model": "Networks", "reader": "Readers", "ceiling": "Best possible readers of the phantom (not tested)"}
OUTCOMES = {"TP": "True positive", "FN": "False negative", "FP": "False positive", "TN": "True negative"}
ABSENT = "–"


def set_title(name: str) -> str:
    """Return a partition's name as the reader knows it; an unknown one stays as it is."""
    return SETS.get(name, name)


def source_title(name: str, kind: str = "model") -> str:
    """Return a source's name as the reader knows it; a sonographer is a "Reader"."""
    if kind == "reader":
        bare = name.removeprefix("reader_").removeprefix("reader ")
        return f"Reader {bare}"
    if kind == "ceiling":
        return name[:1].upper() + name[1:]
    return SOURCES.get(name, name)


def in_sentence(title: str) -> str:
    """Return a title as it stands inside a sentence: "static image", but "TIN" and "Reader anna"."""
    return "the static image" if title == SOURCES["image"] else title


def number(value: float, digits: int = 3) -> str:
    """Return a number with a true minus sign. 0.0 where it rounds to zero from below."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) != 0 else text.lstrip("-")


def is_number(value: object) -> bool:
    """Tell whether a value of results.json is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def has_estimate(measure: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a measure of results.json holds an estimate."""
    return isinstance(measure, Mapping) and is_number(measure.get("estimate"))


def interval(measure: Mapping[str, Any], *, digits: int = 3, scale: float = 1.0, dash: str = "–") -> str:
    """Return "0.843–0.985"; "no interval" where the ends are absent or one point, which shows no certainty."""
    if not has_interval(measure):
        return "no interval"
    return f"{number(measure['low'] * scale, digits)}{dash}{number(measure['high'] * scale, digits)}"


def has_interval(measure: Mapping[str, Any]) -> bool:
    """Tell whether a measure has an interval of some width; that of a variance of zero is a point."""
    return is_number(measure.get("low")) and is_number(measure.get("high")) and has_width(measure)


def proportion_cell(measure: Mapping[str, Any] | None) -> Cell:
    """Return 85.25% (52/61; 73.8–93.0), marked where results.json says underpowered; a dash where it counts nobody."""
    if measure is None or not has_estimate(measure):
        counts = "(0/0)" if measure is None or measure.get("denominator") in (0, None) else ""
        return Cell(ABSENT, counts)
    counts = f"{measure['numerator']}/{measure['denominator']}"
    note = "underpowered" if measure.get("underpowered") else ""
    return Cell(
        f"{number(100 * measure['estimate'], 2)}%", f"({counts}; {interval(measure, digits=1, scale=100)})", note
    )


def auc_cell(measure: Mapping[str, Any] | None) -> Cell:
    """Return 0.914 (0.843–0.985), marked where it is underpowered; a dash where it is not defined."""
    if measure is None or not has_estimate(measure):
        return Cell(ABSENT, "not defined")
    return Cell(
        number(measure["estimate"]), f"({interval(measure)})", "underpowered" if is_underpowered(measure) else ""
    )


def is_underpowered(measure: Mapping[str, Any]) -> bool:
    """Tell whether an AUC's interval is wider than UNDERPOWERED_WIDTH, or it has none; results.json may say itself."""
    if not has_estimate(measure):
        return False
    if isinstance(measure.get("underpowered"), bool):
        return bool(measure["underpowered"])
    return not has_interval(measure) or bool(measure["high"] - measure["low"] > UNDERPOWERED_WIDTH)


def difference(measure: Mapping[str, Any]) -> Cell:
    """Return 0.058 (−0.020 to 0.136); 0.000 (no interval) where its variance is zero."""
    if not has_estimate(measure):
        return Cell(ABSENT)
    return Cell(number(measure["estimate"]), f"({interval(measure, dash=' to ')})")


def p_value(value: object) -> str:
    """Return 0.143, or <0.001; four digits where three would hide which side of 0.05 it lies on."""
    if not isinstance(value, int | float) or not is_number(value):
        return ABSENT
    if value < 0.001:
        return "<0.001"
    return f"{value:.4f}" if f"{value:.3f}" == "0.050" else f"{value:.3f}"


def p_phrase(value: object) -> str:
    """Return "P = 0.143" or "P < 0.001"."""
    text = p_value(value)
    return f"P < {text[1:]}" if text.startswith("<") else f"P = {text}"


def epoch_from_one(epoch: object) -> int | None:
    """Return an epoch of a model card or metrics.csv, which count from 0, as people count; None where it is absent."""
    return int(epoch) + 1 if isinstance(epoch, int | float) and is_number(epoch) else None


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return "1 patient", "61 patients"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def spoken(items: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def share(confidence: float) -> str:
    """Return "95%" for 0.95."""
    return f"{100 * confidence:g}%"


def seconds(value: float) -> str:
    """Return "45 s", "3 min 20 s" or "2 h 5 min"."""
    whole = round(value)
    if whole < 60:
        return f"{value:.1f} s" if value < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
