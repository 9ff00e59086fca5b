"""Thresholds: chosen on validation patients, frozen, applied to the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alnus.errors import CohortError
from alnus.evaluation import apply_thresholds, freeze_thresholds


def rows(source, split, labels, scores, *, fold=None, prefix=None):
    count = len(labels)
    return pd.DataFrame(
        {
            "patient_id": [f"{prefix or split}{index}" for index in range(count)],
            "video": "v",
            "split": split,
            "label": labels,
            "source": source,
            "score": scores,
            "call": np.nan,
            "fold": fold,
        }
    ).astype({"fold": float})


VALIDATION = rows("tin", "val", [0, 0, 1, 1], [0.1, 0.3, 0.7, 0.8])
TEST = rows("tin", "test_a", [0, 1, 0, 1], [0.2, 0.4, 0.6, 0.9])


def test_a_threshold_comes_from_validation_and_never_from_the_test_patients():
    frozen = freeze_thresholds(pd.concat([VALIDATION, TEST]))
    assert frozen == {"tin": pytest.approx(0.5)}
    shifted = TEST.assign(score=TEST["score"] + 5)
    assert freeze_thresholds(pd.concat([VALIDATION, shifted])) == frozen


def test_the_call_is_filled_for_every_row_of_a_patient():
    second = TEST.assign(video="w", score=[0.9, 0.0, 0.1, 0.9])
    table = pd.concat([VALIDATION, TEST, second])
    called = apply_thresholds(table, freeze_thresholds(table))
    of_test = called[called["split"] == "test_a"].groupby("patient_id")["call"]
    assert of_test.nunique().eq(1).all()
    assert of_test.first().tolist() == [1, 0, 0, 1]  # means .55 .2 .35 .9 against .5
    assert apply_thresholds(table, {"tin": 0.5}, aggregation="max")["call"].iloc[4:8].tolist() == [1, 0, 1, 1]


def test_applying_keeps_the_rows_their_order_and_the_further_columns():
    table = pd.concat([TEST.assign(scanner=list("abcd")), VALIDATION.assign(scanner="e")])
    called = apply_thresholds(table, {"tin": 0.5})
    assert called["patient_id"].tolist() == table["patient_id"].tolist()
    assert called["scanner"].tolist() == table["scanner"].tolist()


def test_a_score_on_the_threshold_is_positive():
    assert apply_thresholds(TEST, {"tin": 0.6})["call"].tolist() == [0, 0, 1, 1]


def test_a_source_of_calls_is_cut_by_its_own_call():
    reader = rows("reader", "test_a", [0, 1, 0, 1], [0, 1, 1, 1])
    frozen = freeze_thresholds(reader)
    assert frozen == {"reader": 0.5}
    assert apply_thresholds(reader, frozen)["call"].tolist() == [0, 1, 1, 1]


def test_an_ordinal_reader_is_cut_by_validation_or_not_at_all():
    reader = rows("reader", "test_a", [0, 1, 0, 1], [1, 4, 2, 5])
    assert freeze_thresholds(reader) == {}
    validation = rows("reader", "val", [0, 0, 1, 1], [1, 2, 4, 4])
    assert freeze_thresholds(pd.concat([reader, validation])) == {"reader": 3.0}


def test_validation_of_one_class_freezes_nothing():
    assert freeze_thresholds(pd.concat([VALIDATION[:2], TEST])) == {}


FOLDS = pd.concat(
    [
        rows("tin", "val", [0, 1], [0.2, 0.4], fold=0, prefix="a"),
        rows("tin", "folds", [0, 1], [0.5, 0.25], fold=0, prefix="b"),
        rows("tin", "val", [0, 1], [0.6, 0.8], fold=1, prefix="b"),
        rows("tin", "folds", [0, 1], [0.5, 0.75], fold=1, prefix="a"),
    ]
)


def test_each_fold_is_cut_by_its_own_validation():
    frozen = freeze_thresholds(FOLDS)
    assert frozen == {"tin": {0: pytest.approx(0.3), 1: pytest.approx(0.7)}}
    called = apply_thresholds(FOLDS, frozen)
    assert called.loc[called["split"] == "folds", "call"].tolist() == [1, 0, 0, 1]


def test_a_fold_without_a_threshold_is_refused():
    with pytest.raises(CohortError, match="thresholds: 'tin' has none for fold 1"):
        apply_thresholds(FOLDS, {"tin": {0: 0.3}})


def test_a_threshold_for_an_unknown_source_is_refused():
    with pytest.raises(CohortError, match="'tim' is no source of the table; its sources are tin"):
        apply_thresholds(TEST, {"tim": 0.3})
