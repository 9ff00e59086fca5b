"""Whether one source's calls are more to be believed than another's: predictive values on the same patients.

Not McNemar's question: the patients called positive by the one are not those called positive by the other.
Source: the score test: Leisenring, Alonzo and Pepe, Biometrics 56:345 (2000); its weighted form, which keeps its
rate where one source calls far more patients than the other: Kosinski, Stat Med 32:964 (2013); the ratio and its
interval: Moskowitz and Pepe, Clin Trials 3:272 (2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import BoolArray, FloatArray, check_confidence, check_lengths, checked_binary


@dataclass(frozen=True)
class PredictiveValues:
    """Two sources' PPV (or NPV), in [0, 1], their ratio a / b with its interval, and the tests of equality.

    ratio, low, high: None where a value is 0 or the ratio has no variance, then `reason` says why.
    p_value: Kosinski's weighted score test; p_leisenring: Leisenring's score test; chi2, chi2_leisenring: with 1 df.
    """

    a: float
    b: float
    ratio: float | None
    low: float | None
    high: float | None
    chi2: float
    p_value: float
    chi2_leisenring: float
    p_leisenring: float
    reason: str = ""


def compare_predictive_values(
    labels: ArrayLike,
    calls_a: ArrayLike,
    calls_b: ArrayLike,
    *,
    value: Literal["ppv", "npv"] = "ppv",
    confidence: float = 0.95,
) -> PredictiveValues:
    """Test whether two sources' positive (or negative) calls are right equally often, on the same patients.

    All (patients,), 1 = metastasis. Values that are equal without any variance give chi2 0 and P = 1.
    Raises CohortError where a source makes no such call, or where a difference has no variance.
    """
    check_confidence(confidence)
    if value not in ("ppv", "npv"):
        raise UsageError(f"value: '{value}' is not ppv or npv")
    truth = checked_binary(labels, "labels")
    a, b = checked_binary(calls_a, "calls"), checked_binary(calls_b, "calls")
    check_lengths(truth, a, "calls")
    check_lengths(truth, b, "calls")
    if value == "npv":
        truth, a, b = ~truth, ~a, ~b
    if not a.any() or not b.any():
        raise CohortError(
            f"calls: a source calls nobody {'positive' if value == 'ppv' else 'negative'}, so it has no "
            f"{value.upper()} to compare"
        )
    right_a, right_b = float(truth[a].mean()), float(truth[b].mean())
    weighted, plain = _kosinski(truth, a, b), _leisenring(truth, a, b)
    ratio, low, high, reason = _relative(truth, a, b, confidence)
    p_weighted, p_plain = (float(special.chdtrc(1, chi2)) for chi2 in (weighted, plain))
    return PredictiveValues(right_a, right_b, ratio, low, high, weighted, p_weighted, plain, p_plain, reason)


def _kosinski(truth: BoolArray, a: BoolArray, b: BoolArray) -> float:
    """Return Kosinski's T: difference² over {p(1 - p) - 2C}(1/na + 1/nb), p pooled over both sources' calls."""
    calls_a, calls_b = int(a.sum()), int(b.sum())
    right = int(np.sum(truth & a)), int(np.sum(truth & b))
    together = calls_a + calls_b
    pooled = sum(right) / together
    both = a & b
    shared = (np.sum(both & truth) * (1 - pooled) ** 2 + np.sum(both & ~truth) * pooled**2) / together
    variance = (pooled * (1 - pooled) - 2 * shared) * (1 / calls_a + 1 / calls_b)
    crossed = right[0] * calls_b - right[1] * calls_a  # the difference times both counts: whole, hence exactly 0
    return _chi2((crossed / (calls_a * calls_b)) ** 2, float(variance), crossed == 0)


def _leisenring(truth: BoolArray, a: BoolArray, b: BoolArray) -> float:
    """Return the score test of the source's coefficient in a marginal logistic model of the truth among calls."""
    calls = a.astype(np.float64) + b
    share = b.sum() / calls.sum()
    pooled = (np.sum(truth & a) + np.sum(truth & b)) / calls.sum()
    scores: FloatArray = (b - share * calls) * (truth - pooled)
    crossed = int(np.sum(truth & a)) * int(b.sum()) - int(np.sum(truth & b)) * int(a.sum())
    return _chi2(float(scores.sum()) ** 2, float(np.sum(scores**2)), crossed == 0)


def _chi2(square: float, variance: float, equal: bool) -> float:
    if equal:
        return 0.0
    if variance <= 1e-12:
        raise CohortError(
            "calls: the predictive values differ with a variance of zero, so the test does not exist; report them "
            "without a P value, or test on more patients"
        )
    return square / variance


def _relative(
    truth: BoolArray, a: BoolArray, b: BoolArray, confidence: float
) -> tuple[float | None, float | None, float | None, str]:
    """Return a's value over b's with its interval, by each patient's influence on the logarithm of the ratio."""
    right_a, right_b = truth & a, truth & b
    if not right_a.any() or not right_b.any():
        return None, None, None, "a predictive value of 0 has no ratio"
    influence = right_a / right_a.mean() - a / a.mean() - right_b / right_b.mean() + b / b.mean()
    error = float(np.sqrt(np.sum(influence**2))) / len(truth)
    ratio = float((right_a.sum() / a.sum()) / (right_b.sum() / b.sum()))
    if error < 1e-12:
        return ratio, None, None, "the ratio has no variance"
    factor = float(np.exp(special.ndtri(0.5 + confidence / 2) * error))
    return ratio, ratio / factor, ratio * factor, ""
