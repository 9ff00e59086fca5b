"""Logistic regression by maximum likelihood, with its covariance: what calibration and interaction tests rest on.

Source: McCullagh and Nelder, "Generalized linear models" (1989), section 4.4; Newton's steps, halved where they
overshoot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from alnus.errors import CohortError
from alnus.evaluation.checks import FloatArray

STEPS = 60
FLAT = 1e-10
"""The largest remaining change of a coefficient at which the fit has converged."""
STEEP = 30.0
"""Log odds beyond which fitted probabilities are 0 or 1 in all but name: the classes are separated."""


@dataclass(frozen=True)
class LogisticFit:
    """Coefficients (terms,), their covariance (terms, terms), and the log likelihood."""

    coefficients: FloatArray
    covariance: FloatArray
    log_likelihood: float


def fit_logistic(design: FloatArray, targets: FloatArray, *, offset: FloatArray | None = None) -> LogisticFit:
    """Fit log odds = offset + design · coefficients. design: (patients, terms); targets: (patients,), in [0, 1].

    Raises CohortError where no finite coefficients are likeliest, because the terms separate the classes, or where the
    terms are not independent.
    """
    base = np.zeros(len(targets)) if offset is None else offset
    coefficients = np.zeros(design.shape[1])
    likelihood = _log_likelihood(base, targets)
    for _ in range(STEPS):
        fitted = special.expit(base + design @ coefficients)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        step = _solved(information, design.T @ (targets - fitted))
        while True:
            odds = base + design @ (coefficients + step)
            new = _log_likelihood(odds, targets)
            if new >= likelihood - 1e-12 * abs(likelihood) or np.max(np.abs(step)) < FLAT:
                break
            step = step / 2
        coefficients, likelihood = coefficients + step, new
        if np.max(np.abs(step)) < FLAT * (1 + np.max(np.abs(coefficients))):
            fitted = special.expit(odds)
            information = design.T @ (design * (fitted * (1 - fitted))[:, None])
            return LogisticFit(coefficients, _solved(information, np.eye(len(coefficients))), likelihood)
        if np.min(np.abs(odds)) > STEEP:
            break
    raise CohortError(
        "logistic fit: the scores separate the patients with from those without metastasis, so no finite slope is "
        "likeliest; more patients are needed"
    )


def _log_likelihood(odds: FloatArray, targets: FloatArray) -> float:
    return float(np.sum(targets * odds - np.logaddexp(0, odds)))


def _solved(information: FloatArray, right: FloatArray) -> FloatArray:
    scale = np.sqrt(np.diag(information))
    if np.any(scale <= 0) or np.linalg.cond(information / np.outer(scale, scale)) > 1e13:
        raise CohortError(
            "logistic fit: the terms cannot be told apart or the classes are separated, so no finite slope is "
            "likeliest; "
            "give scores that vary, on more patients"
        )
    solved: FloatArray = np.linalg.solve(information, right).astype(np.float64)
    return solved
