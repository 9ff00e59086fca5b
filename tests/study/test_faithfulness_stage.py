"""Which test cases the heatmaps are tested on, and that a study's results and report say what was found."""

from __future__ import annotations

import json
import shutil

import jsonschema
import pandas as pd
import pytest
from typer.testing import CliRunner

from alnus.cli import app
from alnus.evaluation import results_schema
from alnus.study.faithfulness import sampled


def predictions(patients=30):
    rows = [
        {
            "patient_id": f"P{k:02d}",
            "video": f"{k}.avi",
            "split": split,
            "source": source,
            "score": k / 99,
            "call": k % 2,
        }
        for source in ("tin", "image")
        for split, first in (("test_a", 0), ("val", 40), ("test_b", 70))
        for k in range(first, first + patients)
    ]
    return pd.DataFrame(rows).assign(kind="model", label=1, fold=-1)


def test_the_same_patients_of_each_test_set_are_drawn_for_every_network():
    chosen = sampled(predictions(), cases=7, seed=3)
    assert chosen.groupby(["source", "split"]).size().to_dict() == {
        ("image", "test_a"): 7, ("image", "test_b"): 7, ("tin", "test_a"): 7, ("tin", "test_b"): 7,
    }  # fmt: skip
    order = {key: rows["patient_id"].tolist() for key, rows in chosen.groupby(["source", "split"])}
    assert order["tin", "test_a"] == order["image", "test_a"]
    assert order["tin", "test_a"] != sorted(order["tin", "test_a"])
    assert chosen["place"].max() == 6


def test_a_smaller_sample_is_the_beginning_of_a_larger_one_and_the_seed_changes_it():
    few, more = (sampled(predictions(), cases=n, seed=3).query("source == 'tin' and split == 'test_a'") for n in (4, 9))
    assert few["patient_id"].tolist() == more["patient_id"].tolist()[:4]
    other = sampled(predictions(), cases=4, seed=4).query("source == 'tin' and split == 'test_a'")
    assert other["patient_id"].tolist() != few["patient_id"].tolist()
    assert len(sampled(predictions(), cases="all", seed=3)) == 120


def test_of_a_patients_videos_the_one_that_speaks_most_for_the_call_is_taken():
    table = predictions(2)
    table["patient_id"] = "P"
    table["call"] = 0
    chosen = sampled(table[table["split"] == "test_a"], cases="all", seed=0)
    assert chosen["video"].tolist() == ["0.avi", "0.avi"]


@pytest.mark.slow
def test_a_study_says_what_motion_carries_and_whether_its_heatmaps_are_true(finished_study):
    results = json.loads((finished_study / "results.json").read_text())
    jsonschema.Draft202012Validator(results_schema()).validate(results)
    sources = results["sets"]["test_a"]["sources"]
    assert set(sources["tin"]["motion"]["auc"]) == {"intact", "shuffled", "reversed", "frozen", "single"}
    assert "motion" not in sources["image"]
    intact = pd.read_csv(finished_study / "predictions.csv").query("source == 'tin' and split == 'test_a'")
    assert sources["tin"]["motion"]["patients"] == intact["patient_id"].nunique()
    for name in ("tin", "image"):
        told = sources[name]["explanation"]
        assert told["cases"] == len(intact)
        curves = told["groups"]["all"]["deletion"]["patients"]
        assert curves == 4  # as tests/conftest.py asks
        assert told["groups"]["all"]["pointing"] is None  # the cohort names no masks
        right, wrong = (told["groups"][group]["deletion"] for group in ("right", "wrong"))
        assert (right or {"patients": 0})["patients"] + (wrong or {"patients": 0})["patients"] == curves
        assert told["randomised"]["steps"][-1]["part"] == "conv1"
    page = (finished_study / "report.html").read_text()
    assert "Does motion help?" in page
    assert "Are the heatmaps true?" in page


@pytest.mark.slow
def test_both_can_be_left_out_and_nothing_is_trained_again(small_cohort, finished_study, tiny_settings, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(finished_study, copy)
    before = (copy / "models" / "tin" / "model.safetensors").read_bytes()
    words = [
        "study",
        str(small_cohort),
        "--preset",
        "small",
        "--models",
        "tin,image",
        "--out",
        str(copy),
        *tiny_settings,
    ]
    more = ["--set", "motion=false", "--set", "explanation.faithfulness.cases=0"]
    result = CliRunner().invoke(app, [*words, *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    sources = json.loads((copy / "results.json").read_text())["sets"]["test_a"]["sources"]
    assert not {"motion", "explanation"} & set(sources["tin"])
    assert (copy / "models" / "tin" / "model.safetensors").read_bytes() == before
    assert "not tested" in (copy / "report.html").read_text()
