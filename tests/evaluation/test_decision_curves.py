"""Net benefit by its definition, its intervals, and the clinical question in words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from alnus.errors import CohortError, UsageError
from alnus.evaluation import Counts, decision_curve, in_hundred, proportion

RNG = np.random.default_rng(3)
ODDS = RNG.normal(-0.7, 1.6, size=200)
LABELS, PREDICTED = (RNG.random(200) < special.expit(ODDS)).astype(int), special.expit(ODDS)


def test_net_benefit_is_its_definition_at_every_threshold():
    curve = decision_curve(LABELS, PREDICTED)
    for place, at in enumerate(curve.thresholds):
        calls = at <= PREDICTED
        tp, fp = np.sum(calls & (LABELS == 1)), np.sum(calls & (LABELS == 0))
        assert curve.net_benefit[place] == pytest.approx(tp / 200 - fp / 200 * at / (1 - at), abs=1e-12)
        prevalence = LABELS.mean()
        assert curve.treat_all[place] == pytest.approx(prevalence - (1 - prevalence) * at / (1 - at), abs=1e-12)
    best = np.maximum(curve.treat_all, 0)
    assert curve.advantage == pytest.approx(curve.net_benefit - best)
    assert len(curve.thresholds) == 60


def test_biopsy_for_all_is_worth_nothing_where_the_threshold_is_the_prevalence():
    curve = decision_curve(LABELS, PREDICTED, thresholds=[LABELS.mean()])
    assert curve.treat_all[0] == pytest.approx(0, abs=1e-12)


def test_a_score_that_calls_everybody_is_biopsy_for_all_with_its_intervals():
    curve = decision_curve(LABELS, np.full(200, 0.99), thresholds=[0.1, 0.2])
    assert curve.net_benefit == pytest.approx(curve.treat_all, abs=1e-12)
    assert np.all(curve.low < curve.high)


def test_the_interval_has_the_width_of_the_means_standard_error_where_there_are_many_patients():
    labels, predicted = np.tile(LABELS, 50), np.tile(PREDICTED, 50)
    curve = decision_curve(labels, predicted, thresholds=[0.3, 0.5])
    for place, at in enumerate((0.3, 0.5)):
        odds = at / (1 - at)
        worth = np.where(labels == 1, 1, -odds) * (predicted >= at)
        assert curve.high[place] - curve.low[place] == pytest.approx(2 * 1.96 * worth.std() / 100, rel=0.01)
        gain = np.where(labels == 1, -1, odds) * (predicted < at)  # over biopsy for all
        if curve.treat_all[place] > 0:
            wide = curve.advantage_high[place] - curve.advantage_low[place]
            assert wide == pytest.approx(2 * 1.96 * gain.std() / 100, rel=0.01)


def test_the_gain_over_biopsy_for_all_covers_where_no_metastasis_was_missed():
    """A percentile bootstrap covers in 65% here (benchmarks/null_rates.md): in most studies no replicate misses one."""
    rng = np.random.default_rng(11)
    population = special.expit(rng.normal(-0.9, 1.3, size=200_000))
    true = np.mean(np.where(population < 0.1, (1 - population) / 9 - population, 0.0))
    hits = []
    for _ in range(600):
        odds = rng.normal(-0.9, 1.3, size=61)
        labels = rng.random(61) < special.expit(odds)
        curve = decision_curve(labels, special.expit(odds), thresholds=[0.1])
        hits.append(curve.advantage_low[0] <= true <= curve.advantage_high[0])
        assert curve.advantage_low[0] <= curve.advantage[0] <= curve.advantage_high[0]
    assert np.mean(hits) > 0.93


def test_a_study_that_misses_nobody_below_a_low_threshold_does_not_show_a_gain():
    labels = np.repeat([1, 0], [21, 40])
    predicted = np.where(np.arange(61) < 55, 0.5, 0.05)  # six patients without metastasis are spared the biopsy
    curve = decision_curve(labels, predicted, thresholds=[0.1])
    assert curve.advantage[0] == pytest.approx(6 / 61 / 9)
    assert curve.advantage_low[0] < 0


def test_a_good_score_decides_better_than_all_or_none_and_a_useless_one_does_not():
    curve = decision_curve(LABELS, PREDICTED, thresholds=[0.3])
    assert curve.advantage_low[0] > 0
    shuffled = decision_curve(LABELS, RNG.permutation(PREDICTED), thresholds=[0.3])
    assert shuffled.advantage_low[0] < 0


def test_the_papers_counts_say_how_many_biopsies_are_spared():
    """Set A: 16 of 21 found, 36 of 40 spared: 41 of 61 without biopsy, 5 of them with a missed metastasis."""
    found = in_hundred(Counts(tp=16, fp=4, fn=5, tn=36))
    assert (found.spared, found.missed, found.in_vain) == (proportion(41, 61), proportion(5, 61), proportion(4, 61))
    assert found.lines() == [
        "Of 100 patients like these, 67 (54–79) would be spared the node biopsy.",
        "In 8 (3–18) of the 100 a metastasis would be missed.",
        "In 7 (2–16) of the 100 a biopsy would be done and find none.",
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: decision_curve(LABELS, PREDICTED, thresholds=[0.0, 0.5]), UsageError, "both excluded"),
        (lambda: decision_curve(LABELS, PREDICTED, thresholds=[np.nan]), UsageError, "both excluded"),
        (lambda: decision_curve(LABELS, PREDICTED * 2), CohortError, "is not between 0 and 1"),
        (lambda: decision_curve(np.ones(200), PREDICTED), CohortError, "0 without metastasis"),
        (lambda: in_hundred(Counts(0, 0, 0, 0)), CohortError, "no share of patients"),
    ],
)
def test_what_has_no_net_benefit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
