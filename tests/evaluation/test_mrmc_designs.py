"""Reader studies that are unbalanced, degenerate or not what the table says: answered, or refused with the reason."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import alnus.evaluation
from alnus.errors import CohortError, UsageError
from alnus.evaluation import mrmc
from alnus.evaluation.readers.analysis import plain
from alnus.evaluation.readers.roe_metz import as_table, simulated_ratings


def study(seed=1, *, treatments=2, readers=3, positive=8, negative=10):
    ratings = simulated_ratings(
        np.random.default_rng(seed), (1.0,) * treatments, readers=readers, positive=positive, negative=negative
    )
    return as_table(ratings, positive)


def test_missing_readings_are_answered_by_the_jackknife_and_refused_by_delong():
    table = study().drop(index=[3, 40])
    assert 0 < mrmc(table, covariance="jackknife").p_value <= 1
    found = mrmc(table, covariance="unbiased").study
    assert (found.readings, found.missing, found.layout) == (106, 2, "incomplete")
    with pytest.raises(CohortError, match="readings are missing; take covariance='jackknife' or 'unbiased'"):
        mrmc(table)


def test_missing_readings_that_fixed_cases_do_not_ask_for_are_no_obstacle():
    assert 0 < mrmc(study().drop(index=3), cases="fixed").p_value <= 1


def nested(factor):
    """Each reader (or treatment) has cases of its own: the same numbers, made other cases by another name."""
    table = study(readers=3)
    return table.assign(case=table["case"].astype(str) + "-" + table[factor].astype(str))


@pytest.mark.parametrize("method", ["jackknife", "unbiased"])
@pytest.mark.parametrize(("factor", "zero"), [("reader", ("cov2", "cov3")), ("treatment", ("cov1", "cov3"))])
def test_cases_nested_in_readers_or_treatments_do_not_covary(factor, zero, method):
    found = mrmc(nested(factor), covariance=method)
    assert found.study.layout == f"cases nested in {factor}s"
    assert all(getattr(found.components, name) == 0 for name in zero)
    other = ({"cov1", "cov2", "cov3"} - set(zero)).pop()
    assert abs(getattr(found.components, other)) > 1e-6


def test_nested_cases_leave_every_accuracy_as_it_was():
    crossed, split = mrmc(study(), covariance="unbiased"), mrmc(nested("reader"), covariance="unbiased")
    assert [row.estimate for row in split.by_reader] == pytest.approx([row.estimate for row in crossed.by_reader])
    assert split.components.error == pytest.approx(crossed.components.error, rel=1e-9)


def test_readers_nested_in_treatments_are_refused():
    table = study(readers=4)
    own = table[(table["reader"] <= 2) == (table["treatment"] == 1)]
    with pytest.raises(CohortError, match=r"reader '3' has no readings in treatment '1'.*readers nested in treatments"):
        mrmc(own)


def test_a_reader_who_did_not_read_in_one_treatment_is_refused_by_name():
    table = study()
    with pytest.raises(CohortError, match="reader '2' has no readings in treatment '1'; leave the reader out"):
        mrmc(table[(table["reader"] != 2) | (table["treatment"] == 2)])


def test_one_random_reader_is_refused_and_one_fixed_reader_answered():
    table = study(readers=1)
    with pytest.raises(
        CohortError, match="'1' is the only one, who says nothing of other readers; take readers='fixed'"
    ):
        mrmc(table)
    assert 0 < mrmc(table, readers="fixed").p_value <= 1


@pytest.mark.parametrize(("positive", "negative", "which"), [(1, 10, "1 cases with"), (8, 1, "1 cases without")])
def test_one_case_in_a_class_is_refused(positive, negative, which):
    with pytest.raises(CohortError, match=f"read {which} metastasis in treatment '1', but at least 2 are needed"):
        mrmc(study(positive=positive, negative=negative))


def test_no_case_in_a_class_is_refused_even_for_fixed_cases():
    table = study()
    with pytest.raises(CohortError, match="read 0 cases with metastasis in treatment '1', but at least 1 are needed"):
        mrmc(table[table["truth"] == 0], cases="fixed")


def test_sensitivity_needs_no_case_without_metastasis():
    table = study()
    only = mrmc(table[table["truth"] == 1], metric="sensitivity", threshold=0.5)
    both = mrmc(table, metric="sensitivity", threshold=0.5)
    assert only.means == both.means


def twice(table):
    return pd.concat([table, table.assign(treatment=2)], ignore_index=True)


@pytest.mark.parametrize("method", ["delong", "jackknife", "unbiased"])
@pytest.mark.parametrize(("readers", "cases"), [("random", "random"), ("fixed", "random"), ("random", "fixed")])
def test_treatments_that_are_read_alike_have_p_one_and_no_difference(method, readers, cases):
    found = mrmc(twice(study(treatments=1)), covariance=method, readers=readers, cases=cases)
    (row,) = found.differences
    assert (row.estimate, row.low, row.high, row.p_value, found.p_value) == (0, 0, 0, 1, 1)


def test_ratings_that_are_all_equal_give_one_half_and_p_one():
    found = mrmc(study().assign(rating=3))
    assert [(row.estimate, row.low, row.high) for row in found.means] == [(0.5, 0.5, 0.5)] * 2
    assert found.p_value == 1


@pytest.mark.parametrize("factor", ["random", "fixed"])
def test_a_difference_without_any_variance_is_refused_and_not_called_significant(factor):
    table = study()
    perfect = table.assign(rating=np.where(table["treatment"] == 1, table["truth"], 0))
    with pytest.raises(CohortError, match=r"a difference of 0\.500 has a variance of zero, so the test does not exist"):
        mrmc(perfect, readers=factor)


def test_readers_who_read_alike_leave_the_cases_as_the_only_variance():
    table = study(readers=1)
    alike = pd.concat([table, table.assign(reader=2)], ignore_index=True)
    random, fixed = mrmc(alike), mrmc(alike, readers="fixed")
    assert random.differences[0].df == np.inf
    assert random.p_value == pytest.approx(fixed.p_value, abs=1e-12)
    assert random.p_value == pytest.approx(mrmc(table, readers="fixed").p_value, abs=1e-12)


def changed(column, row, value):
    table = study().astype({"rating": object, "truth": object, "reader": object, "case": object})
    table.loc[row, column] = value
    return table.infer_objects()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed("rating", 4, np.nan), "rating: nan at position 4"),
        (changed("rating", 4, np.inf), "rating: inf at position 4"),
        (changed("rating", 4, "high"), "rating: numbers are expected"),
        (changed("truth", 4, 2), "truth: 0 and 1 are expected, received 2"),
        (changed("truth", 4, np.nan), "truth: 0 and 1 are expected, received nan"),
        (study().assign(truth="yes"), "truth: 0 and 1 are expected, received 'yes'"),
        (changed("truth", 4, 0), "truth: case '5' has both 0 and 1; a case has one truth"),
        (changed("reader", 4, None), r"reader is empty in row 4 \(from 0\)"),
        (changed("case", 4, " "), r"case is empty in row 4 \(from 0\)"),
        (
            pd.concat([study(), study().iloc[[20]]]),
            "reader '2' has two readings of case '3' in treatment '1'; keep one",
        ),
        (study().drop(columns="reader"), "column 'reader' is missing; one row a reading is expected"),
        (study().iloc[:0], "the table has no rows"),
    ],
)
def test_tables_that_are_no_ratings_are_refused_in_one_line(table, message):
    with pytest.raises(CohortError, match=message) as caught:
        mrmc(table)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "accuracy"}, "metric: auc, sensitivity, specificity are the choices, received 'accuracy'"),
        ({"covariance": "bootstrap"}, "covariance: delong, jackknife, unbiased are the choices"),
        ({"readers": "some"}, "readers: 'random' or 'fixed' is expected, received 'some'"),
        ({"readers": "fixed", "cases": "fixed"}, "with both fixed there is nothing to infer to"),
        ({"confidence": 95}, "confidence: a number between 0 and 1 is expected"),
        ({"threshold": 3}, "threshold: the AUC has none"),
        ({"treatments": [1, 7]}, "treatments: 1, 7 received; name some of 1, 2, each once"),
        ({"treatments": [1, 1]}, "treatments: 1, 1 received"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        mrmc(study(), **options)


def test_ratings_without_a_threshold_are_no_calls():
    with pytest.raises(CohortError, match=r"reader '1' rated case '1' .*; calls are 0 or 1: give a threshold"):
        mrmc(study(), metric="specificity")
    table = study()
    calls = table.assign(rating=(table["rating"] >= 0.5).astype(int))
    found = mrmc(calls, metric="specificity"), mrmc(table, metric="specificity", threshold=0.5)
    assert found[0].means == found[1].means


def test_a_negative_unbiased_variance_is_refused_and_not_turned_into_a_number():
    table = study(readers=1, positive=3, negative=2)
    table["rating"] = [2, 3, 3, 1, 2, 1, 1, 2, 2, 3]  # found by trying: the estimate may fall below zero
    with pytest.raises(CohortError, match=r"is negative \(-0\.00694\); take covariance='jackknife' or 'delong'"):
        mrmc(table, covariance="unbiased", readers="fixed")
    assert mrmc(table, readers="fixed").differences[0].standard_error > 0


def test_nothing_in_the_json_form_is_infinite_or_not_a_number():
    for options in ({}, {"readers": "fixed"}, {"cases": "fixed"}, {"treatments": [1]}):
        written = json.loads(json.dumps(plain(mrmc(study(), **options)), allow_nan=False))
        assert written["means"][0]["treatment"] == "1"
    assert plain(mrmc(study(), readers="fixed"))["differences"][0]["df"] is None


def test_the_names_are_reached_from_the_room():
    for name in ("mrmc", "model_against_readers", "reading_times", "cohen_kappa", "fleiss_kappa", "read_ratings"):
        assert callable(getattr(alnus.evaluation, name))
