"""Sample sizes: against pROC, and by running the studies that they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation import (
    Estimate,
    auc,
    auc_correlation,
    auc_variance,
    compare_aucs,
    patients_for_auc,
    patients_for_auc_difference,
    patients_for_auc_width,
    patients_for_sensitivity,
    power_of_auc_difference,
    proportion,
    underpowered,
)

EXPECTED = pd.read_csv(Path(__file__).parents[1] / "reference" / "statistics_expected.csv")
NCASES = EXPECTED[EXPECTED["what"] == "ncases"]


@pytest.mark.parametrize("row", range(len(NCASES)))
def test_one_auc_against_chance_needs_procs_number_of_patients(row):
    area, kappa, power = map(float, NCASES["case"].iloc[row].split())
    found = patients_for_auc(area, share_positive=1 / (1 + kappa), power=power, variance="obuchowski")
    assert found.positive == np.ceil(float(NCASES["value"].iloc[row]))
    assert found.negative == pytest.approx(found.positive * kappa, abs=1)
    assert found.patients == found.positive + found.negative


def test_the_papers_claim_needs_108_patients_and_had_61():
    needed = patients_for_auc_difference(0.914, 0.856, correlation=0.84, share_positive=21 / 61)
    assert (needed.positive, needed.negative, needed.patients) == (37, 71, 108)
    assert power_of_auc_difference(0.914, 0.856, positive=21, negative=40, correlation=0.84) == pytest.approx(
        0.56, abs=0.01
    )
    assert patients_for_auc_difference(0.914, 0.856, correlation=0.5, share_positive=21 / 61).patients == 285


def simulated(rng, shifts, *, positive, negative, correlation=0.0):
    labels = np.repeat([1, 0], [positive, negative])
    shared = rng.normal(size=len(labels)) * correlation**0.5
    own = rng.normal(size=(2, len(labels))) * (1 - correlation) ** 0.5
    return labels, shared + own + np.multiply.outer(shifts, labels)


def test_the_promised_power_is_what_simulated_studies_have():
    """Binormal scores; the correlation of the AUCs is first measured in one large study, as a user would in a pilot."""
    rng = np.random.default_rng(4)
    shifts = np.sqrt(2) * stats.norm.ppf([0.88, 0.80])
    labels, (a, b) = simulated(rng, shifts, positive=4000, negative=4000, correlation=0.6)
    needed = patients_for_auc_difference(0.88, 0.80, correlation=auc_correlation(labels, a, b), share_positive=0.4)
    found = 0
    for _ in range(1500):
        labels, (a, b) = simulated(rng, shifts, positive=needed.positive, negative=needed.negative, correlation=0.6)
        found += compare_aucs(labels, a, b).p_value < 0.05
    assert 0.76 < found / 1500 < 0.87


def test_the_variance_is_near_that_of_simulated_aucs_and_the_others_on_the_safe_side():
    rng = np.random.default_rng(5)
    areas = [
        auc(*(lambda study: (study[0], study[1][0]))(simulated(rng, (1.5, 0), positive=40, negative=60))).estimate
        for _ in range(1500)
    ]
    true = stats.norm.cdf(1.5 / np.sqrt(2))
    assert auc_variance(true, 40, 60) == pytest.approx(np.var(areas), rel=0.1)
    assert np.var(areas) < auc_variance(true, 40, 60, variance="hanley-mcneil") < 1.35 * np.var(areas)
    assert np.var(areas) < auc_variance(true, 40, 60, variance="obuchowski") < 1.6 * np.var(areas)


def test_the_width_of_the_interval_is_what_was_asked():
    needed = patients_for_auc_width(0.914, width=0.10, share_positive=21 / 61)
    error = auc_variance(0.914, needed.positive, needed.negative) ** 0.5
    assert 0.098 < 2 * 1.96 * error <= 0.10


def test_the_sensitivitys_interval_lies_above_the_bound_with_the_stated_power_from_there_on():
    needed = patients_for_sensitivity(0.9, above=0.8, share_positive=21 / 61)

    def power(patients):
        right = [k for k in range(patients + 1) if proportion(k, patients).low > 0.8]
        return sum(stats.binom.pmf(k, patients, 0.9) for k in right)

    assert all(power(count) >= 0.8 for count in range(needed.positive, needed.positive + 40))
    assert power(needed.positive - 1) < 0.8


def test_an_interval_too_wide_or_without_width_is_underpowered():
    assert underpowered(Estimate(0.9, 0.75, 0.99, 0.06), widest=0.2)
    assert not underpowered(Estimate(0.9, 0.85, 0.95, 0.02), widest=0.2)
    assert underpowered(Estimate(1.0, 1.0, 1.0, 0.0), widest=0.2)
    assert underpowered(proportion(16, 21), widest=0.3)


def test_the_correlation_of_two_aucs_is_one_for_the_same_scores_and_near_zero_for_unrelated_ones():
    rng = np.random.default_rng(6)
    labels, (a, b) = simulated(rng, (1, 1), positive=500, negative=500)
    assert auc_correlation(labels, a, a * 3 + 1) == pytest.approx(1)
    assert abs(auc_correlation(labels, a, b)) < 0.12
    with pytest.raises(CohortError, match="an AUC has no variance"):
        auc_correlation([0, 0, 1, 1], [1, 2, 3, 4], [1, 3, 2, 4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: patients_for_auc(0.5001, share_positive=0.3), "more than 100000 patients with metastasis"),
        (lambda: patients_for_auc(91.4, share_positive=0.3), "auc: a number from 0.5 to below 1"),
        (lambda: patients_for_auc(0.9, share_positive=0), "share_positive: a number"),
        (lambda: patients_for_auc(0.9, share_positive=0.3, power=1), "power: a number"),
        (lambda: patients_for_sensitivity(0.8, above=0.9, share_positive=0.3), "0 < above < expected < 1"),
        (lambda: patients_for_sensitivity(0.801, above=0.8, share_positive=0.3), "more than 100000"),
        (
            lambda: auc_variance(0.9, 21, 40, variance="delong"),
            "'delong' is not one of binormal, hanley-mcneil, obuchowski",
        ),
        (lambda: power_of_auc_difference(0.9, 0.8, positive=21, negative=40, correlation=1), "from -1 to below 1"),
    ],
)
def test_claims_that_no_study_can_answer_are_refused(call, message):
    with pytest.raises(UsageError, match=message):
        call()
