"""Rows of a forest plot and interaction tests: against SciPy, by their rate under the null, in groups too small."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation import (
    auc,
    auc_interaction,
    call_interaction,
    compare_independent_aucs,
    confusion,
    sensitivity,
    subgroup_rows,
)

RNG = np.random.default_rng(2)
LABELS = np.arange(120) % 3 == 0
SCORES = RNG.normal(size=120) + 1.5 * LABELS
CENTRES = np.array(["a", "b", "c"])[RNG.integers(0, 3, 120)]
CALLS = SCORES > 0.8


def test_the_first_row_is_everybody_and_the_levels_follow_with_their_own_numbers():
    rows = subgroup_rows(LABELS, SCORES, CENTRES, variable="centre", calls=CALLS)
    assert [row.level for row in rows] == [None, "a", "b", "c"]
    assert sum(row.patients for row in rows[1:]) == rows[0].patients == 120
    of_a = CENTRES == "a"
    assert rows[1].auc == auc(LABELS[of_a], SCORES[of_a], interval="logit")
    assert rows[1].sensitivity == sensitivity(confusion(LABELS[of_a], CALLS[of_a]))
    assert {row.reason for row in rows} == {""}


def test_a_level_without_a_class_or_a_value_is_kept_and_says_what_is_missing():
    groups = ["young", "young", "old", "old", None, float("nan"), "old", "old"]
    rows = subgroup_rows([1, 1, 0, 1, 0, 1, 0, 1], range(8), groups, variable="age", calls=[1, 1, 0, 1, 0, 1, 0, 1])
    assert [row.level for row in rows] == [None, "missing", "old", "young"]
    young = rows[3]
    assert (young.auc, young.specificity, young.metastases) == (None, None, 2)
    assert "AUC: labels: 2 patients with and 0 without" in young.reason
    assert "specificity: no patient of its class" in young.reason
    assert young.sensitivity.estimate == 1
    assert rows[2].auc.low < 1  # a perfect AUC of four patients keeps a width


def test_with_two_levels_the_interaction_is_the_z_test_of_the_difference():
    two = np.where(CENTRES == "a", "a", "other")
    a = two == "a"
    pair = compare_independent_aucs(LABELS[a], SCORES[a], LABELS[~a], SCORES[~a])
    found = auc_interaction(LABELS, SCORES, two, variable="centre")
    assert found.statistic == pytest.approx(pair.t**2)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(pair.t)))
    assert found.df == 1


def test_sensitivities_differ_by_fishers_test_and_by_chi2_where_there_are_three():
    two = np.where(CENTRES == "a", "a", "other")
    right = CALLS[LABELS]
    table = [[np.sum(right[two[LABELS] == level] == answer) for level in ("a", "other")] for answer in (True, False)]
    found = call_interaction(LABELS, CALLS, two, variable="centre")
    assert (found.test, found.p_value) == ("fisher", pytest.approx(stats.fisher_exact(table).pvalue))
    three = call_interaction(LABELS, CALLS, CENTRES, variable="centre", measure="specificity")
    right = ~CALLS[~LABELS]
    table = [[np.sum(right[CENTRES[~LABELS] == level] == answer) for level in "abc"] for answer in (True, False)]
    expected = stats.chi2_contingency(table, correction=False)
    assert (three.test, three.df, three.statistic) == ("chi2", 2, pytest.approx(expected.statistic))


def test_all_calls_right_everywhere_are_no_interaction():
    found = call_interaction(LABELS, LABELS, CENTRES, variable="centre")
    assert (found.statistic, found.p_value) == (0, 1)


def test_one_level_or_levels_without_variance_have_no_test_and_a_reason():
    assert auc_interaction(LABELS, SCORES, ["x"] * 120, variable="v").reason == "fewer than two levels can be compared"
    perfect = auc_interaction([0, 0, 1, 1] * 2, [1, 2, 3, 4] * 2, ["x"] * 4 + ["y"] * 4, variable="v")
    assert perfect.p_value is None
    assert "x: an AUC without variance" in perfect.reason
    assert call_interaction(LABELS, CALLS, ["x"] * 120, variable="v").p_value is None
    small = auc_interaction([*LABELS, 1], [*SCORES, 1.0], [*CENTRES, "d"], variable="v")
    assert small.reason == "left out: d: too few of a class"
    assert small.df == 2


def test_under_the_null_interactions_reject_five_in_a_hundred_or_less():
    rng = np.random.default_rng(6)
    labels, groups = np.arange(180) % 2, np.arange(180) // 60
    rejected = {"auc": 0, "fisher": 0}
    for scores in rng.normal(size=(1000, 180)) + 1.2 * labels:
        rejected["auc"] += auc_interaction(labels, scores, groups, variable="v").p_value < 0.05
        two = call_interaction(labels, scores > 0.6, groups == 0, variable="v")
        rejected["fisher"] += two.p_value < 0.05
    assert 0.03 < rejected["auc"] / 1000 < 0.07
    assert 0.005 < rejected["fisher"] / 1000 < 0.055


def test_groups_of_other_patients_and_unknown_measures_are_refused():
    with pytest.raises(CohortError, match="groups: 2 values for 120 labels"):
        subgroup_rows(LABELS, SCORES, ["a", "b"], variable="centre")
    with pytest.raises(UsageError, match="measure: 'ppv' is not"):
        call_interaction(LABELS, CALLS, CENTRES, variable="centre", measure="ppv")
