"""The shortcut probe: how well the label is predicted by what should know nothing of it, and whether by chance.

Kernel ridge regression on the 0/1 label, out of fold, by patient. Its out-of-fold scores are a fixed linear map of
the labels, so that a permutation of the labels costs one product of matrices, and a thousand of them are drawn.
Source: Ojala and Garriga, J. Mach. Learn. Res. 11:1833 (2010), on permutation tests of classifiers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from alnus.cohort.audit.association import area
from alnus.cohort.audit.findings import AuditFinding, Severity

FloatArray = NDArray[np.float64]

FOLDS, REPEATS = 5, 4
PERMUTATIONS = 1_000
RIDGE = 0.3
"""Penalty, in units of the kernel's mean diagonal."""
ALPHA = 0.01
LEAST_AUC = 0.55
"""The lower end of the AUC's interval that a finding needs beside P < ALPHA."""
LEAST_PER_CLASS = 10
MOST_PATIENTS = 2_000
"""More are sampled: the matrices grow with the square, and a shortcut that needs more to be seen is a weak one."""
BINS = 5


@dataclass(frozen=True)
class Probe:
    """What a probe found. auc: estimate and 95% interval of the mean out-of-fold score. p_value: by permutation."""

    what: str
    auc: tuple[float, float, float]
    p_value: float
    patients: int

    @property
    def is_shortcut(self) -> bool:
        """Whether the label can be told from this alone."""
        return self.p_value < ALPHA and self.auc[1] > LEAST_AUC

    def line(self) -> str:
        """Return the result in words."""
        shown = f"P = {self.p_value:.3f}" if self.p_value >= 0.0015 else "P ≤ 0.001"
        measured = f"AUC {self.auc[0]:.2f} ({self.auc[1]:.2f}-{self.auc[2]:.2f}), {shown}, {self.patients} patients"
        verdict = "a network may learn that instead of the lesion" if self.is_shortcut else "no shortcut seen"
        return f"from {self.what} alone the label is predicted with {measured}: {verdict}"


def probe(what: str, features: FloatArray, labels: NDArray[np.bool_], *, seed: int) -> Probe | None:
    """Return how well the labels are predicted from features (patients, d), None where a class is too small.

    Features are brought to mean 0 and variance 1; constant ones count for nothing. The same seed gives the same result.
    """
    rng = np.random.default_rng(seed)
    if len(labels) > MOST_PATIENTS:
        kept = rng.permutation(len(labels))[:MOST_PATIENTS]
        features, labels = features[kept], labels[kept]
    if min(labels.sum(), (~labels).sum()) < LEAST_PER_CLASS:
        return None
    kernel = _kernel(features)
    drawn = np.stack([labels, *(rng.permutation(labels) for _ in range(PERMUTATIONS))], axis=1)
    scores = np.mean([_out_of_fold(kernel, drawn, rng) for _ in range(REPEATS)], axis=0)
    areas = _areas(drawn, scores)
    p_value = float((1 + (areas[1:] >= areas[0] - 1e-12).sum()) / (1 + PERMUTATIONS))
    return Probe(what, area(labels, scores[:, 0]), p_value, len(labels))


def _kernel(features: FloatArray) -> FloatArray:
    """Return a linear plus a Gaussian kernel of the standardised features (patients, patients)."""
    spread = features.std(axis=0)
    used = spread > 1e-9
    if not used.any():
        return np.zeros((len(features), len(features)))
    scaled = (features[:, used] - features[:, used].mean(axis=0)) / spread[used]
    linear = scaled @ scaled.T / used.sum()
    squared = np.maximum(np.diag(linear)[:, None] + np.diag(linear) - 2 * linear, 0)
    return np.asarray(linear + np.exp(-0.5 * squared))


def _out_of_fold(kernel: FloatArray, drawn: NDArray[np.bool_], rng: np.random.Generator) -> FloatArray:
    """Return the out-of-fold scores (patients, draws) of labels (patients, draws), the folds being the same for all.

    The folds know no label: a stratified fold would fit the first column and none of its permutations.
    """
    fold = rng.permutation(len(drawn)) % FOLDS
    penalty = RIDGE * max(float(np.trace(kernel)) / len(kernel), 1e-9)
    scores = np.empty(drawn.shape)
    for held_out in range(FOLDS):
        train, test = fold != held_out, fold == held_out
        targets = drawn[train] - drawn[train].mean(axis=0)
        ridge = kernel[np.ix_(train, train)] + penalty * np.eye(int(train.sum()))
        scores[test] = kernel[np.ix_(test, train)] @ np.linalg.solve(ridge, targets)
    return scores


def _areas(drawn: NDArray[np.bool_], scores: FloatArray) -> FloatArray:
    """Return the AUC of each column of scores for the same column of labels."""
    ranks = stats.rankdata(scores, axis=0)
    positive = drawn.sum(axis=0)
    sums = (ranks * drawn).sum(axis=0) - positive * (positive + 1) / 2
    return np.asarray(sums / (positive * (len(drawn) - positive)))


def encoded(facts: pd.DataFrame) -> FloatArray:
    """Return facts (patients, columns) as features: numbers as ranks and quantile bins, texts as one column a value."""
    parts: list[FloatArray] = [np.zeros((len(facts), 1))]
    for name in facts.columns:
        if not pd.api.types.is_numeric_dtype(facts[name]):
            codes, values = pd.factorize(facts[name].astype(str))
            parts.append(np.eye(len(values))[codes] if len(values) <= len(facts) // 4 + 2 else parts[0])
            continue
        numbers = facts[name].to_numpy(dtype=float, na_value=np.nan)
        ranks = stats.rankdata(np.nan_to_num(numbers, nan=-np.inf)) / len(numbers)
        parts.append(np.stack([ranks, ~np.isfinite(numbers)], axis=1).astype(float))
        parts.append(np.eye(BINS)[np.minimum((ranks * BINS).astype(int), BINS - 1)])
    return np.concatenate(parts, axis=1)


def finding_of(result: Probe) -> AuditFinding:
    """Return a probe as a finding: a warning where it found a shortcut, else a note that says what was measured."""
    numbers = (("auc", result.auc[0]), ("auc_low", result.auc[1]), ("auc_high", result.auc[2]), ("p", result.p_value))
    severity: Severity = "warning" if result.is_shortcut else "note"
    code = "shortcut" if result.is_shortcut else "no_shortcut"
    return AuditFinding(code, severity, result.line(), numbers=numbers)
