"""Clinical variables with the video's score in one penalised logistic model, validated without leakage, then frozen.

Everything that is learnt (medians, means, levels, penalty, coefficients) is learnt from the patients given to
`fit_fusion` and from nobody else; `cross_validated` repeats all of it in every fold, so that a held-out patient has
taught nothing.

Source: Hoerl and Kennard, Technometrics 12:55 (1970), as logistic: le Cessie and van Houwelingen, Appl Stat 41:191
(1992); nested cross-validation: Varma and Simon, BMC Bioinformatics 7:91 (2006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from alnus.errors import CohortError, UsageError
from alnus.evaluation.checks import (
    BoolArray,
    FloatArray,
    check_classes,
    check_lengths,
    checked_binary,
    checked_identities,
)

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""C of the penalty, from heavy to light; chosen by the inner folds' log loss."""


@dataclass(frozen=True)
class Term:
    """One variable as the model sees it. Numbers: (value - mean) / spread, the median where it is missing.

    levels: a variable of text; each level is a column of 0 and 1, and an unknown or missing one is 0 in all of them.
    weights: one for a number, one for each level.
    """

    variable: str
    weights: tuple[float, ...]
    median: float = 0.0
    mean: float = 0.0
    spread: float = 1.0
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fusion:
    """A frozen model; `apply` uses it, `to_json` and `from_json` keep it."""

    intercept: float
    terms: tuple[Term, ...]
    strength: float
    patients: int
    metastases: int

    def apply(self, variables: pd.DataFrame) -> FloatArray:
        """Return the probability of metastasis of each row, (patients,). Raises CohortError where a column lacks."""
        absent = [term.variable for term in self.terms if term.variable not in variables]
        if absent:
            raise CohortError(f"fusion: the table lacks the column {absent[0]}; the model was fitted with it")
        odds = np.full(len(variables), self.intercept)
        for term in self.terms:
            odds = odds + _columns(term, variables[term.variable]) @ np.array(term.weights)
        probabilities: FloatArray = special.expit(odds)
        return probabilities

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold; floats keep every digit."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Fusion:
        """Return the model that `to_json` wrote. Raises UsageError where keys are missing or unknown."""
        if set(kept) != set(cls.__dataclass_fields__):
            raise UsageError(f"fusion: expected {', '.join(cls.__dataclass_fields__)}; received {', '.join(kept)}")
        terms = tuple(
            Term(**(dict(term) | {"weights": tuple(term["weights"]), "levels": tuple(term["levels"])}))
            for term in kept["terms"]
        )
        return cls(**(dict(kept) | {"terms": terms}))


def fit_fusion(
    labels: ArrayLike,
    variables: pd.DataFrame,
    *,
    patients: ArrayLike | None = None,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 5,
    seed: int = 0,
) -> Fusion:
    """Fit the model on train and validation patients, the penalty chosen among them.

    variables: a row each; numbers, or text for levels; the video's score is one of them. patients: whose row it is, so
    that one patient's rows share a fold; None: each row is a patient. The penalty has the least mean log loss over
    `folds` inner folds; of equal ones the heaviest. Raises CohortError where a class has fewer patients than there are
    folds, a column holds nothing, or is infinite.
    """
    truth, units = _checked(labels, variables, patients, folds)
    strength = strengths[0]
    if len(strengths) > 1:
        losses = sum(_losses(truth, variables, part, strengths) for part in _folds(truth, units, folds, seed))
        strength = strengths[int(np.argmin(np.round(losses, 9)))]
    terms = _learnt_terms(variables)
    model = _model(_design(terms, variables), truth, strength)
    weights = iter(model.coef_[0])
    weighted = tuple(replace(term, weights=tuple(float(next(weights)) for _ in term.weights)) for term in terms)
    return Fusion(float(model.intercept_[0]), weighted, float(strength), len(truth), int(truth.sum()))


