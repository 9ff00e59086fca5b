"""How many readers and cases a reader study needs, from the variance components of a pilot study.

Under a true difference d between two treatments F has 1 and Hillis' degrees of freedom and the noncentrality
(r d^2 / 2) / error, where error = sigma^2 (treatment x reader) + c* / c (Var - Cov1 + (r - 1) max(Cov2 - Cov3, 0)), c*
is the pilot's number of cases and c that of the study planned, with the pilot's share of cases with metastasis.

Source: Hillis, Obuchowski and Berbaum, Acad Radiol 18:129 (2011).
"""

from __future__ import annotations

import math

from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation.readers.mrmc import Mrmc


def mrmc_power(pilot: Mrmc, difference: float, *, readers: int, cases: int, alpha: float = 0.05) -> float:
    """Return the power of a crossed study of two treatments to find a true difference of accuracies, two-sided.

    pilot: an analysis with random cases of two treatments or more and two readers or more, whose `readers` says
    whether those of the study planned are random. A pilot of few readers knows the component of treatment x reader
    badly; it is taken as at least 0.
    Raises UsageError for numbers that are none of a study, CohortError where the pilot has not the components.
    """
    _check(difference, readers, cases, alpha)
    found = pilot.components
    if (
        found is None
        or found.treatment_reader is None
        or found.cov1 is None
        or found.cov2 is None
        or found.cov3 is None
    ):
        raise CohortError(
            f"pilot: {len(pilot.study.treatments)} treatments, {len(pilot.study.readers)} readers and {pilot.cases} "
            "cases do not give all variance components; two or more of each and random cases are needed"
        )
    of_cases = pilot.study.cases / cases
    own, common = (found.error - found.cov1) * of_cases, max(found.cov2 - found.cov3, 0.0) * of_cases
    if pilot.readers == "fixed":
        return _power(readers * difference**2 / 2, own + (readers - 1) * common, math.inf, alpha)
    square = max(found.treatment_reader, 0.0) + own - common  # what MS(T:R) is on average
    if min(square, own) <= 0:
        raise CohortError(f"pilot: its components make MS(T:R) {square:.3g} on average; plan with a larger pilot")
    error = square + readers * common
    return _power(readers * difference**2 / 2, error, (readers - 1) * (error / square) ** 2, alpha)


def cases_for_power(
    pilot: Mrmc, difference: float, *, readers: int, power: float = 0.8, alpha: float = 0.05, most: int = 100_000
) -> int:
    """Return the least number of cases with which `mrmc_power` reaches `power`.

    Raises CohortError where `most` are not enough: more readers are needed then.
    """
    if not 0 < power < 1:
        raise UsageError(f"power: a number between 0 and 1 is expected, such as 0.8; received {power}")

    def enough(cases: int) -> bool:
        return mrmc_power(pilot, difference, readers=readers, cases=cases, alpha=alpha) >= power

    if not enough(most):
        raise CohortError(
            f"readers: with {readers} readers even {most} cases do not find a difference of {difference:g} with a "
            f"power of {power:g}; plan with more readers"
        )
    low, high = 3, most  # not enough, or the least there is; enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _check(difference: float, readers: int, cases: int, alpha: float) -> None:
    if not 0 < abs(difference) < 1:
        raise UsageError(f"difference: of accuracies, between 0 and 1, is expected; received {difference:g}")
    if readers < 2 or cases < 4:
        raise UsageError(f"readers and cases: 2 and 4 or more are expected, received {readers} and {cases}")
    if not 0 < alpha < 1:
        raise UsageError(f"alpha: a number between 0 and 1 is expected, such as 0.05; received {alpha}")


def _power(squared: float, error: float, df: float, alpha: float) -> float:
    if math.isinf(df):
        return float(stats.ncx2.sf(stats.chi2.isf(alpha, 1), 1, squared / error))
    return float(stats.ncf.sf(stats.f.isf(alpha, 1, df), 1, df, squared / error))
