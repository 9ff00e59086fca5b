"""The measures of a 2x2 table and their exact intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from alnus import evaluation
from alnus.errors import CohortError, UsageError
from alnus.evaluation import Counts, confusion, proportion

PUBLISHED = json.loads((Path(__file__).parents[1] / "reference" / "published.json").read_text())
PAPER = Counts(tp=16, fp=4, fn=5, tn=36)


@pytest.mark.parametrize("share", PUBLISHED["paper"]["shares"], ids=lambda share: share["what"])
def test_the_papers_shares_have_their_exact_intervals(share):
    found = getattr(evaluation, share["what"])(PAPER)
    assert (found.numerator, found.denominator) == (share["numerator"], share["denominator"])
    assert [round(100 * end, 1) for end in (found.low, found.high)] == share["percent"]


def test_aln_ultras_experts_are_as_published():
    counts = Counts(**PUBLISHED["aln_ultra"]["counts"])
    for name in ("sensitivity", "specificity", "accuracy"):
        estimate = getattr(evaluation, name)(counts).estimate
        assert round(100 * estimate, 1) == PUBLISHED["aln_ultra"][f"{name}_percent"]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_is_that_of_statsmodels_for_every_count(confidence):
    for n in (1, 2, 21, 61, 500):
        for k in range(0, n + 1, max(1, n // 13)):
            found = proportion(k, n, confidence=confidence)
            expected = proportion_confint(k, n, alpha=1 - confidence, method="beta")
            assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.83])
def test_the_interval_covers_at_least_what_it_states(share):
    """Exact, not simulated: the sum of the binomial probabilities of the counts whose interval holds the truth."""
    counts = np.arange(62)
    held = [(p := proportion(int(k), 61)).low <= share <= p.high for k in counts]
    assert stats.binom.pmf(counts, 61, share)[held].sum() >= 0.95


def test_none_and_all_reach_the_ends():
    assert proportion(0, 10).low == 0
    assert proportion(10, 10).high == 1


@pytest.mark.parametrize(("numerator", "denominator"), [(0, 0), (3, 2), (-1, 5)])
def test_a_share_of_nobody_is_refused(numerator, denominator):
    with pytest.raises(CohortError, match=f"{numerator} of {denominator} is no share of patients"):
        proportion(numerator, denominator)


def test_a_confidence_in_percent_is_refused():
    with pytest.raises(UsageError, match="received 95"):
        proportion(1, 2, confidence=95)


def test_measures_are_scikit_learns():
    rng = np.random.default_rng(3)
    labels, calls = rng.integers(0, 2, (2, 200))
    counts = confusion(labels, calls)
    tn, fp, fn, tp = metrics.confusion_matrix(labels, calls).ravel()
    assert counts == Counts(tp=tp, fp=fp, fn=fn, tn=tn)
    expected = {
        "accuracy": metrics.accuracy_score(labels, calls),
        "sensitivity": metrics.recall_score(labels, calls),
        "specificity": metrics.recall_score(1 - labels, 1 - calls),
        "ppv": metrics.precision_score(labels, calls),
        "npv": metrics.precision_score(1 - labels, 1 - calls),
    }
    for name, value in expected.items():
        assert getattr(evaluation, name)(counts).estimate == pytest.approx(value), name


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("sensitivity", Counts(0, 1, 0, 1)),
        ("specificity", Counts(1, 0, 1, 0)),
        ("ppv", Counts(0, 0, 1, 1)),
        ("npv", Counts(1, 1, 0, 0)),
        ("accuracy", Counts(0, 0, 0, 0)),
    ],
)
def test_a_measure_without_patients_is_refused_and_never_nan(name, counts):
    with pytest.raises(CohortError, match="0 of 0"):
        getattr(evaluation, name)(counts)


def test_calls_must_be_zero_or_one():
    with pytest.raises(CohortError, match=r"calls: 0 and 1 are expected, received 0\.7 at position 1"):
        confusion([0, 1], [0, 0.7])
    with pytest.raises(CohortError, match="calls: 3 values for 2 labels"):
        confusion([0, 1], [0, 1, 1])