def cross_validated(
    labels: ArrayLike,
    variables: pd.DataFrame,
    *,
    patients: ArrayLike | None = None,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 5,
    seed: int = 0,
) -> FloatArray:
    """Return each row's probability by a model that saw nothing of its patient, (rows,): nested cross-validation.

    Arguments as of `fit_fusion`; what that would choose is chosen anew in each outer fold from its other patients.
    """
    truth, units = _checked(labels, variables, patients, folds)
    held_out = np.empty(len(truth))
    for train, test in _folds(truth, units, folds, seed):
        fitted = fit_fusion(
            truth[train], variables.iloc[train], patients=units[train], strengths=strengths, folds=folds, seed=seed
        )
        held_out[test] = fitted.apply(variables.iloc[test])
    return held_out


def _checked(
    labels: ArrayLike, variables: pd.DataFrame, patients: ArrayLike | None, folds: int
) -> tuple[BoolArray, NDArray[np.int64]]:
    truth = checked_binary(labels, "labels")
    check_lengths(truth, np.empty(len(variables)), "variables")
    if folds < 2:
        raise UsageError(f"folds: at least 2 are needed, received {folds}")
    units = np.arange(len(truth)) if patients is None else checked_identities(patients, truth, name="patients")
    first = np.unique(units, return_index=True)[1]
    check_classes(truth[first], least=folds)
    for name in variables:
        column = variables[name]
        if column.isna().all():
            raise CohortError(f"fusion: the column {name} holds nothing; leave it out")
        if _is_number(column) and np.isinf(column.astype(np.float64)).any():
            raise CohortError(f"fusion: the column {name} holds an infinite number; mend it or leave it empty")
    return truth, units


def _folds(truth: BoolArray, units: NDArray[np.int64], folds: int, seed: int) -> list[tuple[Any, Any]]:
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return [(train, test) for train, test in parts.split(np.empty(len(truth)), truth, units)]


def _losses(truth: BoolArray, variables: pd.DataFrame, part: tuple[Any, Any], strengths: Sequence[float]) -> FloatArray:
    """Return the log loss of each penalty on the held-out rows, all else learnt from the others, (strengths,)."""
    train, test = part
    terms = _learnt_terms(variables.iloc[train])
    seen, unseen = _design(terms, variables.iloc[train]), _design(terms, variables.iloc[test])
    sign = np.where(truth[test], 1.0, -1.0)
    odds = [_model(seen, truth[train], strength).decision_function(unseen) for strength in strengths]
    return np.array([np.sum(np.logaddexp(0, -sign * each)) for each in odds])


def _model(design: FloatArray, truth: BoolArray, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8, max_iter=200).fit(design, truth)


def _learnt_terms(variables: pd.DataFrame) -> list[Term]:
    return [_learnt(str(name), variables[name]) for name in variables]


def _design(terms: Sequence[Term], variables: pd.DataFrame) -> FloatArray:
    return np.column_stack([_columns(term, variables[term.variable]) for term in terms])


def _learnt(name: str, column: pd.Series) -> Term:
    """Return the variable's term before it has weights."""
    if not _is_number(column):
        levels = tuple(sorted({str(value) for value in column.dropna()}))
        return Term(name, (0.0,) * len(levels), levels=levels)
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    there = numbers[np.isfinite(numbers)]
    median = float(np.median(there)) if len(there) else 0.0
    filled = np.where(np.isfinite(numbers), numbers, median)
    size = float(np.max(np.abs(filled))) or 1.0  # squares of huge numbers would overflow
    mean, spread = size * float((filled / size).mean()), size * float((filled / size).std())
    return Term(name, (0.0,), median, mean, spread or 1.0)


def _columns(term: Term, column: pd.Series) -> FloatArray:
    """Return the term's columns, (rows, weights)."""
    if term.levels:
        text = column.astype(object).where(column.notna(), None)
        return np.array([[float(value is not None and str(value) == level) for level in term.levels] for value in text])
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    filled = np.where(np.isfinite(numbers), numbers, term.median)
    return ((filled - term.mean) / term.spread)[:, None]


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))
