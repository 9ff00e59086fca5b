"""The study from a table to a report: complete, resumable, and never stopped by one bad file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from alnus.cli import app
from alnus.errors import CohortError

pytestmark = pytest.mark.slow


def study(table: Path, out: Path, settings: list[str], *arguments: str) -> str:
    words = ["study", str(table), "--preset", "small", "--models", "image", "--out", str(out), *settings, *arguments]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def results(run: Path) -> dict:
    return json.loads((run / "results.json").read_text())


def test_every_file_that_the_readme_names_is_there(finished_study):
    named = {
        *("report.html", "report.pdf", "results.json", "predictions.csv", "thresholds.json", "splits.csv"),
        *("excluded.csv", "cohort.json", "explanations/index.json", "store/index.csv", "config.yaml", "run.json"),
        *("models/tin/model.safetensors", "models/tin/model.json", "models/tin/metrics.csv", "figures", "tables"),
    }
    assert [name for name in named if not (finished_study / name).exists()] == []


def test_networks_and_readers_stand_in_one_table_on_each_test_set(finished_study):
    sets = results(finished_study)["sets"]
    assert {"test_a", "test_b"} <= set(sets)
    for name in ("test_a", "test_b"):
        assert {"tin", "image", "a"} <= set(sets[name]["sources"])


def test_a_patient_stands_in_one_split_and_test_sets_hold_no_trained_patient(finished_study):
    splits = pd.read_csv(finished_study / "splits.csv")
    predictions = pd.read_csv(finished_study / "predictions.csv")
    assert splits["patient_id"].is_unique
    assert set(splits.loc[splits["center"] == "C", "split"]) == {"test_b"}
    trained = set(splits.loc[splits["split"] == "train", "patient_id"])
    assert trained
    assert not trained & set(predictions["patient_id"])


def test_the_run_says_which_engine_answered_for_each_network(finished_study):
    answers = json.loads((finished_study / "predictions.engines.json").read_text())
    assert {answer["source"]: (answer["engine"], answer["precision"]) for answer in answers} == {
        "tin": ("eager", "float32"),
        "image": ("eager", "float32"),
    }


def test_the_threshold_is_the_validation_sets_and_stands_in_the_models_card(finished_study):
    from alnus.evaluation import youden_threshold

    predictions = pd.read_csv(finished_study / "predictions.csv").query("source == 'tin' and split == 'val'")
    frozen = results(finished_study)["thresholds"]["tin"]["value"]
    assert frozen == pytest.approx(youden_threshold(predictions["label"], predictions["score"]))
    assert json.loads((finished_study / "models/tin/model.json").read_text())["threshold"] == pytest.approx(frozen)


def test_a_finished_study_trains_and_predicts_nothing_again(finished_study, small_cohort, tiny_settings, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(finished_study, copy)
    kept = ["models/tin/model.safetensors", "predictions.csv", "explanations/index.json", "results.json"]
    before = {name: (copy / name).read_bytes() for name in kept}
    times = {name: (copy / name).stat().st_mtime_ns for name in kept[1:3]}
    study(small_cohort, copy, tiny_settings, "--models", "tin,image")
    assert {name: (copy / name).read_bytes() for name in kept} == before
    assert {name: (copy / name).stat().st_mtime_ns for name in kept[1:3]} == times


@pytest.mark.usefixtures("plain_figures")
def test_of_a_new_readers_column_and_a_changed_network_that_network_alone_is_trained_again(
    finished_study, small_cohort, tiny_settings, tmp_path
):
    copy = tmp_path / "run"
    shutil.copytree(finished_study, copy)
    before = {name: (copy / "models" / name / "model.safetensors").read_bytes() for name in ("tin", "image")}
    written_ns = (copy / "models" / "tin" / "model.safetensors").stat().st_mtime_ns
    shutil.copytree(small_cohort.parent, tmp_path / "cohort")
    table = tmp_path / "cohort" / "cohort.csv"
    rows = pd.read_csv(table)
    rows.assign(reader_b=1 - rows["label"]).to_csv(table, index=False)
    changed = ["--set", "networks.image.training.learning_rate=0.0001"]
    study(table, copy, tiny_settings, "--models", "tin,image", *changed)
    after = {name: (copy / "models" / name / "model.safetensors").read_bytes() for name in ("tin", "image")}
    assert after["tin"] == before["tin"]
    assert (copy / "models" / "tin" / "model.safetensors").stat().st_mtime_ns == written_ns
    assert after["image"] != before["image"]
    assert results(copy)["sets"]["test_a"]["sources"]["b"]["accuracy"]["estimate"] == 0


def broken_cohort(table: Path, folder: Path) -> Path:
    """The small cohort with a missing video, a text file named .dcm and a truncated AVI."""
    rows = pd.read_csv(table)
    rows["video"] = [str(table.parent / video) for video in rows["video"]]
    (folder / "letter.dcm").write_text("Dear colleague,\n" * 40)
    whole = Path(rows.loc[2, "video"]).read_bytes()
    (folder / "cut.avi").write_bytes(whole[: len(whole) // 2])
    rows.loc[0, "video"], rows.loc[1, "video"], rows.loc[2, "video"] = "gone.avi", "letter.dcm", "cut.avi"
    rows.to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.mark.usefixtures("plain_figures")
def test_broken_files_are_excluded_by_name_and_the_rest_of_the_cohort_is_kept(small_cohort, tiny_settings, tmp_path):
    table = broken_cohort(small_cohort, tmp_path)
    output = study(table, tmp_path / "run", tiny_settings)
    excluded = pd.read_csv(tmp_path / "run" / "excluded.csv")
    assert set(excluded["video"]) == {"gone.avi", "letter.dcm", "cut.avi"}
    assert (excluded["reason"].str.len() > 10).all()
    assert "3 of 30 videos are excluded" in output
    flow = json.loads((tmp_path / "run" / "cohort.json").read_text())["flow"]
    assert flow[0]["videos"] == 30
    assert {"gone.avi", "letter.dcm", "cut.avi"}.isdisjoint(
        pd.read_csv(tmp_path / "run" / "store" / "index.csv")["video"]
    )


def test_a_cohort_without_one_readable_video_is_refused(small_cohort, tiny_settings, tmp_path):
    rows = pd.read_csv(small_cohort)
    rows.to_csv(tmp_path / "cohort.csv", index=False)  # the videos stay behind
    words = ["study", str(tmp_path / "cohort.csv"), "--preset", "small", "--out", str(tmp_path / "run")]
    with pytest.raises(CohortError, match="none of its 30 videos can be used"):
        CliRunner().invoke(app, [*words, *tiny_settings], catch_exceptions=False)


@pytest.mark.usefixtures("plain_figures")
def test_cross_validation_scores_every_patient_once_by_a_network_that_never_saw_it(
    small_cohort, tiny_settings, tmp_path
):
    study(small_cohort, tmp_path / "run", tiny_settings, "--folds", "3")
    predictions = pd.read_csv(tmp_path / "run" / "predictions.csv").query("source == 'image' and split == 'folds'")
    splits = pd.read_csv(tmp_path / "run" / "splits.csv")
    assert sorted(predictions["patient_id"]) == sorted(set(splits["patient_id"]))
    roles = predictions.merge(splits, on=["patient_id", "fold"])
    assert len(roles) == len(predictions)
    assert set(roles["split_y"]) == {"folds"}
    assert results(tmp_path / "run")["sets"]["folds"]["sources"]["image"]["auc"]


def test_the_real_lung_clips_run_to_a_report_by_patient_level_folds(sample_data, tiny_settings, tmp_path):
    study(sample_data / "lung_us" / "cohort.csv", tmp_path / "run", tiny_settings, "--folds", "2")
    assert pd.read_csv(tmp_path / "run" / "excluded.csv").empty
    assert results(tmp_path / "run")["sets"]["folds"]["patients"] == 13
    assert (tmp_path / "run" / "report.pdf").stat().st_size > 10_000


def test_the_demonstration_names_the_best_and_the_chosen_network_beside_the_ceilings():
    from alnus.study.demo import margin_lines

    def sources(aucs: dict[str, float]) -> dict:
        kinds = {name: "ceiling" if name.startswith("ideal") else "model" for name in aucs}
        return {name: {"kind": kinds[name], "auc": {"estimate": auc}} for name, auc in aucs.items()}

    test = {"image": 0.7, "tin": 0.85, "r2plus1d": 0.8, "ideal reader, video": 0.95, "ideal reader, keyframe": 0.75}
    val = {"image": 0.6, "tin": 0.7, "r2plus1d": 0.9}
    row = {"low": 0.01, "high": 0.29, "p_value": 0.03}
    comparisons = [
        {"a": name, "b": "image", "auc": {"estimate": test[name] - 0.7, **row}} for name in ("tin", "r2plus1d")
    ]
    text = margin_lines(
        {"sets": {"val": {"sources": sources(val)}, "test_a": {"sources": sources(test), "comparisons": comparisons}}},
        {"video_auc": 0.954, "keyframe_auc": 0.716},
    )
    assert "best video network      tin 0.850 (against the image network: +0.150" in text
    assert "chosen on validation    r2plus1d 0.800 (against the image network: +0.100" in text
    assert "keyframe 0.750 (+0.200)" in text
    assert "keyframe 0.716 (+0.238)" in text
