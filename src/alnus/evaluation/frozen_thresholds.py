"""Thresholds by Youden, by a fixed sensitivity or specificity, frozen with a hash of what they were chosen on.

The hash is of the validation patients, their labels and scores, the rule and the threshold: a change of any of them
afterwards is seen. A call is `score >= threshold`, everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import BoolArray, FloatArray, check_lengths
from alnus.evaluation.roc import between, checked_classes, rising_counts, youden_threshold
from alnus.provenance import text_sha256

Rule = Literal["youden", "sensitivity", "specificity"]


@dataclass(frozen=True)
class FrozenThreshold:
    """A source's threshold, its rule (at: the share asked for), what it gave on validation, and the hash."""

    source: str
    rule: Rule
    at: float | None
    value: float
    patients: int
    metastases: int
    sensitivity: float
    specificity: float
    sha256: str

    def apply(self, scores: ArrayLike) -> BoolArray:
        """Return the calls of scores, (patients,)."""
        called: BoolArray = np.asarray(scores, dtype=np.float64) >= self.value
        return called

    def check(self, patients: Sequence[object], labels: ArrayLike, scores: ArrayLike) -> None:
        """Raise CohortError where these validation patients, labels, scores or this threshold are not those frozen."""
        truth, values = checked_classes(labels, scores)
        found = _hash(self.source, self.rule, self.at, self.value, patients, truth, values)
        if found != self.sha256:
            raise CohortError(
                f"thresholds: '{self.source}' was frozen on other validation patients, labels or scores, or its "
                f"threshold {self.value!r} was changed (hash {found[:12]} instead of {self.sha256[:12]}); freeze it "
                f"anew "
                "before a test set is opened"
            )

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold; floats keep every digit."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> FrozenThreshold:
        """Return the threshold that `to_json` wrote. Raises UsageError where keys are missing or unknown."""
        if set(kept) != set(cls.__dataclass_fields__):
            raise UsageError(f"threshold: expected {', '.join(cls.__dataclass_fields__)}; received {', '.join(kept)}")
        return cls(**kept)


def freeze_threshold(
    source: str,
    patients: Sequence[object],
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    rule: Rule = "youden",
    at: float | None = None,
) -> FrozenThreshold:
    """Choose a source's threshold on validation patients and freeze it.

    patients: (patients,), each once. at: the sensitivity or specificity asked for, in (0, 1], with those rules only.
    What it gives on validation is optimistic: it was chosen there.
    Raises CohortError where a class is empty or a patient stands twice, UsageError where rule and `at` do not go
    together.
    """
    truth, values = checked_classes(labels, scores)
    if (rule == "youden") != (at is None) or (at is not None and not 0 < at <= 1):
        raise UsageError(f"at: a share up to 1 goes with sensitivity or specificity alone; received {rule}, {at}")
    if rule == "youden":
        value = youden_threshold(truth, values)
    elif rule in ("sensitivity", "specificity"):
        chosen = threshold_at_sensitivity if rule == "sensitivity" else threshold_at_specificity
        value = chosen(truth, values, float(at or 0))
    else:
        raise UsageError(f"rule: '{rule}' is not youden, sensitivity or specificity")
    calls = values >= value
    return FrozenThreshold(
        source, rule, at, value, len(truth), int(truth.sum()), float(calls[truth].mean()),
        float(1 - calls[~truth].mean()), _hash(source, rule, at, value, patients, truth, values),
    )  # fmt: skip


def threshold_at_sensitivity(labels: ArrayLike, scores: ArrayLike, sensitivity: float) -> float:
    """Return the highest threshold that finds this share of the metastases, midway to the next lower score."""
    truth, values = checked_classes(labels, scores)
    cuts, tp, _ = rising_counts(truth, values)
    return between(cuts, int(np.argmax(tp >= sensitivity * tp[-1] - 1e-9)))


def threshold_at_specificity(labels: ArrayLike, scores: ArrayLike, specificity: float) -> float:
    """Return the lowest threshold that spares this share of the others, midway to the next lower score.

    Where even the highest score calls too many of them the threshold lies above it: nobody is called.
    """
    truth, values = checked_classes(labels, scores)
    cuts, _, fp = rising_counts(truth, values)
    spared = np.flatnonzero(fp <= (1 - specificity) * fp[-1] + 1e-9)
    return between(cuts, int(spared[-1])) if len(spared) else float(np.nextafter(cuts[0], np.inf))


def _hash(
    source: str,
    rule: str,
    at: float | None,
    value: float,
    patients: Sequence[object],
    truth: BoolArray,
    values: FloatArray,
) -> str:
    """Return the SHA-256 of the rule, the threshold and the patients in the order of their names."""
    names = [str(patient) for patient in patients]
    check_lengths(truth, np.asarray(names), "patients")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise CohortError(f"patients: {twice} stands twice; a threshold is chosen on one score a patient")
    rows = sorted(zip(names, truth.tolist(), values.tolist(), strict=True))
    lines = [f"{name}\t{int(label)}\t{score!r}" for name, label, score in rows]
    return text_sha256("\n".join([f"{source}\t{rule}\t{at!r}\t{value!r}", *lines]))
