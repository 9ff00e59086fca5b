"""The mean of the folds' AUCs is that of the folds, and its interval covers the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from alnus.errors import CohortError
from alnus.evaluation import auc, auc_within_folds

GENERATOR = np.random.default_rng(5)
LABELS = np.arange(90) % 3 == 0
SCORES = LABELS + GENERATOR.normal(size=90)
FOLDS = np.arange(90) // 3 % 5


def test_each_folds_area_is_that_of_its_patients_and_the_mean_is_theirs():
    found = auc_within_folds(LABELS, SCORES, FOLDS)
    for part in found.folds:
        mine = part.fold == FOLDS
        expected = auc(LABELS[mine], SCORES[mine], interval="logit")
        assert (part.estimate, part.low, part.high) == (expected.estimate, expected.low, expected.high)
        assert (part.patients, part.positive) == (18, 6)
    assert found.estimate == pytest.approx(np.mean([part.estimate for part in found.folds]))
    errors = [part.standard_error for part in found.folds]
    assert found.standard_error == pytest.approx(np.sqrt(np.square(errors).sum()) / 5)


def test_a_scale_of_its_own_in_each_fold_changes_the_pooled_area_and_not_the_mean():
    moved = SCORES + 10 * FOLDS
    assert auc_within_folds(LABELS, moved, FOLDS) == auc_within_folds(LABELS, SCORES, FOLDS)
    assert auc(LABELS, moved).estimate < auc(LABELS, SCORES).estimate


def test_the_interval_of_the_mean_covers_the_truth_ninety_five_times_in_a_hundred():
    generator, truth, covered = np.random.default_rng(1), 0.7602499389065233, 0  # of normal scores one deviation apart
    for _ in range(400):
        found = auc_within_folds(LABELS, LABELS + generator.normal(size=90), FOLDS)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.985  # 0.95 and three standard errors of 400 draws


def test_a_fold_without_two_patients_of_a_class_is_named():
    labels = LABELS & (FOLDS != 3)
    with pytest.raises(CohortError, match="fold 3: "):
        auc_within_folds(labels, SCORES, FOLDS)
    with pytest.raises(CohortError, match="folds: at least 2 are needed, received 1"):
        auc_within_folds(LABELS, SCORES, np.zeros(90, int))
    with pytest.raises(CohortError, match="folds: 89 values for 90 labels"):
        auc_within_folds(LABELS, SCORES, FOLDS[:-1])
