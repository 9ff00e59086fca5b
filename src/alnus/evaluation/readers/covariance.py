"""The accuracy of each treatment and reader, and how the estimates vary and covary over samples of cases.

Any accuracy here is a mean over cases: sensitivity over the cases with metastasis, specificity over those without,
and the AUC over either class, of each case's structural component. So one algebra serves all of them.

Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44:837 (1988); the jackknife: Dorfman, Berbaum and Metz, Invest
Radiol 27:723 (1992), and Hillis, Obuchowski, Schartz and Berbaum, Stat Med 24:1579 (2005); unbiased: Gallas, Acad
Radiol 13:353 (2006), and Gallas, Pennello and Myers, JOSA A 24:B70 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from alnus.errors import CohortError
from alnus.evaluation.checks import BoolArray, FloatArray
from alnus.evaluation.delong import structural_components

Method = Literal["delong", "jackknife", "unbiased"]
BLOCK = 2**20
"""How many pairwise comparisons the unbiased method makes at once: few enough for the processor's cache."""


@dataclass(frozen=True)
class Accuracies:
    """Groups are the treatments' readers.

    estimates: (groups,). classes: for each class of cases (groups, cases of the class), each case's share of the
    estimate, whose mean over the cases that a group read is the estimate; NaN where it did not read the case.
    ratings: the same shape for the AUC, which needs them for the unbiased method; else None.
    """

    estimates: FloatArray
    classes: tuple[FloatArray, ...]
    ratings: tuple[FloatArray, FloatArray] | None = None


def areas(ratings: FloatArray, truth: BoolArray) -> Accuracies:
    """Return the empirical AUCs. ratings: (groups, cases), NaN where unread; truth: (cases,). Ties count one half."""
    shares = np.full(ratings.shape, np.nan)
    for group, row in enumerate(ratings):
        read = ~np.isnan(row)
        of_positive, of_negative = structural_components(truth[read], row[read])
        shares[group, read & truth] = of_positive
        shares[group, read & ~truth] = of_negative
    classes = (shares[:, truth], shares[:, ~truth])
    return Accuracies(_means(classes[0]), classes, (ratings[:, truth], ratings[:, ~truth]))


def shares(values: FloatArray) -> Accuracies:
    """Return the means over cases. values: (groups, cases), 0/1 calls that are right, or any number; NaN: unread."""
    return Accuracies(_means(values), (values,))


def covariance_of(accuracies: Accuracies, method: Method) -> FloatArray:
    """Return the covariance matrix of the estimates over samples of cases, (groups, groups); 0 without shared cases.

    Each group has read at least two cases of each class.
    Raises CohortError where the method is DeLong's and a reading is missing.
    """
    if method == "delong":
        return _delong(accuracies)
    found = _jackknife(accuracies) if method == "jackknife" else _unbiased(accuracies)
    together = np.sum([_shared(values) for values in accuracies.classes], axis=0)
    found[together == 0] = 0.0
    return found


def _means(values: FloatArray) -> FloatArray:
    read = ~np.isnan(values)
    means: FloatArray = np.where(read, values, 0.0).sum(axis=1) / read.sum(axis=1)
    return means


def _deviations(values: FloatArray, estimates: FloatArray) -> FloatArray:
    """Return each case's departure from its group's estimate, 0 where the group did not read it."""
    return np.where(np.isnan(values), 0.0, values - estimates[:, None])


def _counts(values: FloatArray) -> FloatArray:
    counts: FloatArray = (~np.isnan(values)).sum(axis=1).astype(np.float64)
    return counts


def _shared(values: FloatArray) -> FloatArray:
    """Return the number of cases that each two groups have both read, (groups, groups)."""
    read = (~np.isnan(values)).astype(np.float64)
    return read @ read.T


def _delong(accuracies: Accuracies) -> FloatArray:
    total = np.zeros((len(accuracies.estimates),) * 2)
    for values in accuracies.classes:
        if np.isnan(values).any():
            raise CohortError(
                "covariance: DeLong's needs every reader to have read every case in every treatment, and readings are "
                "missing; take covariance='jackknife' or 'unbiased', or leave out the cases that not all have read"
            )
        deviations = _deviations(values, accuracies.estimates)
        count = values.shape[1]
        total += deviations @ deviations.T / (count * (count - 1))
    return total


def _jackknife(accuracies: Accuracies) -> FloatArray:
    """Return the delete-one jackknife's (n - 1) / n times the cross products, n being all cases of the study.

    Without its case i a mean of m values changes by (mean - value i) / (m - 1), and the changes sum to zero.
    """
    total: FloatArray = np.zeros((len(accuracies.estimates),) * 2)
    for values in accuracies.classes:
        changes = _deviations(values, accuracies.estimates) / (_counts(values) - 1)[:, None]
        total += changes @ changes.T
    cases = sum(values.shape[1] for values in accuracies.classes)
    total *= (cases - 1) / cases
    return total


def _unbiased(accuracies: Accuracies) -> FloatArray:
    """Return the product of two estimates less the mean product of kernels that have no case in common."""
    products = np.outer(accuracies.estimates, accuracies.estimates)
    if accuracies.ratings is None:
        (values,) = accuracies.classes
        count, sums = _counts(values), np.nan_to_num(values)
        pairs = np.outer(count, count)
        return products - (pairs * products - sums @ sums.T) / (pairs - _shared(values))
    positive, negative = accuracies.classes
    m, n = _counts(positive), _counts(negative)
    wins_m, wins_n = np.nan_to_num(positive) * n[:, None], np.nan_to_num(negative) * m[:, None]
    overlapping = wins_m @ wins_m.T + wins_n @ wins_n.T - _common_wins(*accuracies.ratings)
    pairs_m, pairs_n = np.outer(m, m), np.outer(n, n)
    apart = (pairs_m - _shared(positive)) * (pairs_n - _shared(negative))
    return products - (products * pairs_m * pairs_n - overlapping) / apart


def _common_wins(positive: FloatArray, negative: FloatArray) -> FloatArray:
    """Return the sum over all pairs of a positive and a negative case of the product of two groups' kernels.

    The kernel is 1 where the positive is rated higher, one half where equal, 0 where lower or unread. Doubled kernels
    are small whole numbers, which 32-bit floats hold exactly, sums of a block included (below 2^24).
    """
    groups, negatives = negative.shape
    size = max(1, BLOCK // (groups * negatives))
    ranks = _ranks(np.hstack([positive, negative]))
    upper, lower = ranks[:, : positive.shape[1], None], ranks[:, None, positive.shape[1] :]
    unread_m, unread_n = np.isnan(positive), np.isnan(negative)
    total = np.zeros((groups, groups))
    for start in range(0, positive.shape[1], size):
        block = slice(start, start + size)
        kernels = upper[:, block] - lower  # (groups, block, negatives)
        np.clip(kernels, -1, 1, out=kernels)  # ranks are whole: their sign, in a fifth of the time of np.sign
        kernels += 1  # 0, 1 or 2
        kernels[unread_m[:, block]] = 0
        if unread_n.any():
            kernels.transpose(0, 2, 1)[unread_n] = 0
        flat = kernels.reshape(groups, -1)
        total += flat @ flat.T
    return total / 4


def _ranks(ratings: FloatArray) -> FloatArray:
    """Return each row's dense ranks as 32-bit floats: the same order, and differences that cannot round to zero."""
    return np.stack([np.unique(row, return_inverse=True)[1] for row in ratings]).astype(np.float32)
