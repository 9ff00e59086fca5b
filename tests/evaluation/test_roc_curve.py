"""The ROC curve and Youden's threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from alnus.errors import CohortError
from alnus.evaluation import confusion, roc_curve, youden_threshold

CASES = (st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.integers(1, 15))


def drawn(seed, positives, negatives, levels):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], [positives, negatives]))
    return labels, rng.integers(0, levels, len(labels)) / 4


@given(*CASES)
@settings(max_examples=60, deadline=None)
def test_the_curve_is_scikit_learns_and_its_area_too(seed, positives, negatives, levels):
    labels, scores = drawn(seed, positives, negatives, levels)
    curve = roc_curve(labels, scores)
    fpr, tpr, thresholds = metrics.roc_curve(labels, scores, drop_intermediate=False)
    full = {cut: (x, y) for x, y, cut in zip(fpr, tpr, thresholds, strict=True)}
    for x, y, cut in zip(curve.fpr, curve.tpr, curve.thresholds, strict=True):
        assert (x, y) == pytest.approx(full[cut])
    assert metrics.auc(curve.fpr, curve.tpr) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)


def test_points_on_a_straight_line_are_left_out():
    curve = roc_curve([1, 1, 1, 0, 0, 0], [6, 5, 4, 3, 2, 1])
    assert curve.fpr.tolist() == [0, 0, 1]
    assert curve.tpr.tolist() == [0, 1, 1]
    assert curve.thresholds.tolist() == [np.inf, 4, 1]


def youden(labels, scores, threshold):
    counts = confusion(labels, scores >= threshold)
    return counts.tp * (counts.fp + counts.tn) - counts.fp * (counts.tp + counts.fn)


@given(*CASES)
@settings(max_examples=100, deadline=None)
def test_no_threshold_has_a_larger_youden_index_and_no_lower_one_an_equal(seed, positives, negatives, levels):
    labels, scores = drawn(seed, positives, negatives, levels)
    chosen = youden_threshold(labels, scores)
    best = youden(labels, scores, chosen)
    distinct = np.unique(scores)
    for cut in distinct:
        assert youden(labels, scores, cut) <= best
        if np.sum(scores >= cut) > np.sum(scores >= chosen):
            assert youden(labels, scores, cut) < best


def test_the_threshold_lies_midway_between_two_patients():
    assert youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)


def test_equal_youden_indices_give_the_more_sensitive_threshold():
    """Cutting at 2 finds both metastases with one false alarm, cutting at 4 one with none: both J = 1/2."""
    assert youden_threshold([0, 1, 0, 1], [1, 2, 3, 4]) == 1.5


def test_ordinal_readings_are_cut_between_two_grades():
    assert youden_threshold([0, 0, 1, 1, 1], [1, 2, 3, 3, 5]) == 2.5


def test_scores_all_equal_call_everybody_positive():
    assert youden_threshold([0, 1, 1], [0.3, 0.3, 0.3]) == 0.3


def test_scores_the_wrong_way_round_call_everybody_positive():
    assert youden_threshold([1, 1, 0, 0], [1, 2, 3, 4]) == 1


def test_neighbouring_floats_are_still_separated():
    low = 0.1
    high = np.nextafter(low, 1)
    threshold = youden_threshold([0, 1], [low, high])
    assert low < threshold <= high


@pytest.mark.parametrize("statistic", [roc_curve, youden_threshold])
def test_one_class_only_is_refused(statistic):
    with pytest.raises(CohortError, match="0 patients with and 2 without metastasis, but at least 1 of each"):
        statistic([0, 0], [1, 2])
    with pytest.raises(CohortError, match="scores: nan at position 0"):
        statistic([0, 1], [np.nan, 2])
