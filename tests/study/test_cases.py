"""Which cases are explained."""

from __future__ import annotations

import pandas as pd

from alnus.study.cases import explained_cases


def predictions(wrong: int, right: int) -> pd.DataFrame:
    rows = [
        {"patient_id": f"P{k:02d}", "video": f"{k}.avi", "label": k % 2, "call": 1 - k % 2 if k < wrong else k % 2}
        for k in range(wrong + right)
    ]
    return pd.DataFrame(rows).assign(source="tin", split="test_a", score=[k / 100 for k in range(wrong + right)])


def test_every_wrong_case_is_explained_unless_there_are_too_many() -> None:
    table = predictions(wrong=9, right=20)
    some = explained_cases(table, cases=2, sets=("test_a",), wrong=6)
    assert some["kind"].value_counts().to_dict() == {"FP": 3, "FN": 3, "TP": 2, "TN": 2}
    assert explained_cases(table, cases=2, sets=("test_a",), wrong="all")["kind"].isin(["FP", "FN"]).sum() == 9
    assert explained_cases(table, cases=2, sets=("test_a",)).groupby("kind").size().to_dict() == {
        "FN": 2, "FP": 2, "TN": 2, "TP": 2,
    }  # fmt: skip
    assert some[some["leads"]].groupby("kind").size().eq(2).all()


def test_the_most_confident_wrong_cases_come_first() -> None:
    some = explained_cases(predictions(wrong=9, right=0), cases=0, sets=("test_a",), wrong=2)
    assert sorted(some["patient_id"]) == ["P01", "P08"]  # the lowest score called negative, the highest called positive
