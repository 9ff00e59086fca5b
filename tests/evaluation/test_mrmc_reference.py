"""Reader studies against R (pROC, aov, brute force: tests/reference/mrmc.R), their limits and their invariances."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alnus.evaluation import auc, compare_aucs, mrmc
from alnus.evaluation.readers.roe_metz import as_table, simulated_ratings

REFERENCE = Path(__file__).parents[1] / "reference"
RATINGS = pd.read_csv(REFERENCE / "mrmc_ratings.csv")
EXPECTED = pd.read_csv(REFERENCE / "mrmc_expected.csv")
TABLES = {"complete": RATINGS, "incomplete": RATINGS[RATINGS["kept"] == 1]}
CALLS_FROM = 3


def close(value):
    return pytest.approx(value, abs=1e-12, rel=1e-9)


def analysed(expected, **options):
    threshold = None if expected.metric == "auc" else CALLS_FROM
    table = TABLES[expected.table]
    return mrmc(table, metric=expected.metric, covariance=expected.covariance, threshold=threshold, **options)


@pytest.mark.parametrize(
    "expected", list(EXPECTED.itertuples()), ids=lambda row: f"{row.table}-{row.metric}-{row.covariance}"
)
def test_components_tests_and_errors_are_those_of_r(expected):
    found = analysed(expected)
    for name in ("reader", "treatment_reader", "error", "cov1", "cov2", "cov3"):
        assert getattr(found.components, name) == close(getattr(expected, name)), name
    (difference,) = found.differences
    assert (difference.treatment_a, difference.treatment_b) == ("alone", "model")
    assert difference.estimate == close(expected.difference)
    assert difference.standard_error == close(expected.error_random)
    assert difference.df == close(expected.df)
    assert (difference.p_value, found.p_value) == close((expected.p_random,) * 2)
    assert analysed(expected, readers="fixed").p_value == close(expected.p_fixed_readers)
    assert analysed(expected, cases="fixed").p_value == close(expected.p_fixed_cases)


@pytest.mark.parametrize("method", ["delong", "unbiased"])
def test_for_calls_of_cases_that_all_have_read_the_methods_agree(method):
    jackknife = mrmc(RATINGS, metric="sensitivity", covariance="jackknife", threshold=CALLS_FROM).components
    found = mrmc(RATINGS, metric="sensitivity", covariance=method, threshold=CALLS_FROM).components
    assert vars(found) == {name: close(value) for name, value in vars(jackknife).items()}


def one_reader(rows):
    wide = rows.pivot_table(index=["case", "truth"], columns="treatment", values="rating").reset_index()
    return wide["truth"], wide["alone"], wide["model"]


def test_a_single_fixed_reader_gives_delongs_paired_test():
    rows = RATINGS[RATINGS["reader"] == "A"]
    found, delong = mrmc(rows, readers="fixed"), compare_aucs(*one_reader(rows))
    (difference,) = found.differences
    assert (difference.estimate, difference.low, difference.high) == close((delong.estimate, delong.low, delong.high))
    assert (found.p_value, difference.p_value) == close((delong.p_value,) * 2)
    assert found.components.cov2 is found.components.reader is None


def test_one_treatment_of_one_fixed_reader_gives_delongs_interval():
    rows = RATINGS[(RATINGS["reader"] == "A") & (RATINGS["treatment"] == "alone")]
    found, delong = mrmc(rows, readers="fixed"), auc(rows["truth"], rows["rating"])
    (mean,) = found.means
    assert (mean.estimate, mean.low, mean.high) == close((delong.estimate, delong.low, delong.high))
    assert (found.p_value, found.equality, found.differences) == (None, None, ())


def test_one_treatment_has_the_mean_and_interval_that_it_has_beside_another():
    both = mrmc(RATINGS)
    for mean in both.means:
        (alone,) = mrmc(RATINGS, treatments=[mean.treatment]).means
        assert vars(alone) == vars(mean)


def test_a_mean_tested_against_the_end_of_its_interval_has_p_five_hundredths():
    (mean,) = mrmc(RATINGS, treatments=["alone"]).means
    found = mrmc(RATINGS, treatments=["alone"], against=mean.low)
    assert found.p_value == found.means[0].p_value == pytest.approx(0.05, abs=1e-9)


def test_with_two_treatments_the_f_test_is_the_difference_squared():
    found = mrmc(RATINGS)
    assert found.differences[0].statistic ** 2 == close(found.equality.statistic)
    assert found.differences[0].p_value == close(found.p_value)


def test_treatments_are_compared_in_the_order_asked_for():
    forward, backward = mrmc(RATINGS), mrmc(RATINGS, treatments=["model", "alone"])
    assert backward.study.treatments == ("model", "alone")
    assert backward.differences[0].estimate == -forward.differences[0].estimate
    assert backward.p_value == close(forward.p_value)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_neither_the_order_of_rows_nor_a_monotone_scale_nor_other_names_change_anything(seed):
    rng = np.random.default_rng(seed)
    rows = TABLES["incomplete"].iloc[rng.permutation(len(TABLES["incomplete"]))]
    changed = rows.assign(
        rating=np.exp(rows["rating"]), case="case " + rows["case"].astype(str), reader=rows["reader"] + "!"
    )
    for method in ("jackknife", "unbiased"):
        found, again = mrmc(TABLES["incomplete"], covariance=method), mrmc(changed, covariance=method)
        assert vars(again.components) == {name: close(value) for name, value in vars(found.components).items()}
        assert again.p_value == close(found.p_value)


def naive_covariance(table):
    """The delete-one jackknife of every reader's AUC, each AUC anew from all pairs."""

    def areas(rows):
        found = []
        for _, group in rows.groupby(["treatment", "reader"]):
            positive, negative = (group.loc[group["truth"] == kind, "rating"].to_numpy() for kind in (1, 0))
            found.append(((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)).mean())
        return found

    left = np.array([areas(table[table["case"] != case]) for case in table["case"].unique()])
    return (len(left) - 1) ** 2 / len(left) * np.cov(left.T)


