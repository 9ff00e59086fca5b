"""ALN-Ultra as a cohort table: the real index, synthetic trees in two layouts, and every refusal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold

from alnus.cohort import assign_folds, from_aln_ultra, load_cohort, reader_table
from alnus.config import SplitConfig
from alnus.errors import CohortError


def index_of(patients: int = 24) -> dict[str, list[object]]:
    """An index like the published one: patient numbers with gaps, some without result, one to three videos each."""
    labels = ["0 0", "1 1", "2 2", "0 1", "1 0", "1 1"]
    return {
        str(3 * number): [
            labels[number % len(labels)],
            [f"{3 * number}_{k}.avi" for k in range(1 + number % 3)],
            f"{3 * number}_{number}.jpg",
        ]
        for number in range(patients)
    }


def plant(root: Path, index: dict[str, list[object]], *, flat: bool) -> None:
    """Write tiny files where the archive might have them: all in one folder, or in the published code's folders."""
    for folder in (".", "deep/video", "deep/image_pad", "deep/image", "deep/video_concate"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for patient, (_, videos, image) in index.items():
        for video in videos:
            (root / ("." if flat else "deep/video") / video).write_bytes(b"video")
        (root / ("." if flat else "deep/image_pad") / str(image)).write_bytes(b"still")
        if not flat:
            (root / "deep/image" / str(image)).write_bytes(b"unpadded")
            (root / "deep/video_concate" / f"{patient}.avi").write_bytes(b"joined")
    name = "index.json" if flat else "deep/data_image_selected_video.json"
    (root / name).write_text(json.dumps(index))


@pytest.fixture(scope="module")
def real(sample_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("aln_ultra") / "cohort.csv"
    return from_aln_ultra(sample_data / "aln_ultra", out), load_cohort(out)


def test_the_real_index_gives_the_experts_109_true_and_20_false_positives(real):
    table = reader_table(real[1])
    counts = table.groupby(["call", "label"]).size()
    # Origin: the data set's description beside the index (sensitivity 80.1%, specificity 83.5%)
    assert (counts[1, 1], counts[1, 0], counts[0, 1], counts[0, 0]) == (109, 20, 27, 101)
    assert set(table["source"]) == {"expert"}


def test_the_real_index_has_1536_videos_of_284_patients_1430_of_the_257_with_a_result(real, sample_data):
    report, cohort = real
    assert (report.patients, report.videos, len(report.left_out)) == (257, 1430, 27)
    index = json.loads((sample_data / "aln_ultra" / "index.json").read_text())
    assert sum(len(videos) for _, videos, _ in index.values()) == 1536
    assert sum(len(index[patient][1]) for patient in report.left_out) == 106
    assert not set(report.left_out) & set(cohort.table["patient_id"])


def test_the_real_index_has_the_published_five_folds(real, sample_data):
    index = json.loads((sample_data / "aln_ultra" / "index.json").read_text())
    kept = [(patient, int(value[0].split(" ")[1])) for patient, value in index.items()]
    kept = [(patient, biopsy) for patient, biopsy in kept if biopsy != 2]
    labels = np.array([biopsy for _, biopsy in kept])
    folds = real[1].table.drop_duplicates("patient_id").set_index("patient_id")["fold"]
    splitter = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    for fold, (_, test) in enumerate(splitter.split(labels, labels)):
        assert {kept[position][0] for position in test} == set(folds.index[folds == fold])
    for table in assign_folds(real[1], SplitConfig(folds=5), seed=7):
        held_out = table.loc[table["split"] == "folds", "patient_id"]
        assert folds[held_out].nunique() == 1


def test_absent_files_are_counted_and_their_rows_stay(real):
    report, cohort = real
    assert (report.videos_missing, report.images_missing) == (1430, 257)
    assert len(cohort.table) == 1430
    assert "1430 of 1430 videos were not found under" in report.warnings[0]
    assert "evaluation of the experts works, ingestion will list them as excluded" in report.warnings[0]
    assert "257 of 257 stills" in report.warnings[1]


@pytest.mark.parametrize("flat", [True, False], ids=["flat", "published-folders"])
def test_the_files_are_found_wherever_they_lie(tmp_path, flat):
    root, out = tmp_path / "data", tmp_path / "tables" / "cohort.csv"
    plant(root, index_of(), flat=flat)
    report = from_aln_ultra(root, out)
    assert (report.videos_missing, report.images_missing, report.warnings) == (0, 0, ())
    assert len(report.left_out) == 4
    cohort = load_cohort(out, need_files=True)
    assert cohort.table["video"].str.startswith("../data/").all()
    assert cohort.path(cohort.table["image"].iloc[0]).read_bytes() == b"still"
    assert cohort.readers == ("expert",)
    first = cohort.table.iloc[0]
    assert (first["patient_id"], first["label"], first["reader_expert"]) == ("0", 0, 0.0)
    assert cohort.table.loc[cohort.table["patient_id"] == "9", ["reader_expert", "label"]].iloc[0].tolist() == [0, 1]


def test_the_joined_videos_may_be_taken_instead_one_row_a_patient(tmp_path):
    plant(tmp_path, index_of(), flat=False)
    report = from_aln_ultra(tmp_path, tmp_path / "cohort.csv", concatenated=True)
    cohort = load_cohort(tmp_path / "cohort.csv", need_files=True)
    assert report.videos == report.patients == 20
    assert cohort.table["video"].iloc[0] == "deep/video_concate/0.avi"


def test_a_table_moved_together_with_its_data_still_finds_them(tmp_path):
    plant(tmp_path / "here", index_of(), flat=True)
    from_aln_ultra(tmp_path / "here", tmp_path / "here" / "cohort.csv")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert len(load_cohort(tmp_path / "there" / "cohort.csv", need_files=True).table) > 0


def test_a_file_in_several_places_is_taken_by_depth_and_name_and_reported(tmp_path):
    plant(tmp_path, index_of(), flat=True)
    for folder in ("b", "a"):
        (tmp_path / folder).mkdir()
        shutil.copy(tmp_path / "0_0.avi", tmp_path / folder / "0_0.avi")
    (tmp_path / "0_0.avi").unlink()
    report = from_aln_ultra(tmp_path, tmp_path / "cohort.csv")
    assert report.duplicates == ("0_0.avi",)
    assert "1 files lie in several places" in report.warnings[0]
    assert load_cohort(tmp_path / "cohort.csv").table["video"].iloc[0] == "a/0_0.avi"


def test_an_entry_without_an_experts_reading_is_kept_with_an_empty_reading(tmp_path):
    index = index_of()
    index["0"][0] = "2 0"
    plant(tmp_path, index, flat=True)
    from_aln_ultra(tmp_path, tmp_path / "cohort.csv")
    table = load_cohort(tmp_path / "cohort.csv").table
    assert pd.isna(table.loc[table["patient_id"] == "0", "reader_expert"].iloc[0])


@pytest.mark.parametrize(
    "value",
    [
        ["1", ["0_0.avi"], "0.jpg"],
        ["1 3", ["0_0.avi"], "0.jpg"],
        ["1 1", [], "0.jpg"],
        ["1 1", "0_0.avi", "0.jpg"],
        ["1 1", ["0_0.avi", 7], "0.jpg"],
        ["1 1", ["0_0.avi"], ".."],
        ["1 1", ["0_0.avi"]],
        "1 1",
        None,
    ],
)
def test_a_malformed_entry_is_refused_by_name(tmp_path, value):
    plant(tmp_path, index_of(), flat=True)
    (tmp_path / "index.json").write_text(json.dumps({**index_of(), "9": value}))
    with pytest.raises(CohortError, match=r"index.json: entry '9': received .*, expected \[\"EXPERT BIOPSY\""):
        from_aln_ultra(tmp_path, tmp_path / "cohort.csv")
    assert not (tmp_path / "cohort.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as the ALN-Ultra index"),
        ("[]", "a mapping of patients to entries is expected"),
        ('{"1": ["0 0", ["a.avi"], "a.jpg"], "1": ["0 0", ["b.avi"], "b.jpg"]}', "entry '1' stands twice"),
        (
            '{"1": ["0 0", ["a.avi"], "a.jpg"], "2": ["0 0", ["a.avi"], "b.jpg"]}',
            "entry '2': video 'a.avi' stands twice",
        ),
        ('{"1": ["0 0", ["a.avi"], "a.jpg"]}', "1 entries have a biopsy result; at least 5"),
    ],
)
def test_what_is_not_the_index_is_refused(tmp_path, text, message):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(CohortError, match=message):
        from_aln_ultra(tmp_path, tmp_path / "cohort.csv")


def test_folds_need_five_patients_of_each_class(tmp_path):
    index = {str(number): ["0 0", [f"{number}.avi"], f"{number}.jpg"] for number in range(9)}
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(CohortError, match="the published 5 folds need 5 patients of each class"):
        from_aln_ultra(tmp_path, tmp_path / "cohort.csv")


def test_a_root_without_an_index_or_with_two_that_differ_asks_for_one(tmp_path):
    with pytest.raises(CohortError, match=r"neither index.json nor data_image_selected_video.json lies under it"):
        from_aln_ultra(tmp_path, tmp_path / "cohort.csv")
    plant(tmp_path, index_of(), flat=True)
    (tmp_path / "deep" / "index.json").write_text("{}")
    with pytest.raises(CohortError, match=r"several index files differ: .*; choose one with --index"):
        from_aln_ultra(tmp_path, tmp_path / "cohort.csv")
    assert from_aln_ultra(tmp_path, tmp_path / "cohort.csv", index=tmp_path / "index.json").patients == 20
    with pytest.raises(CohortError, match="no such folder"):
        from_aln_ultra(tmp_path / "gone", tmp_path / "cohort.csv")
