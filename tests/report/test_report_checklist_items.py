"""The checklists' numbers are the published ones, and an answer says no more than the run and its report hold."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pandas as pd
import pytest
import yaml

from alnus.report.answers import answered
from alnus.report.checklist_tables import LISTS, checklist
from alnus.report.content import build
from alnus.report.document import Table, Text
from alnus.report.recordings import recordings_table
from alnus.report.run_files import RunFiles, read_run

PARTS = {
    "stard_ai": {15: 4, 16: 3, 17: 2, 26: 2, 40: 2},
    "tripod_ai": {3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3},
    "claim": {},
}
"""How many lettered parts an item of the published list has, where it has any."""
LAST = {"stard_ai": 40, "tripod_ai": 27, "claim": 44}


@pytest.fixture
def run(tmp_path: Path, phantom_run: Path) -> Path:
    """A copy of the phantom study without its pictures, for tests that change it."""
    left = shutil.ignore_patterns("explanations", "figures", "tables", "report.*")
    return Path(shutil.copytree(phantom_run, tmp_path / "run", ignore=left))


@pytest.fixture
def files(run: Path) -> RunFiles:
    return read_run(run)


def said(files: RunFiles, key: str) -> str:
    text = answered(files, key)[1]
    assert isinstance(text, str)
    return text


def asked(name: str, number: str) -> dict[str, Any]:
    return next(item for item in checklist(name)["items"] if item["number"] == number)


def with_videos(run: Path, *, drop: str = "") -> RunFiles:
    """The run with a video a patient; `drop`: a partition that has none."""
    splits = pd.read_csv(run / "splits.csv", dtype=str)
    videos = splits[splits["split"] != drop][["patient_id", "center"]].assign(
        video="v.avi", container="avi", frames="40", height="200", width="300", duration_s="2.0", frame_rate_hz="20",
        spacing_row_mm="0.1", keyframe="chosen",
    )  # fmt: skip
    videos.to_csv(run / "videos.csv", index=False)
    return read_run(run)


@pytest.mark.parametrize("name", LISTS)
def test_numbers_and_letters_are_the_published_ones_in_their_order(name: str) -> None:
    parts = PARTS[name]
    expected = [
        f"{number}{letter}"
        for number in range(1, LAST[name] + 1)
        for letter in ascii_lowercase[: parts.get(number, 0)] or [""]
    ]
    assert [item["number"] for item in checklist(name)["items"]] == expected


@pytest.mark.parametrize("name", LISTS)
def test_each_list_says_what_it_was_held_against_and_the_table_repeats_it(name: str, files: RunFiles) -> None:
    listed = checklist(name)
    assert "not within reach" in listed["checked"]
    table = next(t for t in build(files).tables() if t.name == f"checklist_{name}")
    assert listed["checked"] in table.notes[0]
    assert listed["source"] in table.notes[0]


def test_what_only_authors_know_is_never_called_answered() -> None:
    reasons = {
        "stard_ai": ["15c", "16a", "21", "25", "28", "29", "40a"],
        "tripod_ai": ["9a", "11", "12a", "12c", "12e", "15", "18f", "20a", "20b", "22"],
        "claim": ["12", "19", "30", "33", "35", "36", "39"],
    }
    for name, numbers in reasons.items():
        for number in numbers:
            assert asked(name, number).get("authors"), f"{name} {number}"
    for name, number in (("stard_ai", "37"), ("tripod_ai", "18c")):
        assert "answer" not in asked(name, number), "a configuration is no study protocol"


def test_how_patients_were_divided_is_said_in_the_methods_as_in_the_checklist(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    drawn = (
        "Drawn at random (seed 0), alike in label and centre: 22.5% of the internal patients for testing set A, 20.0%"
    )
    for origin, start in (
        ("drawn", drawn),
        ("given", "The assignment is the cohort table’s own."),
        (None, "Training set: 168"),
    ):
        (run / "run.json").write_text(json.dumps(record | {"partitions": origin}))
        files = read_run(run)
        assert said(files, "assignment").startswith(start)
        methods = next(section for section in build(files).sections if section.name == "methods")
        assert (start in methods.blocks[0].text) == (origin is not None)  # type: ignore[union-attr]
    (run / "run.json").write_text(json.dumps(record | {"partitions": "drawn"}))
    assert "testing set B is centre Third hospital." in said(read_run(run), "assignment")


def test_folds_are_said_to_be_drawn_alike_in_label(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["split"]["folds"] = 5
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | {"partitions": "drawn"}))
    assert said(read_run(run), "assignment").startswith("The folds were drawn at random (seed 0), each with the same")


def test_an_external_set_of_the_training_centres_is_not_called_external(run: Path, files: RunFiles) -> None:
    assert said(files, "external").endswith("of Third hospital, which neither trained nor validated.")
    splits = pd.read_csv(run / "splits.csv", dtype=str)
    splits.assign(center=splits["center"].replace("Third hospital", "First hospital")).to_csv(run / "splits.csv")
    assert "not external by place, as First hospital also trained or validated" in said(read_run(run), "external")
    splits.assign(center="").to_csv(run / "splits.csv")
    assert said(read_run(run), "external").endswith("their centres are not recorded.")


def test_recordings_are_compared_by_partition_and_only_then_said_to_be(run: Path, files: RunFiles) -> None:
    assert recordings_table(files, by="partition") is None
    assert said(files, "external_differences").endswith("in patients.")
    files = with_videos(run)
    table = recordings_table(files, by="partition")
    assert table is not None
    named = [row.cells[0].main for row in table.rows]
    assert named == ["Training set", "Validation set", "Testing set A", "Testing set B", "All"]
    assert [row.cells[1].main for row in table.rows] == ["168", "42", "61", "49", "320"]
    assert said(files, "external_differences").endswith("in patients and in recordings.")
    assert "recordings_by_partition" in {found.name for found in build(files).tables()}
    fewer = recordings_table(with_videos(run, drop="test_b"), by="partition")
    assert fewer is not None
    assert "Testing set B" not in {row.cells[0].main for row in fewer.rows}


def test_code_with_changes_in_no_commit_says_so(run: Path, files: RunFiles) -> None:
    assert said(files, "code").endswith("commit 0123456789ab.")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"commit": f"{record['commit']}+changes"}))
    assert said(read_run(run), "code").endswith("commit 0123456789ab, with changes that are in no commit.")
    (run / "run.json").write_text(json.dumps(record | {"commit": None}))
    assert said(read_run(run), "code").endswith("version 0.1.0.")


def test_robustness_is_answered_by_altered_cines_and_not_by_subgroups(files: RunFiles) -> None:
    assert asked("claim", "30")["answer"] == "robustness"
    assert answered(files, "robustness")[1] is None
    results = json.loads(json.dumps(files.results))
    results["sets"]["test_a"]["sources"]["tin"]["motion"] = {"intact": {}}
    assert "shuffled" in said(replace(files, results=results), "robustness")


def test_heatmaps_that_were_not_tested_are_said_not_to_be(files: RunFiles) -> None:
    drawn = replace(files, explanations=({"case": "P001"},))
    assert said(drawn, "explanation") == "Grad-CAM; 1 case drawn; not tested."
    results = json.loads(json.dumps(files.results))
    results["sets"]["test_a"]["sources"]["tin"]["explanation"] = {"cases": 1}
    assert "tested against other maps" in said(replace(drawn, results=results), "explanation")


def test_only_what_was_kept_is_said_to_be_kept(files: RunFiles) -> None:
    assert "heatmaps" not in said(files, "audit")
    assert "heatmaps" in said(replace(files, explanations=({"case": "P001"},)), "audit")


def test_the_rule_of_a_cut_off_is_the_networks_and_not_the_readers(files: RunFiles) -> None:
    results = json.loads(json.dumps(files.results))
    results["thresholds"]["anna"] = {"value": 0.5, "rule": "the source's own call"}
    assert "own call" not in said(replace(files, results=results), "thresholds")


def test_the_methods_tell_what_preprocessing_and_identity_are_answered_with(files: RunFiles) -> None:
    methods = next(section for section in build(files).sections if section.name == "methods")
    text = " ".join(block.text for block in methods.blocks if isinstance(block, Text))
    for told in ("decoded once to grey", "cut to the scanned region", "blackened", "normalised", "and no header"):
        assert told in text
    assert answered(files, "preprocessing")[0] == answered(files, "identity")[0] == "methods"


def test_the_goal_of_a_run_with_networks_is_development_and_evaluation(files: RunFiles) -> None:
    assert said(files, "goal").startswith("Development and evaluation: ")
    bare = replace(files, models=())
    assert "Development" not in (answered(bare, "goal")[1] or "")
    assert isinstance(build(bare).sections[0].blocks[0], Text | Table)
