"""Paired differences, McNemar's mid-p, likelihood ratios, Wilson: against published tables, R and the null."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from alnus.errors import CohortError, UsageError
from alnus.evaluation import (
    Counts,
    compare_calls,
    compare_predictive_values,
    mcnemar,
    negative_likelihood_ratio,
    positive_likelihood_ratio,
    proportion,
)
from alnus.evaluation.paired import mcnemar_p
from alnus.evaluation.paired_proportions import newcombe_interval, tango_interval

EXPECTED = pd.read_csv(Path(__file__).parents[1] / "reference" / "statistics_expected.csv")
EXPECTED = EXPECTED.set_index(["what", "case"])["value"].astype(float)


@pytest.mark.parametrize("case", sorted({case for what, case in EXPECTED.index if what == "wilson low"}))
def test_both_intervals_of_a_share_are_rs(case):
    numerator, denominator = map(int, case.split("/"))
    for name, interval in (("wilson", "wilson"), ("exact", "clopper-pearson")):
        found = proportion(numerator, denominator, interval=interval)
        assert found.low == pytest.approx(EXPECTED[f"{name} low", case], abs=1e-12)
        assert found.high == pytest.approx(EXPECTED[f"{name} high", case], abs=1e-12)


@pytest.mark.parametrize("case", sorted({case for what, case in EXPECTED.index if what == "lr.pos est"}))
def test_likelihood_ratios_are_those_of_epir(case):
    tp, fp, fn, tn = map(int, case.split())
    for name, ratio in (("lr.pos", positive_likelihood_ratio), ("lr.neg", negative_likelihood_ratio)):
        found = ratio(Counts(tp=tp, fp=fp, fn=fn, tn=tn))
        for column, value in (("est", found.estimate), ("lower", found.low), ("upper", found.high)):
            assert value == pytest.approx(EXPECTED[f"{name} {column}", case], rel=1e-9)
        assert not found.adjusted


def test_a_ratio_with_an_empty_cell_is_finite_and_says_that_it_was_adjusted():
    counts = Counts(tp=16, fp=0, fn=5, tn=40)
    found = positive_likelihood_ratio(counts)
    assert found.adjusted
    assert found.estimate == pytest.approx((16.5 / 22) / (0.5 / 41))
    assert 0 < found.low < found.estimate < found.high < np.inf
    assert not negative_likelihood_ratio(counts).adjusted
    with pytest.raises(CohortError, match="0 patients with and 40 without metastasis"):
        positive_likelihood_ratio(Counts(tp=0, fp=1, fn=0, tn=39))


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        # Newcombe 1998, Stat Med 17:2635: both, only a, only b, neither -> method 10
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3292),
        ((54, 0, 0, 0), -0.0664, 0.0664),
        ((0, 30, 0, 0), 0.8395, 1.0),
    ],
)
def test_newcombes_interval_is_his_own_table(cells, low, high):
    assert newcombe_interval(*cells) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("only_a", "only_b", "patients"), [(12, 2, 50), (0, 0, 44), (14, 0, 50), (3, 9, 21), (1, 50, 61)]
)
def test_tangos_interval_ends_where_the_score_test_has_the_normal_quantile(only_a, only_b, patients):
    """The score at each end, with the constrained likelihood maximised numerically instead of by Tango's formula."""
    from scipy.optimize import minimize_scalar

    difference = (only_a - only_b) / patients
    for true in tango_interval(only_a, only_b, patients):

        def loss(shared, true=true):  # shared: the share right by b alone; by a alone it is shared + true
            return -(stats.multinomial.logpmf([only_a, only_b, patients - only_a - only_b], patients,
                                              [shared + true, shared, 1 - 2 * shared - true]))  # fmt: skip

        edge = 1e-12
        found = minimize_scalar(loss, bounds=(max(0, -true) + edge, (1 - true) / 2 - edge), options={"xatol": 1e-12})
        variance = (2 * found.x + true - true**2) / patients
        assert abs(difference - true) / np.sqrt(variance) == pytest.approx(1.959964, abs=2e-4)


def test_tangos_interval_reaches_the_ends_where_all_patients_speak_for_one():
    assert tango_interval(50, 0, 50)[1] == 1
    assert tango_interval(0, 50, 50)[0] == -1


@pytest.mark.parametrize("interval", ["newcombe", "tango"])
def test_exchanging_the_sources_mirrors_the_difference(interval):
    labels, a, b = np.random.default_rng(2).integers(0, 2, (3, 61))
    for among in ("all", "positive", "negative"):
        forward = compare_calls(labels, a, b, among=among, interval=interval)
        backward = compare_calls(labels, b, a, among=among, interval=interval)
        assert (forward.low, forward.high) == pytest.approx((-backward.high, -backward.low), abs=1e-8)
        assert (forward.p_value, forward.mid_p_value) == (backward.p_value, backward.mid_p_value)
        assert forward.low < forward.estimate < forward.high
    assert compare_calls(labels, a, b).p_value == mcnemar(labels, a, b).p_value


def test_sensitivity_and_specificity_ask_each_their_class():
    labels, a, b = [1, 1, 1, 0, 0], [1, 1, 0, 0, 1], [1, 0, 0, 0, 0]
    sensitivity = compare_calls(labels, a, b, among="positive")
    specificity = compare_calls(labels, a, b, among="negative")
    assert (sensitivity.patients, sensitivity.only_a, sensitivity.only_b) == (3, 1, 0)
    assert (specificity.patients, specificity.only_a, specificity.only_b) == (2, 0, 1)
    with pytest.raises(CohortError, match="there are no positive patients to compare calls on"):
        compare_calls([0, 0], [1, 0], [0, 0], among="positive")
    with pytest.raises(UsageError, match="among: 'both' is not"):
        compare_calls(labels, a, b, among="both")
    with pytest.raises(UsageError, match="interval: 'wald' is not newcombe or tango"):
        compare_calls(labels, a, b, interval="wald")
    with pytest.raises(UsageError, match="interval: 'wald' is not clopper-pearson or wilson"):
        proportion(1, 2, interval="wald")


