"""McNemar's exact test and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from alnus.errors import CohortError
from alnus.evaluation import McNemar, holm, mcnemar
from alnus.evaluation.paired import mcnemar_p


def calls_with(b, c, *, both=7, neither=3):
    """Two sets of calls of which b + c disagree; half of the patients have metastasis."""
    right_a = np.repeat([1, 0, 1, 0], [b, c, both, neither])
    right_b = np.repeat([0, 1, 1, 0], [b, c, both, neither])
    labels = np.arange(len(right_a)) % 2
    return labels, np.where(right_a, labels, 1 - labels), np.where(right_b, labels, 1 - labels)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_statsmodels_exact_test(b, c):
    found = mcnemar(*calls_with(b, c))
    assert (found.b, found.c) == (b, c)
    assert found.p_value == pytest.approx(statsmodels_mcnemar([[7, b], [c, 3]], exact=True).pvalue, abs=1e-12)


def test_calls_that_are_right_on_the_same_patients_have_p_one():
    assert mcnemar([0, 1, 1], [0, 1, 0], [0, 1, 0]) == McNemar(0, 0, 1.0)


def test_under_the_null_mcnemar_rejects_at_most_five_in_a_hundred():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], 30)
    rejected = sum(mcnemar(labels, *rng.integers(0, 2, (2, 60))).p_value < 0.05 for _ in range(2000))
    assert 0.01 < rejected / 2000 <= 0.05


def test_calls_of_other_patients_are_refused():
    with pytest.raises(CohortError, match="calls: 2 values for 3 labels"):
        mcnemar([0, 1, 1], [0, 1, 1], [0, 1])


@pytest.mark.parametrize("tests", [1, 2, 5, 20])
def test_holm_is_statsmodels_correction(tests):
    p_values = np.round(np.random.default_rng(tests).random(tests) ** 3, 2).tolist()  # with ties among the twenty
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist(), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_nor_changes_their_order(p_values):
    adjusted = np.array(holm(p_values))
    assert np.all((adjusted >= p_values) & (adjusted <= 1))
    assert np.all(np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0)


def test_one_p_value_is_not_corrected_and_none_gives_none():
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_keeps_the_order_given():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


@pytest.mark.parametrize("wrong", [float("nan"), 1.2, -0.1])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(CohortError, match="numbers from 0 to 1 are expected"):
        holm([0.5, wrong])


def test_mid_p_of_thousands_of_patients_is_that_of_the_normal_test():
    z = (10_600 - 10_000) / (10_600 + 10_000) ** 0.5
    assert mcnemar_p(10_600, 10_000, mid_p=True) == pytest.approx(2 * stats.norm.sf(z), rel=1e-3)
