"""What the statistics refuse: arrays that cannot be patients' labels, scores or calls.

Checked once, at the boundary; the formulas behind it trust their input and never return NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alnus.errors import CohortError, UsageError

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


def checked_binary(values: ArrayLike, name: str) -> BoolArray:
    """Return 0/1 values as booleans, (patients,). Raises CohortError for anything else, naming the first offender."""
    array = np.asarray(values)
    if array.ndim != 1 or array.size == 0:
        raise CohortError(f"{name}: one value a patient is expected, received an array of shape {array.shape}")
    if array.dtype == np.bool_:
        return array
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise CohortError(f"{name}: 0 and 1 are expected, received '{array.flat[0]}'; write 1 for metastasis, else 0")
    wrong = np.flatnonzero((array != 0) & (array != 1))  # NaN differs from both
    if wrong.size:
        where = int(wrong[0])
        raise CohortError(f"{name}: 0 and 1 are expected, received {array[where]} at position {where} (from 0)")
    return array.astype(np.bool_)


def checked_scores(values: ArrayLike, name: str = "scores") -> FloatArray:
    """Return finite numbers as floats, (patients,). Raises CohortError for text, NaN and infinities."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise CohortError(f"{name}: one value a patient is expected, received an array of shape {array.shape}")
    try:
        scores = array.astype(np.float64)
    except (TypeError, ValueError):
        raise CohortError(f"{name}: numbers are expected, received '{array.flat[0]}'") from None
    wrong = np.flatnonzero(~np.isfinite(scores))
    if wrong.size:
        where = int(wrong[0])
        raise CohortError(
            f"{name}: {scores[where]} at position {where} (from 0) is no finite number; "
            "leave the patient out and say so, or mend the score"
        )
    return scores


def checked_probabilities(labels: ArrayLike, values: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Return labels and probabilities, both (patients,); a class may not be empty.

    Raises CohortError, also for a number outside [0, 1].
    """
    truth, given = checked_binary(labels, "labels"), checked_scores(values, "probabilities")
    check_lengths(truth, given, "probabilities")
    check_classes(truth, least=1)
    wrong = np.flatnonzero((given < 0) | (given > 1))
    if wrong.size:
        where = int(wrong[0])
        raise CohortError(
            f"probabilities: {given[where]:g} at position {where} (from 0) is not between 0 and 1; make probabilities "
            f"of "
            "the scores first (`fit_recalibration` on validation patients)"
        )
    return truth, given


def check_lengths(labels: BoolArray, other: NDArray[np.generic], name: str) -> None:
    """Raise CohortError where the two do not describe the same number of patients."""
    if len(labels) != len(other):
        raise CohortError(f"{name}: {len(other)} values for {len(labels)} labels; give one value a patient")


def checked_identities(values: ArrayLike, labels: BoolArray, *, name: str) -> NDArray[np.int64]:
    """Return numbers from 0 that tell the units (patients, centres, readers) apart, (rows,); text or numbers alike.

    Raises CohortError where one is missing or there is not one for each label.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise CohortError(f"{name}: one value a row is expected, received an array of shape {array.shape}")
    check_lengths(labels, array, name)
    missing = np.array([value is None or value != value or value == "" for value in array.tolist()])
    if missing.any():
        where = int(np.flatnonzero(missing)[0])
        raise CohortError(f"{name}: position {where} (from 0) is empty; every row needs its own")
    return np.unique(array.astype(str) if array.dtype == object else array, return_inverse=True)[1].astype(np.int64)


def check_classes(labels: BoolArray, *, least: int) -> None:
    """Raise CohortError where a class has fewer than `least` patients."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    if min(positive, negative) < least:
        raise CohortError(
            f"labels: {positive} patients with and {negative} without metastasis, but at least {least} of each are "
            "needed; add patients or leave this statistic out"
        )


def check_confidence(confidence: float) -> None:
    """Raise UsageError where a confidence level is no share strictly between 0 and 1."""
    if not 0 < confidence < 1:
        raise UsageError(f"confidence: a number between 0 and 1 is expected, such as 0.95; received {confidence}")
