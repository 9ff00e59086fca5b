"""The AUC's other intervals, the unpaired test and several videos a patient: against R, the definition and the null."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation import (
    Estimate,
    auc,
    clustered_auc,
    compare_aucs,
    compare_clustered_aucs,
    compare_independent_aucs,
)

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = pd.read_csv(REFERENCE / "statistics_expected.csv").set_index(["what", "case"])["value"].astype(float)
CASES = dict(list(pd.read_csv(REFERENCE / "proc_cases.csv").groupby("case")))


@pytest.mark.parametrize("case", [case for case in CASES if ("logit low", case) in EXPECTED.index])
def test_the_logit_interval_is_that_of_procs_variance(case):
    found = auc(CASES[case]["label"], CASES[case]["a"], interval="logit")
    assert found.low == pytest.approx(EXPECTED["logit low", case], abs=1e-9)
    assert found.high == pytest.approx(EXPECTED["logit high", case], abs=1e-9)
    assert 0 < found.low < found.estimate < found.high < 1


def test_the_score_interval_ends_where_the_observed_auc_lies_z_standard_errors_away():
    """Newcombe's equation, checked at both ends with his variance written out from Hanley and McNeil's Q1 and Q2."""
    table = CASES["set A's size"]
    found = auc(table["label"], table["a"], interval="score")
    m, n = int(table["label"].sum()), int((1 - table["label"]).sum())
    for true in (found.low, found.high):
        q1, q2 = true / (2 - true), 2 * true**2 / (1 + true)
        mean = (m + n) / 2 - 1
        variance = (true * (1 - true) + mean * (q1 - true**2) + mean * (q2 - true**2)) / (m * n)
        assert abs(found.estimate - true) / np.sqrt(variance) == pytest.approx(stats.norm.ppf(0.975), abs=1e-6)


@pytest.mark.parametrize("interval", ["logit", "score"])
def test_perfect_separation_still_has_a_width_on_the_other_scales(interval):
    perfect = auc([0] * 40 + [1] * 21, range(61), interval=interval)
    inverted = auc([1] * 21 + [0] * 40, range(61), interval=interval)
    assert (perfect.estimate, perfect.high, inverted.estimate, inverted.low) == (1, 1, 0, 0)
    assert 0.85 < perfect.low < 0.98
    assert inverted.high == pytest.approx(1 - perfect.low, abs=1e-9)


def test_scores_all_equal_and_two_patients_a_class_have_an_interval_on_the_logit_scale():
    equal = auc([0, 0, 1, 1], [7, 7, 7, 7], interval="logit")
    assert equal.estimate == 0.5
    assert 0 < equal.low < 0.2
    assert equal.high == pytest.approx(1 - equal.low, abs=1e-9)


def test_an_unknown_interval_is_refused():
    with pytest.raises(UsageError, match="interval: 'wald' is not one of delong, logit, score"):
        auc([0, 0, 1, 1], [1, 2, 3, 4], interval="wald")
    with pytest.raises(UsageError, match="interval: 'score' is not plain or logit"):
        clustered_auc([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4], interval="score")


@pytest.mark.parametrize("pair", sorted({case for what, case in EXPECTED.index if what == "unpaired t"}))
def test_the_unpaired_test_is_that_of_proc(pair):
    a, b = (CASES[name] for name in pair.split(" | "))
    found = compare_independent_aucs(a["label"], a["a"], b["label"], b["a"])
    assert found.t == pytest.approx(EXPECTED["unpaired t", pair], abs=1e-9)
    assert found.df == pytest.approx(EXPECTED["unpaired df", pair], rel=1e-9)
    assert found.p_value == pytest.approx(EXPECTED["unpaired p", pair], abs=1e-9)
    assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)


def test_two_perfect_aucs_differ_by_nothing_and_a_difference_without_variance_is_refused():
    perfect, useless = ([0, 0, 1, 1], [1, 2, 3, 4]), ([0, 0, 1, 1], [5, 5, 5, 5])
    found = compare_independent_aucs(*perfect, *perfect)
    assert (found.estimate, found.low, found.high, found.t, found.p_value) == (0, 0, 0, 0, 1)
    with pytest.raises(CohortError, match=r"differ by 0\.500 with a variance of zero"):
        compare_independent_aucs(*perfect, *useless)


def test_under_the_null_the_unpaired_test_rejects_five_in_a_hundred():
    rng = np.random.default_rng(3)
    labels = np.repeat([1, 0], [40, 60])
    scores = rng.normal(size=(2, 3000, 100)) + labels
    rejected = sum(compare_independent_aucs(labels, a, labels, b).p_value < 0.05 for a, b in zip(*scores, strict=True))
    assert 0.038 < rejected / 3000 < 0.062


@pytest.mark.parametrize("case", [case for case in CASES if case != "AUC 1"])
def test_with_one_video_a_patient_the_clustered_auc_is_delongs(case):
    table = CASES[case]
    found, plain = clustered_auc(table["label"], table["a"], table.index), auc(table["label"], table["a"])
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-9)
    assert found.standard_error == pytest.approx(plain.standard_error, abs=1e-12)
    logit = clustered_auc(table["label"], table["a"], table.index, interval="logit")
    assert logit.low == pytest.approx(auc(table["label"], table["a"], interval="logit").low, abs=1e-9)
    pair = compare_clustered_aucs(table["label"], table["a"], table["b"], table.index)
    assert pair.p_value == pytest.approx(compare_aucs(table["label"], table["a"], table["b"]).p_value, abs=1e-9)


def obuchowski(labels, scores, patients):
    """Her variance from the definition: every pair of videos compared, every patient summed in a loop."""
    kernel = lambda x, y: float(x > y) + 0.5 * float(x == y)  # noqa: E731 - a formula
    positive, negative = scores[labels == 1], scores[labels == 0]
    area = np.mean([[kernel(x, y) for y in negative] for x in positive])
    rows = []
    for patient in np.unique(patients):
        xs, ys = (scores[(patients == patient) & (labels == kind)] for kind in (1, 0))
        v10 = sum(np.mean([kernel(x, y) for y in negative]) - area for x in xs)
        v01 = sum(np.mean([kernel(x, y) for x in positive]) - area for y in ys)
        rows.append((v10, v01, len(xs) > 0, len(ys) > 0))
    v10, v01, has_x, has_y = np.array(rows).T
    m, n, patients_in_all = len(positive), len(negative), len(rows)
    s10 = has_x.sum() / ((has_x.sum() - 1) * m) * np.sum(v10**2)
    s01 = has_y.sum() / ((has_y.sum() - 1) * n) * np.sum(v01**2)
    s11 = patients_in_all / (patients_in_all - 1) * np.sum(v10 * v01)
    return area, np.sqrt(s10 / m + s01 / n + 2 * s11 / (m * n))


@pytest.mark.parametrize("mixed", [False, True])
def test_the_clustered_auc_follows_the_definition(mixed):
    rng = np.random.default_rng(8)
    patients = rng.integers(0, 14, 60)
    labels = rng.integers(0, 2, 60) if mixed else (patients % 3 == 0).astype(int)
    scores = np.round(rng.normal(size=14)[patients] + labels + rng.normal(size=60), 1)
    area, error = obuchowski(labels, scores, patients)
    found = clustered_auc(labels, scores, [f"p{number}" for number in patients])
    assert (found.estimate, found.standard_error) == pytest.approx((area, error), abs=1e-12)


def test_four_videos_of_each_patient_are_not_four_patients():
    """The same video four times: the clustered interval is that of the patients; the plain one is half as wide."""
    table = CASES["many"]
    four = pd.concat([table] * 4)
    patients = np.tile(np.arange(len(table)), 4)
    once, plain = auc(table["label"], table["a"]), auc(four["label"], four["a"])
    clustered = clustered_auc(four["label"], four["a"], patients)
    assert clustered.standard_error == pytest.approx(once.standard_error, rel=1e-9)
    assert plain.standard_error == pytest.approx(once.standard_error / 2, rel=0.02)


def test_under_the_null_the_clustered_test_keeps_its_rate_where_the_plain_one_does_not():
    rng = np.random.default_rng(12)
    labels, patients = np.repeat([1, 0], [120, 180]), np.arange(300) // 3  # 40 and 60 patients, three videos each
    rejected = {"clustered": 0, "plain": 0}
    for _ in range(1500):
        noise = rng.normal(size=(2, 100))[:, patients] + 0.5 * rng.normal(size=(2, 300))
        a, b = noise + labels
        rejected["clustered"] += compare_clustered_aucs(labels, a, b, patients).p_value < 0.05
        rejected["plain"] += compare_aucs(labels, a, b).p_value < 0.05
    assert 0.035 < rejected["clustered"] / 1500 < 0.067
    assert rejected["plain"] / 1500 > 0.15


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        ([1, 3, 2, 3, 3], "videos with metastasis are of 2 and without of 1 patients"),
        (["a", "", "b", "c", "d"], r"patients: position 1 \(from 0\) is empty"),
        ([1, np.nan, 2, 3, 4], "patients: position 1"),
        ([1, 2], "patients: 2 values for 5 labels"),
        ([[1, 2, 3, 4, 5]], "one value a row is expected"),
    ],
)
def test_patients_that_cannot_be_told_apart_are_refused(patients, message):
    with pytest.raises(CohortError, match=message):
        clustered_auc([1, 0, 1, 0, 0], [1, 2, 3, 4, 5], patients)


def test_clustered_scores_that_rank_alike_have_p_one_and_constant_ones_against_perfect_ones_none():
    labels, scores, patients = [0, 1, 0, 1, 1], [1, 2, 3, 4, 0], [1, 2, 3, 4, 5]
    found = compare_clustered_aucs(labels, scores, np.multiply(scores, 10), patients)
    assert (found.estimate, found.low, found.high, found.z, found.p_value) == (0, 0, 0, 0, 1)
    with pytest.raises(CohortError, match="variance of zero"):
        compare_clustered_aucs([0, 0, 1, 1], [1, 2, 3, 4], [7, 7, 7, 7], [1, 2, 3, 4])
    assert clustered_auc([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4]) == Estimate(1.0, 1.0, 1.0, 0.0)
