"""Calibration against R's rms and glm, its parts by their sums, and recalibration by what it must not change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn.isotonic import IsotonicRegression

from alnus.errors import CohortError, UsageError
from alnus.evaluation import (
    Recalibration,
    auc,
    brier,
    calibration,
    calibration_curve,
    calibration_intercept,
    calibration_slope,
    expected_calibration_error,
    expected_over_observed,
    fit_recalibration,
    spiegelhalter,
)

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = pd.read_csv(REFERENCE / "statistics_expected.csv").set_index(["what", "case"])["value"].astype(float)
CASES = dict(list(pd.read_csv(REFERENCE / "proc_cases.csv").groupby("case")))
NAMES = sorted({case for what, case in EXPECTED.index if what == "slope"})


def given(case):
    return CASES[case]["label"].to_numpy(), special.expit(CASES[case]["a"].to_numpy())


@pytest.mark.parametrize("case", NAMES)
def test_slope_and_intercept_are_those_of_rs_glm(case):
    slope, intercept = calibration_slope(*given(case)), calibration_intercept(*given(case))
    assert slope.estimate == pytest.approx(EXPECTED["slope", case], abs=1e-9)
    assert slope.standard_error == pytest.approx(EXPECTED["slope se", case], rel=1e-6)
    assert intercept.estimate == pytest.approx(EXPECTED["intercept in the large", case], abs=1e-9)
    assert intercept.standard_error == pytest.approx(EXPECTED["intercept in the large se", case], rel=1e-6)
    assert slope.low < slope.estimate < slope.high


@pytest.mark.parametrize("case", NAMES)
def test_brier_and_spiegelhalter_are_those_of_rms(case):
    assert brier(*given(case)).score == pytest.approx(EXPECTED["val.prob Brier", case], abs=1e-12)
    found = spiegelhalter(*given(case))
    assert found.z == pytest.approx(EXPECTED["val.prob S:z", case], abs=1e-9)
    assert found.p_value == pytest.approx(EXPECTED["val.prob S:p", case], abs=1e-9)


@pytest.mark.parametrize("case", NAMES)
def test_the_parts_of_brier_add_up_and_need_no_inner_part_where_bins_hold_one_prediction(case):
    labels, predicted = given(case)
    for values in (predicted, np.round(predicted, 1)):
        parts = brier(labels, values)
        total = parts.reliability - parts.resolution + parts.uncertainty + parts.within
        assert total == pytest.approx(parts.score, abs=1e-12)
    rough = brier(labels, np.round(predicted * 3) / 3, bins=100)
    assert rough.within == pytest.approx(0, abs=1e-12)
    assert rough.bins <= 4


def test_the_prevalence_given_to_everybody_is_reliable_and_resolves_nothing():
    labels = [1] * 21 + [0] * 40
    parts = brier(labels, np.full(61, 21 / 61))
    assert (parts.reliability, parts.resolution, parts.scaled) == pytest.approx((0, 0, 0), abs=1e-12)


def test_the_calibration_error_is_that_of_a_worked_example():
    """Two bins of width 1/2: four predictions of 0.25 with one metastasis, two of 0.75 with none: 4/6*0 + 2/6*0.75."""
    labels, values = [1, 0, 0, 0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75]
    found = expected_calibration_error(labels, values, bins=2)
    assert found.estimate == pytest.approx(3 / 7 * abs(0.75 - 1 / 3))
    assert found.bins == 2
    whole = expected_calibration_error(labels, values, bins=1, adaptive=True)
    assert whole.estimate == pytest.approx(abs(np.mean(values) - 2 / 7))


def test_ties_are_never_parted_by_adaptive_bins():
    found = expected_calibration_error([1, 0] * 20, [0.5] * 39 + [0.6], adaptive=True)
    assert found.bins == 2


def test_calibrated_predictions_have_the_calibration_error_of_chance():
    rng = np.random.default_rng(1)
    predicted = rng.beta(1, 2, size=61)
    errors = [expected_calibration_error(rng.random(61) < predicted, predicted, seed=i) for i in range(60)]
    assert np.mean([found.estimate for found in errors]) == pytest.approx(errors[0].if_calibrated, rel=0.1)
    assert errors[0].if_calibrated > 0.05  # not 0: what a bare ECE would have looked like


def test_under_calibration_spiegelhalters_test_rejects_five_in_a_hundred():
    rng = np.random.default_rng(2)
    predicted = rng.beta(1, 2, size=61)
    rejected = np.mean([spiegelhalter(rng.random(61) < predicted, predicted).p_value < 0.05 for _ in range(4000)])
    assert 0.04 < rejected < 0.06


def test_the_intervals_of_slope_and_intercept_cover_calibration_at_61_patients():
    rng = np.random.default_rng(3)
    covered = {"slope": 0, "intercept": 0, "ratio": 0}
    for _ in range(600):
        odds = rng.normal(-0.9, 1.3, size=61)
        labels, predicted = rng.random(61) < special.expit(odds), special.expit(odds)
        slope, intercept = calibration_slope(labels, predicted), calibration_intercept(labels, predicted)
        covered["slope"] += slope.low <= 1 <= slope.high
        covered["intercept"] += intercept.low <= 0 <= intercept.high
        ratio = expected_over_observed(labels, predicted)
        covered["ratio"] += ratio.low <= 1 <= ratio.high
    assert covered["slope"] / 600 > 0.93
    assert covered["intercept"] / 600 > 0.93
    assert covered["ratio"] / 600 > 0.93


def test_separated_classes_leave_the_other_measures_and_a_reason():
    found = calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert found.slope is None
    assert "calibration slope: logistic fit" in found.reason
    assert found.intercept.estimate == pytest.approx(0, abs=1e-9)
    assert found.expected_over_observed.estimate == pytest.approx(1)
    equal = calibration([0, 1, 1, 0], [0.5] * 4)
    assert equal.slope is None
    assert equal.spiegelhalter.p_value == 1


def test_certain_and_wrong_predictions_give_numbers():
    found = calibration([0, 1, 1, 0, 1], [1, 0, 1, 0, 0.5])
    assert np.isfinite([found.slope.estimate, found.intercept.estimate, found.spiegelhalter.z]).all()
    assert found.spiegelhalter.p_value < 0.001


def test_the_curve_of_calibrated_predictions_holds_the_diagonal():
    rng = np.random.default_rng(4)
    predicted = special.expit(rng.normal(-0.6, 1.5, size=4000))
    curve = calibration_curve(rng.random(4000) < predicted, predicted)
    assert np.mean((curve.low <= curve.predicted) & (curve.predicted <= curve.high)) > 0.8
    assert np.max(np.abs(curve.observed - curve.predicted)) < 0.08
    assert np.all((curve.low > 0) & (curve.high < 1) & (curve.low < curve.observed) & (curve.observed < curve.high))


def test_the_curve_bends_where_the_truth_bends_and_is_hmiscs_spline():
    """The spline's columns are Hmisc's rcspline.eval: linear beyond the outer knots."""
    from alnus.evaluation.calibration_smooth import _terms

    knots = np.array([-1.0, 0.0, 2.0])
    beyond = _terms(np.array([2.0, 3.0, 4.0]), knots)[:, 2]
    assert beyond[2] - beyond[1] == pytest.approx(beyond[1] - beyond[0])
    # Hmisc: rcspline.eval(c(0.5, 3), knots=c(-1, 0, 2))
    assert _terms(np.array([0.5, 3.0]), knots)[:, 2] == pytest.approx([0.3541666667, 2.6666666667], abs=1e-9)


def test_few_distinct_predictions_make_a_straight_curve():
    labels = [0, 0, 0, 1, 0, 1, 1, 0, 1, 1]
    curve = calibration_curve(labels, [0.2] * 4 + [0.5] * 2 + [0.8] * 4, points=3)
    slope = np.diff(special.logit(curve.observed)) / np.diff(special.logit(curve.predicted))
    assert slope[0] == pytest.approx(slope[1])
    with pytest.raises(CohortError, match="logistic fit"):
        calibration_curve([0, 1, 1], [0.4, 0.4, 0.4])


RNG = np.random.default_rng(9)
TRUE_ODDS = RNG.normal(-0.7, 1.5, size=600)
LABELS = (RNG.random(600) < special.expit(TRUE_ODDS)).astype(int)
EXTREME = special.expit(3 * TRUE_ODDS)


@pytest.mark.parametrize("method", ["platt", "temperature", "isotonic"])
def test_recalibration_mends_overconfidence_on_other_patients(method):
    fitted = fit_recalibration(LABELS[:300], EXTREME[:300], method=method)
    before = brier(LABELS[300:], EXTREME[300:])
    after = brier(LABELS[300:], fitted.apply(EXTREME[300:]))
    assert after.score < before.score - 0.01
    assert np.all((fitted.apply(EXTREME) >= 0) & (fitted.apply(EXTREME) <= 1))
    assert (fitted.patients, fitted.metastases) == (300, LABELS[:300].sum())


@pytest.mark.parametrize("method", ["platt", "temperature"])
def test_the_ranking_and_hence_the_auc_stay(method):
    fitted = fit_recalibration(LABELS, EXTREME, method=method)
    assert auc(LABELS, fitted.apply(EXTREME)).estimate == pytest.approx(auc(LABELS, EXTREME).estimate, abs=1e-12)


@pytest.mark.parametrize("method", ["platt", "temperature", "isotonic"])
def test_a_recalibration_survives_json_to_the_last_digit(method):
    fitted = fit_recalibration(LABELS, EXTREME, method=method)
    again = Recalibration.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == fitted
    assert np.array_equal(again.apply(EXTREME), fitted.apply(EXTREME))


def test_temperature_finds_the_factor_and_isotonic_is_scikit_learns():
    assert fit_recalibration(LABELS, EXTREME, method="temperature").slope == pytest.approx(1 / 3, rel=0.15)
    fitted = fit_recalibration(LABELS, EXTREME, method="isotonic")
    other = IsotonicRegression(out_of_bounds="clip").fit(special.logit(EXTREME), LABELS)
    assert fitted.apply(EXTREME) == pytest.approx(other.predict(special.logit(EXTREME)), abs=1e-9)


def test_platt_takes_any_scale_and_separated_classes():
    fitted = fit_recalibration([0, 0, 1, 1], [10, 20, 30, 40])
    assert not fitted.on_odds
    assert np.all(np.diff(fitted.apply([10, 20, 30, 40])) > 0)
    assert 0 < fitted.apply([-1000])[0] < fitted.apply([1000])[0] <= 1 or fitted.apply([-1000])[0] == 0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: brier([0, 1], [0.2, 1.2]), CohortError, r"probabilities: 1.2 at position 1 \(from 0\) is not between"),
        (lambda: brier([0, 1], [0.2, np.nan]), CohortError, "nan at position 1"),
        (lambda: brier([1, 1], [0.2, 0.3]), CohortError, "0 without metastasis"),
        (lambda: brier([0, 1], [0.2, 0.3], bins=0), UsageError, "bins: at least 1"),
        (lambda: calibration([0, 1], ["a", "b"]), CohortError, "numbers are expected"),
        (lambda: fit_recalibration([0, 1, 0, 1], [4, 1, 3, 2]), CohortError, "is their sign swapped"),
        (lambda: fit_recalibration([0, 1], [2, 2]), CohortError, "all are equal"),
        (lambda: fit_recalibration([0, 1], [1, 2], method="temperature"), CohortError, "is not between 0 and 1"),
        (lambda: fit_recalibration([0, 1], [0.1, 0.2], method="beta"), UsageError, "'beta' is not platt"),
        (lambda: fit_recalibration(LABELS, EXTREME).apply([2.0]), CohortError, "a score lies outside 0 to 1"),
        (lambda: Recalibration.from_json({"method": "platt"}), UsageError, "recalibration: expected method"),
    ],
)
def test_what_is_no_probability_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
