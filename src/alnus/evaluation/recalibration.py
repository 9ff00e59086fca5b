"""Making probabilities of scores: a map fitted on validation patients, frozen, then applied to the test patients.

Source: Platt, "Probabilistic outputs for support vector machines" (1999), with his smoothed targets; temperature: Guo
et al., ICML 2017; isotonic: Zadrozny and Elkan, KDD 2002.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special
from sklearn.isotonic import IsotonicRegression

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import (
    BoolArray,
    FloatArray,
    check_classes,
    check_lengths,
    checked_binary,
    checked_probabilities,
    checked_scores,
)
from alnus.evaluation.logistic import fit_logistic

EDGE = 1e-6
Method = Literal["platt", "temperature", "isotonic"]


@dataclass(frozen=True)
class Recalibration:
    """A frozen map from scores to probabilities; `apply` uses it, `to_json` and `from_json` keep it.

    on_odds: the scores' log odds are mapped, for they are probabilities of a network; else the scores themselves.
    platt: expit(slope * x + intercept). temperature: the same without intercept, temperature = 1 / slope. isotonic:
    straight between the points (xs, ys), level outside. patients, metastases: what it was fitted on.
    """

    method: Method
    on_odds: bool
    slope: float
    intercept: float
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    patients: int
    metastases: int

    def apply(self, scores: ArrayLike) -> FloatArray:
        """Return the probabilities of scores (patients,). Raises CohortError where they are not on the fitted scale."""
        x = _scale(checked_scores(scores), self.on_odds)
        if self.method == "isotonic":
            return np.interp(x, self.xs, self.ys)
        probabilities: FloatArray = special.expit(self.slope * x + self.intercept)
        return probabilities

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold; floats keep every digit."""
        kept = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return kept | {"xs": list(self.xs), "ys": list(self.ys)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Recalibration:
        """Return the map that `to_json` wrote. Raises UsageError where keys are missing or unknown."""
        if set(kept) != set(cls.__dataclass_fields__):
            raise UsageError(
                f"recalibration: expected {', '.join(cls.__dataclass_fields__)}; received {', '.join(kept)}"
            )
        return cls(**(dict(kept) | {"xs": tuple(kept["xs"]), "ys": tuple(kept["ys"])}))


def fit_recalibration(labels: ArrayLike, scores: ArrayLike, *, method: Method = "platt") -> Recalibration:
    """Fit a map on validation patients; never on those whose calibration is then reported.

    labels: (patients,), 1 = metastasis. scores: (patients,); where all lie in [0, 1] their log odds are mapped.
    "platt" never separates, for its targets are (m + 1)/(m + 2) and 1/(n + 2); a slope below 0 would turn the ranking
    round and is refused. "temperature" keeps 0.5 at 0.5 and needs probabilities. "isotonic" follows the data, makes
    ties, and wants hundreds of patients.
    Raises CohortError where a class is empty, the scores rank the wrong way round, or are no probabilities.
    """
    truth = checked_binary(labels, "labels")
    values = checked_scores(scores)
    check_lengths(truth, values, "scores")
    check_classes(truth, least=1)
    on_odds = bool(np.all((values >= 0) & (values <= 1)))
    if method == "temperature":
        checked_probabilities(labels, scores)
    x = _scale(values, on_odds)
    slope, intercept, xs, ys = _FITS[method](truth, x) if method in _FITS else _unknown(method)
    return Recalibration(method, on_odds, slope, intercept, xs, ys, len(truth), int(truth.sum()))


Fitted = tuple[float, float, tuple[float, ...], tuple[float, ...]]


def _platt(truth: BoolArray, x: FloatArray) -> Fitted:
    positive, negative = int(truth.sum()), int((~truth).sum())
    targets = np.where(truth, (positive + 1) / (positive + 2), 1 / (negative + 2))
    size = float(np.max(np.abs(x))) or 1.0  # squares of huge scores would overflow
    centre, spread = size * float((x / size).mean()), size * float((x / size).std())
    if spread == 0:
        raise CohortError("scores: all are equal, so no map can make probabilities of them")
    fit = fit_logistic(np.column_stack([np.ones(len(x)), (x - centre) / spread]), targets)
    slope = float(fit.coefficients[1]) / spread
    if slope <= 0:
        raise CohortError("scores: higher ones go with fewer metastases on validation; is their sign swapped?")
    return slope, float(fit.coefficients[0]) - slope * centre, (), ()


def _temperature(truth: BoolArray, x: FloatArray) -> Fitted:
    sign = np.where(truth, 1.0, -1.0)
    found = optimize.minimize_scalar(
        lambda log_slope: float(np.sum(np.logaddexp(0, -sign * np.exp(log_slope) * x))),
        bounds=(np.log(0.01), np.log(100)),
        options={"xatol": 1e-10},
    )
    return float(np.exp(found.x)), 0.0, (), ()


def _isotonic(truth: BoolArray, x: FloatArray) -> Fitted:
    fit = IsotonicRegression(out_of_bounds="clip").fit(x, truth.astype(np.float64))
    return 1.0, 0.0, tuple(map(float, fit.X_thresholds_)), tuple(map(float, fit.y_thresholds_))


_FITS = {"platt": _platt, "temperature": _temperature, "isotonic": _isotonic}


def _unknown(method: str) -> Fitted:
    raise UsageError(f"method: '{method}' is not {', '.join(_FITS)}")


def _scale(values: FloatArray, on_odds: bool) -> FloatArray:
    if not on_odds:
        return values
    if np.any((values < 0) | (values > 1)):
        raise CohortError("scores: the map was fitted on probabilities, but a score lies outside 0 to 1")
    odds: FloatArray = special.logit(np.clip(values, EDGE, 1 - EDGE))
    return odds
