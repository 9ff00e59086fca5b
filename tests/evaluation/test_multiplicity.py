"""One primary test, Holm over the others, and what a test that fails does to the family."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from alnus.errors import CohortError, UsageError
from alnus.evaluation import DeclaredTest, adjust, holm

TESTS = [DeclaredTest("tin", 0.03), DeclaredTest("r3d", 0.04), DeclaredTest("r2+1d", 0.01), DeclaredTest("Dr A", 0.2)]


def test_the_primary_test_is_not_corrected_and_the_others_are_by_statsmodels_holm():
    found = adjust(TESTS, primary="tin")
    assert [test.name for test in found] == ["tin", "r3d", "r2+1d", "Dr A"]
    assert (found[0].p_adjusted, found[0].role, found[0].family) == (0.03, "primary", 1)
    expected = multipletests([0.04, 0.01, 0.2], method="holm")[1]
    assert [test.p_adjusted for test in found[1:]] == pytest.approx(expected)
    assert {test.family for test in found[1:]} == {3}


def test_without_a_primary_all_are_one_family():
    found = adjust(TESTS)
    assert [test.p_adjusted for test in found] == pytest.approx(
        multipletests([0.03, 0.04, 0.01, 0.2], method="holm")[1]
    )


def test_a_test_that_cannot_be_computed_makes_no_other_easier():
    failed = DeclaredTest("Dr A", None, "variance of zero")
    found = adjust([*TESTS[:3], failed])
    whole = adjust([*TESTS[:3], DeclaredTest("Dr A", 1.0)])
    assert [test.p_adjusted for test in found[:3]] == [test.p_adjusted for test in whole[:3]]
    assert (found[3].p_adjusted, found[3].family, found[3].reason) == (None, 4, "variance of zero")


def test_behind_the_gate_no_secondary_test_is_surer_than_the_primary():
    found = adjust([DeclaredTest("primary", 0.3), DeclaredTest("other", 0.001)], primary="primary", gate=True)
    assert found[1].p_adjusted == 0.3
    failed = adjust([DeclaredTest("primary", None), DeclaredTest("other", 0.001)], primary="primary", gate=True)
    assert [test.p_adjusted for test in failed] == [None, 1.0]


def test_holm_counts_the_declared_tests_that_are_missing_as_one():
    assert holm([0.01, 0.04], family=4) == pytest.approx(holm([0.01, 0.04, 1, 1])[:2])
    with pytest.raises(CohortError, match="family: 1 tests were declared, but 2 P values"):
        holm([0.01, 0.04], family=1)


def test_under_the_null_any_of_the_secondary_tests_rejects_in_at_most_five_of_a_hundred():
    p_values = np.random.default_rng(1).random((4000, 3))
    rejected = np.mean([min(holm(row.tolist())) < 0.05 for row in p_values])
    assert 0.04 < rejected < 0.06


def test_an_unknown_primary_and_two_tests_of_one_name_are_refused():
    with pytest.raises(UsageError, match="primary: 'tim' is no declared test; they are tin, r3d"):
        adjust(TESTS, primary="tim")
    with pytest.raises(UsageError, match="every test needs its own name"):
        adjust([TESTS[0], TESTS[0]])
    with pytest.raises(CohortError, match="numbers from 0 to 1"):
        adjust([DeclaredTest("a", float("nan"))], primary="a")
