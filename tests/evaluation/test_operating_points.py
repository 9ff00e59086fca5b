"""Partial areas, operating points, bands and the bootstrap under them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation import auc, bootstrap, partial_auc, roc_band, sensitivity_at, specificity_at
from alnus.evaluation.weighted_roc import areas, weighted_curves

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = pd.read_csv(REFERENCE / "statistics_expected.csv").set_index(["what", "case"])["value"].astype(float)
CASES = dict(list(pd.read_csv(REFERENCE / "proc_cases.csv").groupby("case")))
STUDY = CASES["set A's size"]
LABELS, SCORES = STUDY["label"].to_numpy(), STUDY["a"].to_numpy()


@pytest.mark.parametrize("axis", ["specificity", "sensitivity"])
@pytest.mark.parametrize("low", [0.5, 0.8])
@pytest.mark.parametrize("case", list(CASES))
def test_the_partial_area_is_that_of_proc(case, low, axis):
    for standardised, name in ((False, "pauc"), (True, "mcclish")):
        found = partial_auc(
            CASES[case]["label"], CASES[case]["a"], low=low, axis=axis, standardised=standardised, replicates=100
        )
        assert found.estimate == pytest.approx(EXPECTED[f"{name} {axis} {low}", case], abs=1e-9)
        assert found.low <= found.estimate <= found.high


def test_the_whole_area_is_the_auc_whatever_the_axis():
    for axis in ("specificity", "sensitivity"):
        found = partial_auc(LABELS, SCORES, low=0, high=1, axis=axis, replicates=100)
        assert found.estimate == pytest.approx(auc(LABELS, SCORES).estimate, abs=1e-12)


def test_the_bootstrap_of_the_auc_agrees_with_delong():
    def area(weights):
        return areas(weighted_curves(LABELS == 1, SCORES, weights))

    for interval in ("bca", "percentile"):
        found, plain = bootstrap(LABELS, area, interval=interval), auc(LABELS, SCORES)
        assert found.estimate == pytest.approx(plain.estimate, abs=1e-12)
        assert found.standard_error == pytest.approx(plain.standard_error, rel=0.1)
        assert 0.75 < found.low < plain.estimate < found.high < 1
    assert bootstrap(LABELS, area) == bootstrap(LABELS, area)
    assert bootstrap(LABELS, area, seed=1) != bootstrap(LABELS, area)


def test_bca_is_scipys_where_there_is_one_stratum_and_few_ties():
    """SciPy's BCa of a mean of 40 skewed values; the classes enter as two strata of the same distribution each."""
    values = np.random.default_rng(5).lognormal(size=400)
    labels = np.arange(400) % 2

    def mean(weights):
        return weights @ values / weights.sum(axis=1)

    found = bootstrap(labels, mean, replicates=9999)
    other = stats.bootstrap((values,), np.mean, n_resamples=9999, method="BCa", rng=np.random.default_rng(1))
    width = other.confidence_interval.high - other.confidence_interval.low
    assert found.low == pytest.approx(other.confidence_interval.low, abs=0.05 * width)
    assert found.high == pytest.approx(other.confidence_interval.high, abs=0.05 * width)


def test_a_patient_is_drawn_with_all_his_videos():
    patients = np.repeat(np.arange(61), 3)

    def check(weights):
        assert np.all(weights[:, ::3] == weights[:, 1::3])
        assert np.all(weights.sum(axis=1) % 3 == 0)
        return weights[:, 0]

    bootstrap(np.repeat(LABELS, 3), check, patients=patients, interval="percentile", replicates=100)
    with pytest.raises(CohortError, match="fewer than 2 have rows with metastasis"):
        bootstrap([1, 1, 0, 0], check, patients=[1, 1, 2, 3])


def test_every_replicate_has_the_studys_own_numbers_of_patients():
    def check(weights):
        without = weights.sum(axis=1) == len(LABELS) - 1  # the jackknife
        assert np.all(without | (weights[:, LABELS == 1].sum(axis=1) == 21))
        return weights[:, 0]

    bootstrap(LABELS, check, replicates=100)


def test_too_few_replicates_and_too_many_patients_for_bca_are_refused():
    with pytest.raises(UsageError, match="replicates: at least 100"):
        bootstrap(LABELS, lambda weights: weights[:, 0], replicates=10)
    with pytest.raises(UsageError, match="BCa takes up to 5000 patients, received 6000; use 'percentile'"):
        bootstrap(np.arange(6000) % 2, lambda weights: weights[:, 0])


