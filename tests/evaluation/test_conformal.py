"""Conformal answers: their coverage by simulation, its finite-sample law, and what few patients allow."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation import Conformal, coverage_to_expect, fit_conformal
from alnus.evaluation.conformal import NEGATIVE, NOT_SURE, POSITIVE


def holds(answers, label):
    return np.mean((answers == NOT_SURE) | (answers == (POSITIVE if label else NEGATIVE)))


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_each_class_is_covered_as_stated_with_21_and_40_calibration_patients(coverage):
    """2,000 calibrations, each tried on 200 new patients a class: mean and spread are those of the Beta law."""
    rng = np.random.default_rng(4)
    labels = np.repeat([1, 0], [21, 40])
    found = {1: [], 0: []}
    for _ in range(2000):
        fitted = fit_conformal(labels, rng.normal(size=61) + labels, coverage=coverage)
        for label, covered in found.items():
            covered.append(holds(fitted.apply(rng.normal(size=200) + label), label))
    for label, patients in ((1, 21), (0, 40)):
        mean, low, high = coverage_to_expect(patients, coverage)
        assert mean >= coverage
        assert np.mean(found[label]) == pytest.approx(mean, abs=0.006)
        inside = np.mean((np.array(found[label]) >= low - 0.02) & (np.array(found[label]) <= high + 0.02))
        assert inside > 0.93


def test_the_end_is_the_stated_score_of_the_finite_sample_formula():
    """19 of a class at 90%: ceil(20 * 0.9) = 18th from the safe side; 8 at 90%: ceil(8.1) = 9 > 8, hence no end."""
    labels, scores = [1] * 19 + [0] * 8, [*range(100, 119), *range(8)]
    fitted = fit_conformal(labels, scores, coverage=0.9)
    assert fitted.lowest_positive == 101
    assert fitted.highest_negative is None
    assert fitted.apply([100, 101, 500]).tolist() == [NEGATIVE, NOT_SURE, NOT_SURE]


def test_a_strong_score_is_seldom_unsure_and_a_useless_one_mostly():
    rng = np.random.default_rng(5)
    labels = np.repeat([1, 0], [200, 200])
    strong = fit_conformal(labels, rng.normal(size=400) + 4 * labels)
    useless = fit_conformal(labels, rng.normal(size=400))
    new = rng.normal(size=1000)
    assert np.mean(strong.apply(new + 4 * (np.arange(1000) % 2)) == NOT_SURE) < 0.15
    assert np.mean(useless.apply(new) == NOT_SURE) > 0.7


def test_a_score_unlike_both_classes_is_not_sure():
    fitted = fit_conformal([1] * 20 + [0] * 20, [*np.linspace(10, 11, 20), *np.linspace(0, 1, 20)], coverage=0.8)
    assert fitted.apply([5.0]).tolist() == [NOT_SURE]
    assert fitted.apply([20.0, -20.0]).tolist() == [POSITIVE, NEGATIVE]


def test_scores_all_equal_are_never_sure():
    fitted = fit_conformal([1, 0] * 20, [0.5] * 40)
    assert fitted.apply([0.5, 0.5]).tolist() == [NOT_SURE] * 2


def test_the_coverage_to_expect_is_the_beta_law():
    mean, low, high = coverage_to_expect(21, 0.9)
    assert mean == pytest.approx(20 / 22)
    assert (low, high) == pytest.approx(stats.beta.ppf([0.025, 0.975], 20, 2))
    assert coverage_to_expect(8, 0.9) == (1.0, 1.0, 1.0)


def test_answers_survive_json():
    fitted = fit_conformal([1, 0] * 20, np.random.default_rng(1).random(40))
    assert Conformal.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
    with pytest.raises(UsageError, match="conformal: expected coverage"):
        Conformal.from_json({})


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(CohortError, match="0 without metastasis"):
        fit_conformal([1, 1], [0.1, 0.2])
    with pytest.raises(UsageError, match="confidence: a number between 0 and 1"):
        fit_conformal([1, 0], [0.1, 0.2], coverage=90)
    with pytest.raises(CohortError, match="no finite number"):
        fit_conformal([1, 0], [0.1, 0.2]).apply([np.nan])
