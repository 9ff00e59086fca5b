"""Thresholds at a fixed sensitivity or specificity, and the hash that notices any later change."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alnus.errors import CohortError, UsageError
from alnus.evaluation import (
    FrozenThreshold,
    freeze_threshold,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)

NAMES = ["p1", "p2", "p3", "p4", "p5", "p6"]
LABELS, SCORES = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.6, 0.9]


@given(st.integers(0, 2**32 - 1), st.integers(2, 25), st.integers(1, 12), st.sampled_from([0.5, 0.8, 0.9, 1.0]))
@settings(max_examples=80, deadline=None)
def test_no_higher_threshold_is_as_sensitive_and_no_lower_one_as_specific(seed, patients, levels, share):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(patients) % 2)
    scores = rng.integers(0, levels, patients) / 2
    sensitive = threshold_at_sensitivity(labels, scores, share)
    assert np.mean(scores[labels == 1] >= sensitive) >= share - 1e-9
    above = scores[scores >= sensitive]
    assert np.mean(scores[labels == 1] >= np.nextafter(above.min(), np.inf)) < share
    specific = threshold_at_specificity(labels, scores, share)
    assert np.mean(scores[labels == 0] < specific) >= share - 1e-9
    below = scores[scores < specific]
    assert below.size == 0 or np.mean(scores[labels == 0] < below.max()) < share


def test_a_threshold_lies_midway_between_two_patients():
    assert threshold_at_sensitivity(LABELS, SCORES, 0.6) == pytest.approx(0.5)
    assert threshold_at_specificity(LABELS, SCORES, 0.6) == pytest.approx(0.25)
    assert threshold_at_sensitivity(LABELS, SCORES, 1) == pytest.approx(0.25)


def test_where_the_highest_score_is_a_false_alarm_full_specificity_calls_nobody():
    threshold = threshold_at_specificity([1, 0], [0.3, 0.8], 1)
    assert threshold > 0.8
    assert threshold == pytest.approx(0.8)


def test_a_frozen_threshold_states_what_it_gave_and_calls_as_everywhere():
    frozen = freeze_threshold("tin", NAMES, LABELS, SCORES)
    assert frozen.value == youden_threshold(LABELS, SCORES)
    assert (frozen.patients, frozen.metastases) == (6, 3)
    assert (frozen.sensitivity, frozen.specificity) == pytest.approx((1, 2 / 3))
    assert frozen.apply([frozen.value, frozen.value - 1e-9]).tolist() == [True, False]
    again = FrozenThreshold.from_json(json.loads(json.dumps(frozen.to_json())))
    assert again == frozen
    again.check(NAMES[::-1], LABELS[::-1], SCORES[::-1])


@pytest.mark.parametrize(
    "changed",
    [
        lambda: ([*NAMES[:-1], "p7"], LABELS, SCORES),
        lambda: (NAMES, [1, 0, 1, 0, 1, 0], SCORES),
        lambda: (NAMES, LABELS, [*SCORES[:-1], np.nextafter(0.9, 1)]),
        lambda: (NAMES[:-1], LABELS[:-1], SCORES[:-1]),
    ],
)
def test_any_change_of_the_validation_patients_is_seen(changed):
    frozen = freeze_threshold("tin", NAMES, LABELS, SCORES, rule="sensitivity", at=0.9)
    with pytest.raises(CohortError, match="'tin' was frozen on other validation patients"):
        frozen.check(*changed())


def test_a_changed_threshold_is_seen():
    frozen = freeze_threshold("tin", NAMES, LABELS, SCORES)
    with pytest.raises(CohortError, match=r"or its threshold 0\.5 was changed"):
        dataclasses.replace(frozen, value=0.5).check(NAMES, LABELS, SCORES)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: freeze_threshold("tin", NAMES, LABELS, SCORES, at=0.9), UsageError, "alone; received youden, 0.9"),
        (lambda: freeze_threshold("tin", NAMES, LABELS, SCORES, rule="sensitivity"), UsageError, "at: a share"),
        (lambda: freeze_threshold("tin", NAMES, LABELS, SCORES, rule="cost", at=0.9), UsageError, "'cost' is not"),
        (lambda: freeze_threshold("tin", ["p1"] * 6, LABELS, SCORES), CohortError, "patients: p1 stands twice"),
        (lambda: freeze_threshold("tin", ["p1"], LABELS, SCORES), CohortError, "1 values for 6 labels"),
        (lambda: freeze_threshold("tin", NAMES, [1] * 6, SCORES), CohortError, "0 without metastasis"),
        (lambda: FrozenThreshold.from_json({"value": 1}), UsageError, "threshold: expected source"),
    ],
)
def test_what_cannot_be_frozen_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
