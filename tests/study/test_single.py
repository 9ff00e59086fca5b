"""Trained networks on single files: the scores say whose they are and what they are not."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from alnus.cli import app

pytestmark = pytest.mark.slow


def predict(*words: object) -> dict:
    result = CliRunner().invoke(app, ["predict", *map(str, words), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_each_score_comes_with_the_word_that_it_is_for_research(finished_study, small_cohort):
    found = predict(finished_study / "models" / "tin", small_cohort.parent / "videos" / "P000.avi")
    assert "not for diagnosis" in found["notes"][0]
    assert found["trained_on_phantom"] is False


def test_patients_who_trained_the_network_are_named_as_such(finished_study, small_cohort):
    found = predict(finished_study / "models" / "tin", small_cohort)
    splits = pd.read_csv(finished_study / "splits.csv").set_index("patient_id")["split"].to_dict()
    assert {row["patient_id"]: row["split"] for row in found["predictions"]} == splits
    seen = sum(split in ("train", "val") for split in splits.values())
    assert f"{seen} of 30 patients trained or validated the network" in found["notes"][-1]


def test_another_table_with_the_same_ids_gets_no_splits(finished_study, small_cohort, tmp_path):
    rows = pd.read_csv(small_cohort).head(3)
    rows["video"] = [str(small_cohort.parent / video) for video in rows["video"]]
    rows.to_csv(tmp_path / "other.csv", index=False)
    found = predict(finished_study / "models" / "tin", tmp_path / "other.csv")
    assert {row["split"] or "" for row in found["predictions"]} == {""}