@pytest.mark.parametrize("levels", [3, 1000])
def test_the_jackknife_is_what_leaving_out_each_case_gives(levels):
    rng = np.random.default_rng(levels)
    ratings = np.round(simulated_ratings(rng, (1.0, 1.0), readers=2, positive=6, negative=9) * levels / 3)
    ratings[rng.random(ratings.shape) < 0.1] = np.nan
    table = as_table(ratings, 6).dropna()
    naive, found = naive_covariance(table), mrmc(table, covariance="jackknife").components
    assert found.error == close(np.diag(naive).mean())
    assert found.cov1 == close((naive[0, 2] + naive[1, 3]) / 2)
    assert found.cov2 == close((naive[0, 1] + naive[2, 3]) / 2)
    assert found.cov3 == close((naive[0, 3] + naive[1, 2]) / 2)


def test_a_wider_confidence_gives_a_wider_interval():
    narrow, wide = mrmc(RATINGS, confidence=0.9), mrmc(RATINGS, confidence=0.99)
    assert wide.differences[0].low < narrow.differences[0].low < narrow.differences[0].high < wide.differences[0].high
    assert math.isfinite(wide.differences[0].df)


@pytest.mark.parametrize(("method", "limit_s"), [("delong", 1.5), ("jackknife", 1.5), ("unbiased", 3.0)])
def test_twenty_readers_in_two_treatments_of_five_thousand_cases_take_a_second_or_so(method, limit_s):
    ratings = simulated_ratings(np.random.default_rng(0), (1.5, 1.7), readers=20, positive=2500, negative=2500)
    table, best = as_table(ratings, 2500), math.inf
    for _ in range(3):
        start = time.process_time()
        mrmc(table, covariance=method)
        best = min(best, time.process_time() - start)
        if best < limit_s:
            break
    assert best < limit_s
