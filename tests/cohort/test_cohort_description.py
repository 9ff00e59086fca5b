"""Table 1, the cohort's flow and the readers' table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from alnus.cohort import flow, load_cohort, reader_table, table_by_center, table_one

TEXT = (
    "patient_id,video,label,center,age,dose,grade,probe,link,note,reader_ann,reader_bea\n"
    "P1,1a.avi,0,North,60,2,II,linear,https://a,,0,2\n"
    "P1,1b.avi,0,North,60,2,II,convex,https://a,,0,2\n"
    "P2,2a.avi,1,North,,2,III,linear,https://a,,1,5\n"
    "P3,3a.avi,1,South,50,,,linear,https://a,,,4\n"
    "P4,4a.avi,0,South,70,1,II,linear,https://a,,0,1\n"
)
SPLITS = pd.DataFrame({"patient_id": ["P1", "P2", "P3", "P4"], "split": ["train", "train", "val", "test_a"]})


@pytest.fixture
def cohort(tmp_path: Path):
    path = tmp_path / "cohort.csv"
    path.write_text(TEXT)
    return load_cohort(path)


def cell(table: pd.DataFrame, variable: str, level: str, column: str) -> str:
    names = table["Variable"].replace("", None).ffill()
    found = table.loc[(names == variable) & (table["Level"] == level), column]
    assert len(found) == 1
    return found.iloc[0]


def test_table_one_counts_patients_not_videos(cohort):
    table = table_one(cohort, SPLITS)
    assert list(table.columns) == ["Variable", "Level", "Missing", "Overall", "train", "val", "test_a"]
    assert cell(table, "n", "", "Overall") == "4"
    assert cell(table, "Videos a patient, mean (SD)", "", "train") == "1.5 (0.7)"
    assert cell(table, "Label, n (%)", "1", "train") == "1 (50.0)"
    assert cell(table, "Center, n (%)", "South", "Overall") == "2 (50.0)"


def test_table_one_counts_what_is_missing_and_never_says_nan(cohort):
    table = table_one(cohort, SPLITS)
    assert cell(table, "age, mean (SD)", "", "Missing") == "1"
    assert cell(table, "age, mean (SD)", "", "Overall") == "60.0 (10.0)"
    assert cell(table, "age, mean (SD)", "", "test_a") == "70.0 (n/a)"
    assert cell(table, "dose, mean (SD)", "", "val") == "n/a (n/a)"
    assert cell(table, "dose, mean (SD)", "", "train") == "2.0 (0.0)"
    assert cell(table, "grade, n (%)", "missing", "val") == "1 (100.0)"
    assert table.map(lambda value: isinstance(value, str)).all(axis=None)
    assert not table.map(lambda value: "nan" in value.lower() or "None" in value).any(axis=None)


def test_table_one_says_where_a_patients_videos_differ_and_leaves_links_and_empty_columns_out(cohort):
    table = table_one(cohort, SPLITS)
    assert cell(table, "probe, n (%)", "differs between videos", "train") == "1 (50.0)"
    assert table.attrs["left_out"] == ["link", "note"]


def test_table_one_works_with_nothing_but_labels_and_one_partition(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("patient_id,video,label\nP1,a.avi,0\nP2,b.avi,1\n")
    splits = pd.DataFrame({"patient_id": ["P1", "P2"], "split": "folds"})
    table = table_one(load_cohort(path), splits)
    assert table["Variable"].tolist() == ["n", "Videos a patient, mean (SD)", "Label, n (%)", ""]
    assert table["folds"].tolist()[0] == "2"


def test_the_flow_adds_up_when_a_patient_loses_every_video(cohort):
    steps = flow(cohort, ["1a.avi", "3a.avi", "not in the table.avi"], SPLITS)
    assert steps == [
        {"label": "In the cohort table", "patients": 4, "videos": 5},
        {"label": "Excluded videos, and patients left without a video", "patients": 1, "videos": 2},
        {"label": "Analysed", "patients": 3, "videos": 3},
        {"label": "train", "patients": 2, "videos": 2},
        {"label": "test_a", "patients": 1, "videos": 1},
    ]


def test_the_flow_shows_patients_of_no_partition(cohort):
    steps = flow(cohort, [], SPLITS[:2])
    assert steps[-1] == {"label": "In no partition", "patients": 2, "videos": 2}
    assert sum(step["videos"] for step in steps[3:]) == steps[2]["videos"]


def test_a_reader_of_zeros_and_ones_has_calls_and_an_ordinal_reader_has_none(cohort):
    table = reader_table(cohort, SPLITS)
    assert list(table.columns) == ["patient_id", "video", "split", "label", "source", "score", "call"]
    ann, bea = (table[table["source"] == name] for name in ("ann", "bea"))
    assert ann["patient_id"].tolist() == ["P1", "P2", "P4"]
    assert ann["score"].tolist() == ann["call"].tolist() == [0, 1, 0]
    assert ann["split"].tolist() == ["train", "train", "test_a"]
    assert bea["score"].tolist() == [2, 5, 4, 1]
    assert bea["call"].isna().all()
    assert (table["video"] == "").all()


def test_a_cohort_without_readers_has_an_empty_reader_table(tmp_path):
    path = tmp_path / "cohort.csv"
    path.write_text("patient_id,video,label\nP1,a.avi,0\n")
    assert reader_table(load_cohort(path)).empty


def test_the_table_by_centre_counts_the_same_patients_and_needs_two_centres(cohort):
    table = table_by_center(cohort, SPLITS)
    assert list(table.columns) == ["Variable", "Level", "Missing", "Overall", "North", "South"]
    assert [cell(table, "n", "", column) for column in ("Overall", "North", "South")] == ["4", "2", "2"]
    assert cell(table, "Label, n (%)", "1", "South") == "1 (50.0)"
    assert not table["Variable"].str.startswith("Center").any()
    assert table_by_center(cohort, SPLITS.head(2)) is None
