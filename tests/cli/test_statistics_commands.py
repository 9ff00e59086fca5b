"""evaluate and compare on any table: predictions, ratings of a reader study, and no table at all."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from alnus import cli
from alnus.errors import AlnusError
from alnus.evaluation import mrmc
from alnus.evaluation.readers.roe_metz import as_table, simulated_ratings

QUICK = ["--set", "replicates=100"]


def run(*words):
    result = CliRunner().invoke(cli.app, [*map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def ratings(tmp_path):
    rng = np.random.default_rng(1)
    table = as_table(simulated_ratings(rng, (1.2, 1.9), readers=3, positive=12, negative=15), positive=12)
    table.to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path / "ratings.csv"


@pytest.fixture
def predictions(tmp_path):
    rng = np.random.default_rng(2)
    label = np.repeat([1, 0], [21, 40])
    parts = [
        pd.DataFrame({"patient_id": range(61), "split": "test", "label": label, "source": name,
                      "score": skill * label + rng.normal(size=61)})
        for name, skill in {"tin": 2.0, "r2plus1d": 1.5, "image": 1.0}.items()
    ]  # fmt: skip
    pd.concat(parts).to_csv(tmp_path / "predictions.csv", index=False)
    return tmp_path / "predictions.csv"


def test_a_table_of_ratings_is_analysed_as_a_reader_study(ratings):
    expected = mrmc(pd.read_csv(ratings))
    found = json.loads(run("evaluate", ratings, "--json"))["reader_study"]["auc"]
    assert found["p_value"] == pytest.approx(expected.p_value)
    text = run("evaluate", ratings)
    assert "2 treatments, 3 readers, 27 cases (12 with metastasis" in text
    assert "All treatments equal: F(1," in text


def test_the_reader_studys_options_are_passed_on(ratings):
    words = ["--readers", "fixed", "--covariance", "jackknife", "--metric", "auc,sensitivity", "--threshold", "1"]
    found = json.loads(run("evaluate", ratings, *words, "--json"))["reader_study"]
    assert list(found) == ["auc", "sensitivity"]
    assert (found["auc"]["readers"], found["sensitivity"]["covariance"]) == ("fixed", "jackknife")


def test_readings_that_are_missing_take_the_jackknife_unless_told_otherwise(ratings):
    pd.read_csv(ratings).iloc[1:].to_csv(ratings, index=False)
    assert "jackknife covariance" in run("evaluate", ratings)
    with pytest.raises(AlnusError, match="DeLong's needs every reader"):
        run("evaluate", ratings, "--covariance", "delong")


def test_sample_sizes_need_no_table():
    text = run("evaluate", "--power", "0.914,0.856", "--correlation", "0.5,0.84")
    assert "285 (98 with metastasis)" in text
    assert "108 (37 with metastasis)" in text
    sizes = json.loads(run("evaluate", "--power", "0.914,0.856", "--correlation", "0.84", "--json"))["power"]
    assert sizes["pairs"][0]["needed"] == {"positive": 37, "negative": 71, "patients": 108}


def test_with_a_table_its_own_power_is_told(predictions):
    text = run("evaluate", predictions, *QUICK, "--power", "0.914,0.856", "--correlation", "0.84")
    assert "power with 61" in text
    assert "| 56%" in text


def test_a_primary_comparison_may_be_declared(predictions):
    found = json.loads(run("evaluate", predictions, *QUICK, "--primary", "tin:image", "--json"))
    assert (found["primary"]["a"], found["primary"]["how"]) == ("tin", "declared beforehand (evaluation.primary)")


def test_compare_gives_differences_of_sensitivity_where_there_are_calls(predictions):
    table = pd.read_csv(predictions)
    table.assign(call=(table["score"] > 0.7) * 1).to_csv(predictions, index=False)
    text = run("compare", predictions, "tin", "image", *QUICK)
    assert "Sensitivity, points" in text
    assert "nan" not in text.lower()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--primary", "tin"], "--primary: two sources with a colon between them are expected, received 'tin'"),
        (["--primary", "tin:bob"], "primary: 'bob' is no source"),
        (["--power", "high"], "--power: numbers separated by commas are expected"),
        (["--power", "0.9,0.4"], "AUCs between 0.5 and 1, no two alike, are expected; received 0.9, 0.4"),
        (["--metric", "auc"], "--metric belong to a table of ratings"),
        (["--set", "replicats=5"], "unknown key 'replicats'"),
    ],
)
def test_what_the_options_cannot_mean_is_refused(predictions, words, message):
    with pytest.raises(AlnusError, match=message):
        run("evaluate", predictions, *QUICK, *words)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("evaluation.primary=[tin,bob]", "evaluation.primary: 'bob' is no network or reader of this study"),
        ("evaluation.subgroups=[shoe_size]", "evaluation.subgroups: 'shoe_size' is no clinical column of cohort.csv"),
        ("evaluation.fusion=[shoe_size]", "evaluation.fusion: 'shoe_size' is no clinical column of cohort.csv"),
    ],
)
def test_a_study_refuses_what_it_cannot_evaluate_before_any_work(small_cohort, tmp_path, setting, message):
    with pytest.raises(AlnusError, match=message):
        run("study", small_cohort, "--preset", "small", "--models", "tin", "--out", tmp_path / "run", "--set", setting)
    assert not (tmp_path / "run").exists()


def test_a_cohorts_readers_are_evaluated_by_its_clinical_columns(tmp_path):
    rng = np.random.default_rng(4)
    label = np.tile([0, 1, 0], 10)
    table = pd.DataFrame({"patient_id": [f"p{i}" for i in range(30)], "label": label, "center": "North"})
    table["video"] = table["patient_id"] + ".avi"
    table["reader_anna"] = (rng.random(30) < 0.2 + 0.6 * label) * 1
    table["age"] = rng.integers(30, 80, 30)
    table.to_csv(tmp_path / "cohort.csv", index=False)
    found = json.loads(run("evaluate", tmp_path / "cohort.csv", *QUICK, "--json"))["sets"]["all"]
    levels = [row["level"] for row in found["subgroups"]["sources"]["anna"]["rows"]]
    assert len(levels) == 3
    assert found["sources"]["anna"]["reasons"]["calibration"].startswith("the source makes 0/1 calls")


def test_neither_a_table_nor_auc_values_is_a_usage_error():
    result = CliRunner().invoke(cli.app, ["evaluate"])
    assert result.exit_code == 2
    assert "give a table, or --power with AUCs" in result.output