def test_an_operating_point_is_read_on_the_curve_as_proc_reads_it():
    """pROC: coords(r, 0.9, input = "specificity") of set A's size and of the ties: 0.7142857, 0.4960317."""
    assert sensitivity_at(LABELS, SCORES, 0.9).estimate == pytest.approx(15 / 21, abs=1e-9)
    ties = CASES["ties"]
    assert sensitivity_at(ties["label"], ties["a"], 0.9).estimate == pytest.approx(0.4960317, abs=1e-7)


def test_sensitivity_and_specificity_exchange_with_the_classes():
    found = specificity_at(LABELS, SCORES, 0.9)
    assert found == sensitivity_at(1 - LABELS, -SCORES, 0.9)
    assert found.low < found.estimate < found.high


def test_a_perfect_score_has_a_sensitivity_of_one_and_not_without_doubt():
    found = sensitivity_at([0] * 40 + [1] * 21, range(61), 0.9)
    assert (found.estimate, found.high) == (1, 1)
    assert 0.75 < found.low < 0.92


def test_the_band_of_the_figure_is_the_interval_of_the_table():
    band = roc_band(LABELS, SCORES)
    point = sensitivity_at(LABELS, SCORES, 0.9)
    assert (band.tpr[10], band.low[10], band.high[10]) == pytest.approx((point.estimate, point.low, point.high))
    assert (band.fpr[0], band.fpr[-1], band.low[-1], band.high[-1], len(band.fpr)) == (0, 1, 1, 1, 101)


def test_the_simultaneous_band_is_wider_everywhere():
    point, whole = roc_band(LABELS, SCORES), roc_band(LABELS, SCORES, simultaneous=True)
    assert np.all(whole.low <= point.low)
    assert np.all(whole.high >= point.high)
    assert whole.simultaneous
    assert not point.simultaneous


def studies(count, seed, *, area=0.856):
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [21, 40])
    return labels, rng.normal(size=(count, 61)) + labels * np.sqrt(2) * stats.norm.ppf(area)


def test_at_21_of_61_the_intervals_of_the_curve_cover_as_documented():
    """Documented from 2,000 studies (benchmarks/null_rates.md); 200 here tell a collapse, not a percent."""
    labels, scores = studies(200, 1)
    shift = np.sqrt(2) * stats.norm.ppf(0.856)
    true = stats.norm.cdf(shift + stats.norm.ppf(np.linspace(0, 1, 21)[1:-1]))
    at_90, whole = 0, 0
    for values in scores:
        point = sensitivity_at(labels, values, 0.9, replicates=200)
        at_90 += point.low <= true[1] <= point.high
        band = roc_band(labels, values, simultaneous=True, points=21, replicates=200)
        whole += bool(np.all((band.low[1:-1] <= true) & (true <= band.high[1:-1])))
    assert at_90 / 200 > 0.89
    assert whole / 200 > 0.89


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sensitivity_at(LABELS, SCORES, 90), UsageError, "specificity: a share from 0 to 1"),
        (lambda: specificity_at(LABELS, SCORES, -0.1), UsageError, "sensitivity: a share from 0 to 1"),
        (lambda: partial_auc(LABELS, SCORES, low=0.9, high=0.8), UsageError, "0 <= low < high <= 1"),
        (lambda: roc_band(LABELS, SCORES, points=1), UsageError, "points: at least 2"),
        (lambda: roc_band(LABELS[LABELS == 1], SCORES[LABELS == 1]), CohortError, "0 without metastasis"),
        (lambda: sensitivity_at(LABELS, SCORES * np.inf, 0.9), CohortError, "is no finite number"),
    ],
)
def test_what_cannot_be_read_is_refused(call, error, message):
    with np.errstate(invalid="ignore"), pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("outlier", [-9.0, 9.0])
@pytest.mark.parametrize("positive", [4, 21])
def test_no_interval_leaves_out_its_own_estimate(positive, outlier):
    # one patient beyond all of the other class makes an operating point 0 that most replicates, lacking him, have not
    rng = np.random.default_rng(positive)
    labels = np.repeat([1, 0], [positive, 8])
    scores = rng.normal(size=positive + 8) + 2 * labels
    scores[0 if outlier < 0 else positive] = outlier
    point = (specificity_at if outlier < 0 else sensitivity_at)(labels, scores, 0.97, replicates=200)
    assert point.estimate == 0.0 == point.low < point.high
    for simultaneous in (False, True):
        band = roc_band(labels, scores, replicates=200, simultaneous=simultaneous)
        assert np.all((band.low <= band.tpr) & (band.tpr <= band.high))
        assert np.all(np.diff(band.low) >= -1e-12)
