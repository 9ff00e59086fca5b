"""Sample sizes of reader studies: against simulated studies, the formula's limits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation import cases_for_power, mrmc, mrmc_power
from alnus.evaluation.readers.analysis import Question, analyse
from alnus.evaluation.readers.covariance import areas, covariance_of
from alnus.evaluation.readers.roe_metz import RoeMetz, as_table, simulated_ratings

STRUCTURE = RoeMetz()


def pilot(**options):
    """A pilot so large that its components are nearly the true ones."""
    rng = np.random.default_rng(1)
    ratings = simulated_ratings(rng, (1.5, 1.9), readers=60, positive=300, negative=300)
    return mrmc(as_table(ratings, 300), **options)


@pytest.fixture(scope="module")
def large():
    return pilot()


def test_the_power_is_the_share_of_simulated_studies_that_find_the_difference(large):
    """1,000 studies: the standard error of the share is 1.6 points."""
    rng, truth, found = np.random.default_rng(2), np.arange(100) < 50, 0
    names = Question(("1", "2"), tuple("abcdef"), "random", 0.95)
    for _ in range(1000):
        ratings = simulated_ratings(rng, (1.5, 1.9), readers=6, positive=50, negative=50)
        areas_of = areas(ratings.reshape(12, 100), truth)
        result = analyse(areas_of.estimates.reshape(2, 6), covariance_of(areas_of, "delong"), names)
        found += result.equality.p_value < 0.05
    difference = STRUCTURE.expected_auc(1.9) - STRUCTURE.expected_auc(1.5)
    assert mrmc_power(large, difference, readers=6, cases=100) == pytest.approx(found / 1000, abs=0.06)


def test_more_readers_more_cases_and_larger_differences_have_more_power(large):
    def power(difference=0.05, readers=5, cases=100):
        return mrmc_power(large, difference, readers=readers, cases=cases)

    assert 0.05 < power(0.001) < power(0.03) < power() < power(0.1) < 1
    assert power(readers=3) < power() < power(readers=20)
    assert power(cases=50) < power() < power(cases=1000)
    assert power(-0.05) == power(0.05)


def test_with_fixed_readers_it_is_the_normal_tests_power():
    fixed = pilot(readers="fixed")
    error = fixed.differences[0].standard_error * np.sqrt(600 / 200)
    z = 0.03 / error
    expected = stats.norm.sf(1.959963984540054 - z) + stats.norm.cdf(-1.959963984540054 - z)
    assert mrmc_power(fixed, 0.03, readers=60, cases=200) == pytest.approx(expected, abs=1e-9)


def test_the_cases_found_are_the_least_that_reach_the_power(large):
    cases = cases_for_power(large, 0.05, readers=6)
    assert mrmc_power(large, 0.05, readers=6, cases=cases) >= 0.8
    assert mrmc_power(large, 0.05, readers=6, cases=cases - 1) < 0.8


def test_what_no_number_of_cases_can_find_is_refused(large):
    with pytest.raises(CohortError, match=r"with 2 readers even 100000 cases do not find a difference of 0\.01"):
        cases_for_power(large, 0.01, readers=2)


def test_a_pilot_without_the_components_is_refused(large):
    table = as_table(simulated_ratings(np.random.default_rng(3), (1.0, 1.0), readers=2, positive=9, negative=9), 9)
    for options in ({"cases": "fixed"}, {"treatments": [1]}):
        with pytest.raises(CohortError, match="do not give all variance components"):
            mrmc_power(mrmc(table, **options), 0.05, readers=5, cases=100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difference": 0.0}, "difference: of accuracies, between 0 and 1"),
        ({"readers": 1}, "readers and cases: 2 and 4 or more are expected, received 1 and 100"),
        ({"alpha": 5}, "alpha: a number between 0 and 1"),
    ],
)
def test_numbers_that_are_none_of_a_study_are_refused(options, message, large):
    with pytest.raises(UsageError, match=message):
        mrmc_power(large, **{"difference": 0.05, "readers": 5, "cases": 100, **options})
    with pytest.raises(UsageError, match="power: a number between 0 and 1"):
        cases_for_power(large, 0.05, readers=5, power=80)