def test_the_mid_p_value_counts_the_observed_table_by_half():
    for b, c in ((0, 0), (1, 0), (3, 3), (12, 2), (0, 400)):
        exact = statsmodels_mcnemar([[7, b], [c, 3]], exact=True).pvalue
        tail = stats.binom.cdf(min(b, c), b + c, 0.5)
        mid = 2 * tail - stats.binom.pmf(min(b, c), b + c, 0.5)
        assert mcnemar_p(b, c) == pytest.approx(exact, abs=1e-12)
        assert mcnemar_p(b, c, mid_p=True) == pytest.approx(min(1, mid), abs=1e-12)


def test_under_the_null_mid_p_rejects_at_most_five_in_a_hundred_and_more_than_the_exact_test():
    """All tables of 61 patients of whom a binomial number differs: the rates are exact, not simulated."""
    for differ in (0.1, 0.2, 0.4):
        rates = {False: 0.0, True: 0.0}
        for together in range(62):
            weight = stats.binom.pmf(together, 61, differ)
            for only_a in range(together + 1):
                for mid_p in rates:
                    if mcnemar_p(only_a, together - only_a, mid_p=mid_p) < 0.05:
                        rates[mid_p] += weight * stats.binom.pmf(only_a, together, 0.5)
        assert rates[False] < rates[True] < 0.0501


def paired_cells(cells):
    """Calls of two sources from DTComPair's table: (truth, call 1, call 2) -> patients."""
    return np.array([key for key, count in cells.items() for _ in range(count)]).T


PAIRED1 = paired_cells(
    {(0, 0, 0): 155, (0, 0, 1): 22, (0, 1, 0): 53, (0, 1, 1): 31,
     (1, 0, 0): 32, (1, 0, 1): 22, (1, 1, 0): 78, (1, 1, 1): 319}
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # the R package DTComPair 1.2.6, data(Paired1): pv.wgs(tab), pv.gs(tab), pv.rpv(tab), as its reference prints
        ("ppv", (5.46588745, 0.01939120, 5.71124070, 0.01685662, 1.04860694, 1.00847050, 1.09034078)),
        ("npv", (16.53540, 4.775012e-05, 17.78567, 2.472383e-05, 0.8536403, 0.7926258, 0.9193516)),
    ],
)
def test_predictive_values_are_compared_as_dtcompair_does(value, expected):
    labels, first, second = PAIRED1
    found = compare_predictive_values(labels, second, first, value=value)
    answer = (found.chi2, found.p_value, found.chi2_leisenring, found.p_leisenring, found.ratio, found.low, found.high)
    assert answer == pytest.approx(expected, rel=6e-7)


def test_predictive_values_of_the_same_calls_are_equal_with_p_one():
    labels, calls = np.random.default_rng(3).integers(0, 2, (2, 30))
    found = compare_predictive_values(labels, calls, calls)
    assert (found.chi2, found.p_value, found.p_leisenring, found.ratio, found.low) == (0, 1, 1, 1, None)
    assert found.reason == "the ratio has no variance"


def test_predictive_values_without_calls_or_variance_are_refused():
    with pytest.raises(CohortError, match="a source calls nobody positive, so it has no PPV"):
        compare_predictive_values([0, 1, 1], [0, 0, 0], [0, 1, 1])
    with pytest.raises(CohortError, match="a source calls nobody negative, so it has no NPV"):
        compare_predictive_values([0, 1, 1], [1, 1, 1], [0, 1, 1], value="npv")
    with pytest.raises(UsageError, match="value: 'lr' is not ppv or npv"):
        compare_predictive_values([0, 1], [1, 1], [1, 1], value="lr")
    zero = compare_predictive_values([0, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0])
    assert (zero.ratio, zero.reason) == (None, "a predictive value of 0 has no ratio")


def test_under_the_null_the_predictive_values_differ_in_five_of_a_hundred():
    """Two sources of equal sensitivity and specificity, calls correlated: equal PPV and NPV."""
    rng = np.random.default_rng(7)
    labels = np.repeat([1, 0], [80, 120])
    threshold = np.where(labels == 1, stats.norm.ppf(0.2), stats.norm.ppf(0.85))
    rejected = {"weighted": 0, "plain": 0}
    for _ in range(3000):
        shared = rng.normal(size=200)
        a, b = (0.7 * shared + 0.714 * rng.normal(size=(2, 200))) > threshold
        found = compare_predictive_values(labels, a, b)
        rejected["weighted"] += found.p_value < 0.05
        rejected["plain"] += found.p_leisenring < 0.05
    assert 0.035 < rejected["weighted"] / 3000 < 0.062
    assert 0.035 < rejected["plain"] / 3000 < 0.065


def test_at_21_patients_newcombes_interval_covers_as_documented():
    """Every table of 21 patients with its probability: the coverage is exact."""
    rights = {"both": 0.62, "a": 0.14, "b": 0.08, "neither": 0.16}
    shares = list(rights.values())
    covered = 0.0
    for both in range(22):
        for only_a in range(22 - both):
            for only_b in range(22 - both - only_a):
                cells = (both, only_a, only_b, 21 - both - only_a - only_b)
                low, high = newcombe_interval(*cells)
                covered += stats.multinomial.pmf(cells, 21, shares) * (low <= 0.06 <= high)
    assert 0.935 < covered < 0.99
