"""Clinical variables with the score: what is learnt where, no leakage, and a frozen model."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alnus.errors import CohortError, UsageError
from alnus.evaluation import Fusion, auc, cross_validated, fit_fusion


def cohort(seed=1, patients=240):
    rng = np.random.default_rng(seed)
    size, score = rng.normal(size=(2, patients))
    grade = rng.choice(["G1", "G2", "G3"], patients)
    odds = 1.2 * size + 1.0 * score + np.where(grade == "G3", 1.0, -0.3)
    labels = rng.random(patients) < 1 / (1 + np.exp(-odds))
    return labels, pd.DataFrame({"size_mm": 20 + 6 * size, "score": score, "grade": grade})


LABELS, TABLE = cohort()


def test_the_fit_is_scikit_learns_on_standardised_variables():
    table = TABLE[["size_mm", "score"]]
    fitted = fit_fusion(LABELS, table, strengths=[0.5])
    other = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, tol=1e-8)).fit(table.to_numpy(), LABELS)
    assert fitted.apply(table) == pytest.approx(other.predict_proba(table.to_numpy())[:, 1], abs=1e-6)


def test_the_clinical_variables_add_to_the_score_on_held_out_patients():
    together, alone = (
        cross_validated(LABELS, table, strengths=[0.1, 1.0], folds=4) for table in (TABLE, TABLE[["score"]])
    )
    assert auc(LABELS, together).estimate > auc(LABELS, alone).estimate + 0.05


def test_many_noise_variables_and_few_patients_give_chance_out_of_sample_and_not_within():
    """30 noise variables, 40 patients, 10 studies: nearly perfect where fitted, a coin where not."""
    within, without = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.arange(40) % 2)
        table = pd.DataFrame(rng.normal(size=(40, 30)), columns=[f"noise_{i}" for i in range(30)])
        table = table.mask(rng.random(table.shape) < 0.1)
        without.append(auc(labels, cross_validated(labels, table, strengths=[0.1, 10.0], folds=3)).estimate)
        within.append(auc(labels, fit_fusion(labels, table, strengths=[10.0]).apply(table)).estimate)
    assert np.mean(within) > 0.95
    assert 0.42 < np.mean(without) < 0.58


def test_a_held_out_patient_teaches_nothing_not_even_a_median():
    """Changing one patient's variables changes no other patient of his own fold."""
    table = TABLE.copy()
    table.loc[5:40, "size_mm"] = np.nan
    before = cross_validated(LABELS, table, strengths=[1.0])
    changed = table.copy()
    changed.loc[0, ["size_mm", "grade"]] = [9000.0, "G9"]
    after = cross_validated(LABELS, changed, strengths=[1.0])
    same = np.flatnonzero(before == after)
    assert 40 < len(same) < 56  # his fold: a fifth of 240, himself excepted


def test_the_videos_of_one_patient_share_a_fold():
    """Each patient three times with a unique noise signature: were his videos parted, he would be recognised."""
    rng = np.random.default_rng(3)
    signature = rng.normal(size=(30, 25))
    patients = np.repeat(np.arange(30), 3)
    labels = rng.permutation(np.arange(30) % 2)[patients]
    table = pd.DataFrame(signature[patients], columns=[f"v{i}" for i in range(25)])
    together = auc(labels, cross_validated(labels, table, patients=patients, strengths=[10.0])).estimate
    parted = auc(labels, cross_validated(labels, table, strengths=[10.0])).estimate
    assert together < 0.8 < 0.95 < parted


def test_missing_numbers_are_the_median_and_missing_or_unknown_levels_no_level():
    table = TABLE.copy()
    table.loc[0, "size_mm"] = np.nan
    table.loc[1, "grade"] = None
    fitted = fit_fusion(LABELS, table, strengths=[1.0])
    size, _, grade = fitted.terms
    assert size.median == pytest.approx(table["size_mm"].median())
    assert grade.levels == ("G1", "G2", "G3")
    row = pd.DataFrame({"size_mm": [size.median, np.nan], "score": [0.2, 0.2], "grade": ["G9", None]})
    found = fitted.apply(row)
    assert found[0] == found[1]


def test_a_fusion_survives_json_to_the_last_digit():
    fitted = fit_fusion(LABELS, TABLE)
    again = Fusion.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again == fitted
    assert np.array_equal(again.apply(TABLE), fitted.apply(TABLE))


def test_a_constant_column_changes_nothing():
    constant = TABLE.assign(same=7.0)
    assert fit_fusion(LABELS, constant, strengths=[1.0]).apply(constant) == pytest.approx(
        fit_fusion(LABELS, TABLE, strengths=[1.0]).apply(TABLE), abs=1e-6
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fit_fusion(LABELS[:5], TABLE), CohortError, "240 values for 5 labels"),
        (lambda: fit_fusion([1, 0, 0, 0], TABLE[:4]), CohortError, "at least 5 of each are needed"),
        (lambda: fit_fusion(LABELS, TABLE.assign(age=np.nan)), CohortError, "column age holds nothing"),
        (lambda: fit_fusion(LABELS, TABLE.assign(age=np.inf)), CohortError, "column age holds an infinite"),
        (lambda: fit_fusion(LABELS, TABLE, folds=1), UsageError, "folds: at least 2"),
        (lambda: fit_fusion(LABELS, TABLE).apply(TABLE[["score"]]), CohortError, "lacks the column size_mm"),
        (lambda: Fusion.from_json({}), UsageError, "fusion: expected intercept"),
    ],
)  # fmt: skip
def test_what_cannot_be_fused_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
