"""Every statistic on inputs that should not be: an error in one line, or finite numbers; never NaN, never a warning."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alnus.evaluation as e
from alnus.errors import AlnusError

CASES = {
    "one class": ([1] * 6, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    "NaN": ([1, 0, 1, 0], [0.1, np.nan, 0.2, 0.3]),
    "infinite": ([1, 0, 1, 0], [0.1, np.inf, 0.2, 0.3]),
    "labels as text": (["yes", "no"], [0.1, 0.2]),
    "a missing label": ([0, 1, None, 1], [0.1, 0.2, 0.3, 0.4]),
    "two patients": ([1, 0], [0.9, 0.1]),
    "four patients": ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.15]),
    "all equal": ([1, 0] * 10, [0.5] * 20),
    "perfect": ([0] * 10 + [1] * 10, np.linspace(0.05, 0.95, 20)),
    "swapped sign": ([1] * 10 + [0] * 10, np.linspace(0.05, 0.95, 20)),
    "certain": ([0, 1] * 10, [0.0, 1.0] * 10),
    "certain and wrong": ([0, 1] * 10, [1.0, 0.0] * 10),
    "ties": ([0, 1, 1, 0] * 4, [0.2, 0.2, 0.4, 0.4] * 4),
    "huge": ([0, 1] * 10, np.arange(20) * 1e300),
    "two columns": ([[1, 0]], [[0.1, 0.2]]),
    "nobody": ([], []),
}


def called(scores):
    return (np.asarray(scores, dtype=float) >= 0.3).astype(int)


RULES = (("youden", None), ("sensitivity", 0.9), ("specificity", 0.9))
STATISTICS: dict[str, Callable[[Any, Any], Any]] = {
    "auc": lambda y, s: [e.auc(y, s, interval=kind) for kind in ("delong", "logit", "score")],
    "paired": lambda y, s: e.compare_aucs(y, s, list(s)[::-1]),
    "unpaired": lambda y, s: e.compare_independent_aucs(y, s, y, s),
    "clustered": lambda y, s: e.clustered_auc(y, s, np.arange(len(s)) // 2),
    "clustered pair": lambda y, s: e.compare_clustered_aucs(y, s, list(s)[::-1], range(len(s))),
    "points": lambda y, s: [f(y, s, 0.9, replicates=100) for f in (e.sensitivity_at, e.specificity_at)],
    "band": lambda y, s: e.roc_band(y, s, simultaneous=True, replicates=100),
    "partial": lambda y, s: e.partial_auc(y, s, replicates=100),
    "correlation": lambda y, s: e.auc_correlation(y, s, list(s)[::-1]),
    "calibration": lambda y, s: e.calibration(y, s),
    "curve": lambda y, s: e.calibration_curve(y, s, points=5),
    "platt": lambda y, s: e.fit_recalibration(y, s).apply(s),
    "temperature": lambda y, s: e.fit_recalibration(y, s, method="temperature").apply(s),
    "isotonic": lambda y, s: e.fit_recalibration(y, s, method="isotonic").apply(s),
    "decision curve": lambda y, s: e.decision_curve(y, s),
    "conformal": lambda y, s: e.fit_conformal(y, s),
    "threshold": lambda y, s: [e.freeze_threshold("x", range(len(s)), y, s, rule=r, at=at) for r, at in RULES],
    "subgroups": lambda y, s: e.subgroup_rows(y, s, np.arange(len(s)) % 2, variable="g", calls=called(s)),
    "interaction": lambda y, s: e.auc_interaction(y, s, np.arange(len(s)) % 2, variable="g"),
    "calls' interaction": lambda y, s: e.call_interaction(y, called(s), np.arange(len(s)) % 3, variable="g"),
    "paired calls": lambda y, s: [
        e.compare_calls(y, called(s), called(s)[::-1], among=among, interval=kind)
        for among in ("all", "positive", "negative")
        for kind in ("newcombe", "tango")
    ],
    "predictive values": lambda y, s: e.compare_predictive_values(y, called(s), called(s)[::-1]),
    "likelihood ratio": lambda y, s: e.positive_likelihood_ratio(e.confusion(y, called(s))),
    "fusion": lambda y, s: e.cross_validated(y, pd.DataFrame({"s": s}), strengths=[1.0], folds=2),
}
RAGGED = {"two columns"}  # no data frame can be made of it


def numbers(found: Any) -> Iterator[float]:
    """Yield every float of an answer."""
    if dataclasses.is_dataclass(found):
        for field in dataclasses.fields(found):
            yield from numbers(getattr(found, field.name))
    elif isinstance(found, list | tuple):
        for item in found:
            yield from numbers(item)
    elif isinstance(found, np.ndarray) and found.dtype.kind == "f":
        yield from found.ravel().tolist()
    elif isinstance(found, float):
        yield found


def answered(statistic: str, case: str) -> tuple[Any, str]:
    """Return the answer, or None and the message that refuses it."""
    try:
        return STATISTICS[statistic](*CASES[case]), ""
    except AlnusError as error:
        return None, str(error)


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("statistic", list(STATISTICS))
def test_an_answer_is_finite_or_refused_in_one_line(statistic, case):
    if statistic == "fusion" and case in RAGGED:
        pytest.skip("a table has one row a patient by itself")
    found, message = answered(statistic, case)
    assert np.isfinite(list(numbers(found))).all()
    assert "\n" not in message
    assert found is not None or len(message) > 20


@pytest.mark.parametrize("case", ["one class", "NaN", "infinite", "labels as text", "a missing label", "nobody"])
@pytest.mark.parametrize(
    "statistic", ["auc", "paired", "band", "calibration", "decision curve", "conformal", "threshold"]
)
def test_what_is_no_cohort_is_refused_by_every_statistic(statistic, case):
    with pytest.raises(AlnusError):
        STATISTICS[statistic](*CASES[case])
