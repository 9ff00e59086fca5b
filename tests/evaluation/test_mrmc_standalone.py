"""A model against the readers' average, and reading times: against independent calculations, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alnus.errors import CohortError, UsageError
from alnus.evaluation import auc, compare_aucs, model_against_readers, mrmc, reading_times

RATINGS = pd.read_csv(Path(__file__).parents[1] / "reference" / "mrmc_ratings.csv")
ALONE = RATINGS[RATINGS["treatment"] == "alone"].drop(columns="treatment")


def scores(seed=2):
    cases = RATINGS.drop_duplicates("case")
    noise = np.random.default_rng(seed).normal(size=len(cases))
    return pd.DataFrame({"case": cases["case"], "score": np.round(cases["truth"] * 1.3 + noise, 1)})


def areas(truth, wide):
    positive, negative = wide[truth == 1], wide[truth == 0]
    return ((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)).mean(axis=(0, 1))


def by_hand():
    """Differences model less reader, and their covariance by leaving out each case: from all pairs, case by case."""
    wide = ALONE.pivot_table(index=["case", "truth"], columns="reader", values="rating").reset_index()
    wide = wide.merge(scores(), on="case")
    truth, values = wide["truth"].to_numpy(), wide[["score", "A", "B", "C"]].to_numpy(dtype=float)
    found = areas(truth, values)
    keep = [np.arange(len(truth)) != case for case in range(len(truth))]
    left = np.array([areas(truth[each], values[each]) for each in keep])
    differences = left[:, :1] - left[:, 1:]
    return found[0] - found[1:], (len(truth) - 1) ** 2 / len(truth) * np.cov(differences.T)


def test_the_difference_and_its_test_follow_the_documented_formula():
    differences, covariance = by_hand()
    r, square = 3, np.var(differences, ddof=1)
    cov2 = max(covariance[~np.eye(r, dtype=bool)].mean(), 0)
    error = math.sqrt(square / r + cov2)
    df = (square + r * cov2) ** 2 / (square**2 / (r - 1))
    found = model_against_readers(ALONE, scores(), covariance="jackknife")
    assert found.difference.estimate == pytest.approx(differences.mean(), abs=1e-12)
    assert found.difference.standard_error == pytest.approx(error, rel=1e-9)
    assert found.difference.df == pytest.approx(df, rel=1e-9)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(differences.mean()) / error, df), rel=1e-9)
    half = stats.t.ppf(0.975, df) * error
    assert found.difference.high - found.difference.low == pytest.approx(2 * half, rel=1e-9)
    assert found.components.cov2 == pytest.approx(covariance[~np.eye(r, dtype=bool)].mean(), rel=1e-9)
    assert [row.estimate for row in found.by_reader] == pytest.approx(list(differences), abs=1e-12)


def test_fixed_cases_give_the_one_sample_t_test_over_readers():
    differences, _ = by_hand()
    found = model_against_readers(ALONE, scores(), cases="fixed")
    assert found.p_value == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=1e-9)
    assert (found.components, found.model.low) == (None, None)


def test_fixed_readers_give_the_normal_test_of_the_average_difference():
    differences, covariance = by_hand()
    found = model_against_readers(ALONE, scores(), readers="fixed", covariance="jackknife")
    z = differences.mean() / math.sqrt(covariance.mean())
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


def test_against_one_fixed_reader_it_is_delongs_paired_test():
    one = ALONE[ALONE["reader"] == "A"]
    found = model_against_readers(one, scores(), readers="fixed")
    wide = one.merge(scores(), on="case")
    delong = compare_aucs(wide["truth"], wide["score"], wide["rating"])
    assert (found.difference.estimate, found.p_value) == pytest.approx((delong.estimate, delong.p_value), rel=1e-9)
    alone = auc(wide["truth"], wide["score"])
    assert (found.model.estimate, found.model.low) == pytest.approx((alone.estimate, alone.low), rel=1e-9)


def test_the_readers_mean_is_that_of_the_readers_by_themselves():
    (mean,) = mrmc(ALONE.assign(treatment="readers")).means
    assert vars(model_against_readers(ALONE, scores()).mean) == vars(mean)


def test_the_order_of_the_models_rows_does_not_matter():
    shuffled = scores().sample(frac=1, random_state=1)
    assert model_against_readers(ALONE, shuffled) == model_against_readers(ALONE, scores())


def test_cases_are_matched_by_name_where_numbers_stand_as_text():
    """As text 10 sorts before 2, so that the two tables order their cases differently."""
    written = scores().assign(case=lambda table: table["case"].astype(str))
    assert model_against_readers(ALONE, written) == model_against_readers(ALONE, scores())


def test_calls_of_the_model_have_a_threshold_of_their_own():
    found = model_against_readers(ALONE, scores(), metric="sensitivity", threshold=3, model_threshold=0.8)
    positive = scores().merge(ALONE[ALONE["reader"] == "A"], on="case").query("truth == 1")
    assert found.model.estimate == pytest.approx((positive["score"] >= 0.8).mean())


@pytest.mark.parametrize(
    ("ratings", "given", "message"),
    [
        (ALONE, scores().iloc[1:], "the model has no score of case '1'; both must have judged the same 40 cases"),
        (ALONE[ALONE["case"] > 1], scores(), "no reader has read case '1'"),
        (
            ALONE,
            pd.concat([scores(), scores().iloc[:1]]),
            "has two readings of case '1' in treatment 'model'; keep one",
        ),
        (ALONE, scores().rename(columns={"score": "p"}), "column 'score' is missing"),
        (ALONE, scores().assign(score=np.nan), "score: nan at position 0"),
        (RATINGS, scores(), "treatments alone, model; a model is compared with the readers of one"),
        (ALONE.drop(columns="case"), scores(), "column 'case' is missing"),
    ],
)
def test_a_model_that_judged_other_cases_is_refused(ratings, given, message):
    with pytest.raises(CohortError, match=message):
        model_against_readers(ratings, given)


def test_options_are_checked_as_for_treatments():
    with pytest.raises(UsageError, match="with both fixed"):
        model_against_readers(ALONE, scores(), readers="fixed", cases="fixed")
    with pytest.raises(UsageError, match="metric: auc"):
        model_against_readers(ALONE, scores(), metric="f1")


def timed(seed=3, *, faster=0.8):
    rng = np.random.default_rng(seed)
    logs = rng.normal(3, 0.4, len(RATINGS)) + RATINGS["reader"].map({"A": -0.2, "B": 0.0, "C": 0.3})
    shorter = np.where(RATINGS["treatment"] == "model", np.log(faster), 0.0)
    return RATINGS.assign(time_s=np.exp(logs + shorter)).drop(columns=["truth", "rating"])


def test_the_ratio_of_reading_times_is_that_of_geometric_means_with_the_mixed_models_test():
    """F = MS(T) / (MS(TR) + max(MS(TC) - MS(TRC), 0)) of the three-factor analysis of variance of log times."""
    table = timed()
    logs = np.log(table.pivot_table(index="case", columns=["treatment", "reader"], values="time_s").to_numpy())
    y = logs.reshape(-1, 2, 3)  # (cases, treatments, readers)
    c, t, r = y.shape
    mean = y.mean()
    ct, cr, tr = y.mean(axis=2), y.mean(axis=1), y.mean(axis=0)
    mc, mt, mr = ct.mean(axis=1), tr.mean(axis=1), tr.mean(axis=0)
    ms_t = c * r * ((mt - mean) ** 2).sum() / (t - 1)
    ms_tr = c * ((tr - mt[:, None] - mr + mean) ** 2).sum() / ((t - 1) * (r - 1))
    ms_tc = r * ((ct - mc[:, None] - mt + mean) ** 2).sum() / ((t - 1) * (c - 1))
    rest = y - ct[:, :, None] - cr[:, None, :] - tr + mc[:, None, None] + mt[:, None] + mr - mean
    ms_trc = (rest**2).sum() / ((t - 1) * (r - 1) * (c - 1))
    bottom = ms_tr + max(ms_tc - ms_trc, 0)
    df = bottom**2 / (ms_tr**2 / ((t - 1) * (r - 1)))
    found = reading_times(table)
    assert found.equality.statistic == pytest.approx(ms_t / bottom, rel=1e-9)
    assert found.p_value == pytest.approx(stats.f.sf(ms_t / bottom, t - 1, df), rel=1e-9)
    (ratio,) = found.ratios
    assert ratio.estimate == pytest.approx(math.exp(mt[0] - mt[1]), rel=1e-12)
    assert [row.estimate for row in found.means] == pytest.approx(list(np.exp(mt)), rel=1e-12)
    assert ratio.low < ratio.estimate < ratio.high


def test_times_in_other_units_give_the_same_ratios():
    seconds, minutes = timed(), timed().assign(time_s=lambda table: table["time_s"] / 60)
    assert reading_times(minutes).p_value == pytest.approx(reading_times(seconds).p_value, rel=1e-9)
    assert reading_times(minutes).means[0].estimate == pytest.approx(reading_times(seconds).means[0].estimate / 60)


def test_times_may_be_missing_and_need_no_truth():
    found = reading_times(timed().drop(index=[5, 60]))
    assert (found.study.missing, found.study.positive) == (2, None)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_times_that_are_not_above_zero_are_refused(value):
    table = timed()
    table.loc[4, "time_s"] = value
    with pytest.raises(CohortError, match=rf"reader 'A' took {value:g} s for case '5' in treatment 'alone'"):
        reading_times(table)


def test_one_case_gives_no_times_over_cases():
    table = timed()
    with pytest.raises(CohortError, match="read 1 cases in treatment 'alone', but at least 2 are needed"):
        reading_times(table[table["case"] == 1])
