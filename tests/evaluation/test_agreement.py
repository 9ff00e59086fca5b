"""Kappas against scikit-learn, statsmodels, the definitions and the jackknife."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from alnus.errors import CohortError, UsageError
from alnus.evaluation import cohen_kappa, fleiss_kappa


def readers(seed=1, *, patients=60, count=2, levels=5):
    rng = np.random.default_rng(seed)
    suspicion = rng.normal(0, 1.2, patients)
    noisy = suspicion[:, None] + rng.normal(0, 0.7, (patients, count))
    return np.digitize(noisy, np.linspace(-1.5, 1.5, levels - 1)) + 1


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
@pytest.mark.parametrize("levels", [2, 5])
def test_cohens_kappa_is_that_of_scikit_learn_and_of_observed_and_chance_agreement(weights, levels):
    a, b = readers(levels=levels).T
    found = cohen_kappa(a, b, weights=weights)
    assert found.estimate == pytest.approx(cohen_kappa_score(a, b, weights=weights), abs=1e-12)
    assert found.estimate == pytest.approx((found.observed - found.chance) / (1 - found.chance), abs=1e-12)
    assert found.subjects == 60


def jackknife_error(statistic, patients):
    left = np.array([statistic(np.delete(np.arange(patients), each)) for each in range(patients)])
    return np.sqrt((patients - 1) / patients * ((left - left.mean()) ** 2).sum())


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_cohens_standard_error_is_near_the_jackknifes(weights):
    a, b = readers(patients=300).T
    error = jackknife_error(lambda kept: cohen_kappa(a[kept], b[kept], weights=weights).estimate, 300)
    assert cohen_kappa(a, b, weights=weights).standard_error == pytest.approx(error, rel=0.03)


def test_the_textbook_table_has_the_published_kappa_and_error():
    """Fleiss, Levin and Paik, "Statistical methods for rates and proportions" (2003), table 18.1: 0.68, error 0.087."""
    a = np.repeat([1, 1, 1, 2, 2, 2, 3, 3, 3], [75, 1, 4, 5, 4, 1, 0, 0, 10])
    b = np.repeat([1, 2, 3, 1, 2, 3, 1, 2, 3], [75, 1, 4, 5, 4, 1, 0, 0, 10])
    found = cohen_kappa(a, b)
    assert (found.estimate, found.standard_error) == pytest.approx((0.68, 0.087), abs=0.005)


def test_fleiss_kappa_is_that_of_statsmodels():
    ratings = readers(count=4)
    assert fleiss_kappa(ratings).estimate == pytest.approx(statsmodels_fleiss(aggregate_raters(ratings)[0]), abs=1e-12)


def test_fleiss_standard_error_is_near_the_jackknifes():
    ratings = readers(count=4, patients=300)
    error = jackknife_error(lambda kept: fleiss_kappa(ratings[kept]).estimate, 300)
    assert fleiss_kappa(ratings).standard_error == pytest.approx(error, rel=0.03)


def test_fleiss_kappa_of_two_readers_who_use_the_categories_alike_is_cohens():
    a = np.array([1, 1, 2, 2, 3, 3, 1, 2])
    b = np.array([1, 2, 2, 1, 3, 3, 1, 2])
    assert fleiss_kappa(np.stack([a, b], axis=1)).estimate == pytest.approx(cohen_kappa(a, b).estimate, abs=1e-12)


def test_fleiss_interval_covers_ninety_five_times_in_a_hundred():
    """The true kappa is that of 200,000 patients; 3,000 studies of 80, standard error of the rate 0.4%."""
    rng, truth = np.random.default_rng(8), fleiss_kappa(readers(9, patients=200_000, count=3, levels=3)).estimate
    covered = 0
    for _ in range(3000):
        found = fleiss_kappa(readers(rng.integers(2**32), patients=80, count=3, levels=3))
        covered += found.low <= truth <= found.high
    assert 0.93 < covered / 3000 < 0.965


def test_full_agreement_is_one_without_width_and_opposite_calls_are_minus_one():
    a = [0, 1, 0, 1, 1, 0]
    full, opposite = cohen_kappa(a, a), cohen_kappa(a, [1 - call for call in a])
    assert (full.estimate, full.low, full.high) == (1, 1, 1)
    assert opposite.estimate == opposite.low == -1
    assert fleiss_kappa(np.stack([a, a], axis=1)).estimate == 1


def test_a_reader_who_calls_everybody_the_same_agrees_as_by_chance_without_a_warning():
    for seed in range(50):
        calls = np.random.default_rng(seed).random(21 + seed) < 0.4
        found = cohen_kappa(calls * 1, np.ones(len(calls), int))
        assert (found.estimate, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-7)


def test_text_is_a_category_like_any_other():
    a, b = readers(levels=2).T
    words = np.array(["", "no", "yes"])
    assert cohen_kappa(words[a], words[b]) == cohen_kappa(a, b)
    assert fleiss_kappa([["no", "yes"], ["no", "no"], ["yes", "yes"]]).subjects == 3


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 1, 1], [1, 1, 1], "all are '1', so that agreement beyond chance does not exist"),
        ([1], [1], r"two patients or more as \(patients,\) are expected, received shape \(1,\)"),
        ([1, 2, 1], [1, 2], "3 and 2 values"),
        ([1, 2, np.nan], [1, 2, 2], "1 of 3 are missing"),
        (["a", "b", None], ["a", "b", "a"], "1 of 3 are missing"),
        ([[1, 2]], [[1, 2]], r"received shape \(1, 2\)"),
    ],
)
def test_what_is_no_pair_of_readers_is_refused(a, b, message):
    with pytest.raises(CohortError, match=message):
        cohen_kappa(a, b)


def test_one_reader_and_unknown_weights_are_refused():
    with pytest.raises(CohortError, match="1 reader; agreement is of two or more"):
        fleiss_kappa([[1], [2], [1]])
    with pytest.raises(UsageError, match="weights: None, linear and quadratic are the choices, received 'cubic'"):
        cohen_kappa([1, 2], [1, 2], weights="cubic")
    with pytest.raises(UsageError, match="confidence"):
        fleiss_kappa([[1, 2], [2, 2]], confidence=2)
