"""Under the null the reader-study tests reject at their rate, and the intervals cover, with benchmarks/mrmc_null.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from alnus.evaluation.readers.covariance import areas, covariance_of
from alnus.evaluation.readers.roe_metz import RoeMetz, simulated_ratings

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "mrmc_null.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("mrmc_null", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mrmc_null"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def setting(benchmark, name):
    (found,) = (each for each in benchmark.SETTINGS if each.name == name)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "5 readers, 30 + 50 cases, AUC 0.86",
        "fixed readers, 5 readers, 30 + 50 cases",
        "fixed cases, 5 readers, 30 + 50 cases",
        "reading times, 10 readers, 40 cases",
    ],
)
def test_what_is_equal_is_called_different_five_times_in_a_hundred(name, benchmark):
    """The standard error of the rate is 0.31%: 5% is told from 6%."""
    rejected, covered, _ = benchmark.run(setting(benchmark, name), 5000, 3)
    assert 0.0415 < rejected < 0.0585
    assert covered == pytest.approx(1 - rejected, abs=1e-9)


def test_the_interval_of_a_true_difference_covers_it_ninety_five_times_in_a_hundred(benchmark):
    _, covered, _ = benchmark.run(setting(benchmark, "AUC 0.86 and 0.92: no null, rejecting is power"), 4000, 4)
    assert 0.938 < covered < 0.962


def test_a_model_as_good_as_the_readers_average_is_called_different_about_five_times_in_a_hundred(benchmark):
    """Slightly more often, as the documentation says; 5,000 studies tell 5.5% from 6.5%."""
    rejected, _, _ = benchmark.run(setting(benchmark, "model against 5 readers, 30 + 50 cases"), 5000, 5)
    assert 0.045 < rejected < 0.0655


def test_the_covariances_that_are_reported_are_those_of_repeated_studies():
    """The unbiased ones are; the other two are known to be a few percent larger."""
    rng, truth = np.random.default_rng(7), np.arange(60) < 25
    estimates, reported = [], {method: [] for method in ("delong", "jackknife", "unbiased")}
    for _ in range(1500):
        latent = simulated_ratings(rng, (1.2,), readers=3, positive=25, negative=35, model=RoeMetz(0.0, 0.0))
        found = areas(latent.reshape(3, 60), truth)
        estimates.append(found.estimates)
        for method, values in reported.items():
            values.append(covariance_of(found, method))
    true, unbiased = np.cov(np.array(estimates).T), np.mean(reported["unbiased"], axis=0)
    same = np.eye(3, dtype=bool)
    for kind in (same, ~same):  # of 1,500 studies and three readers the true ones are known to 3%
        assert unbiased[kind].mean() == pytest.approx(true[kind].mean(), rel=0.09)
        for method in ("delong", "jackknife"):
            assert np.mean(reported[method], axis=0)[kind].mean() == pytest.approx(unbiased[kind].mean(), rel=0.05)
    assert np.trace(np.mean(reported["jackknife"], axis=0)) > np.trace(unbiased)
