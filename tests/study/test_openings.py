"""The log of when each test set was evaluated, and with what."""

from __future__ import annotations

import pandas as pd

from alnus.evaluation.summary.words import opening_lines
from alnus.study.openings import note_openings
from alnus.study.run import Run


def results(sha="a" * 64):
    return {"thresholds_sha256": sha, "sets": {"val": {"patients": 9}, "test_a": {"patients": 61}}}


def test_a_set_is_opened_once_however_often_it_is_evaluated_alike(tmp_path):
    run = Run.open(tmp_path / "run", seed=0, command="alnus study")
    run.path("predictions.csv").write_text("x\n")
    first = note_openings(run, results())
    assert note_openings(run, results()) == first
    assert [(row["set"], row["number"], row["patients"]) for row in first] == [("test_a", 1, 61)]
    assert opening_lines({"openings": first}, {}) == []
    assert list(pd.read_csv(run.path("openings.csv"))["set"]) == ["test_a"]
    run.close()


def test_other_thresholds_and_other_predictions_open_it_again_and_the_results_say_so(tmp_path):
    run = Run.open(tmp_path / "run", seed=0, command="alnus study")
    run.path("predictions.csv").write_text("x\n")
    note_openings(run, results())
    note_openings(run, results("b" * 64))
    run.path("predictions.csv").write_text("y\n")
    found = note_openings(run, results("b" * 64))
    assert [row["number"] for row in found] == [1, 2, 3]
    [line] = opening_lines({"openings": found}, {"test_a": "Testing set A"})
    assert line.startswith("Testing set A was evaluated 3 times with different thresholds or predictions")
    run.close()
