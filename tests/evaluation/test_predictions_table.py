"""The predictions table: what foreign programs may leave out, and what is refused by row, patient and column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alnus.errors import CohortError
from alnus.evaluation import check_predictions, read_predictions, to_patients
from alnus.study.tables import evaluate_table

ROWS = [
    {"patient_id": "001", "video": "1a.avi", "split": "test_a", "label": 1, "source": "tin", "score": 0.9, "call": ""},
    {"patient_id": "001", "video": "1b.avi", "split": "test_a", "label": 1, "source": "tin", "score": 0.5, "call": ""},
    {"patient_id": "002", "video": "2a.avi", "split": "test_a", "label": 0, "source": "tin", "score": 0.2, "call": ""},
]


def table(*changes, rows=ROWS):
    """The three rows with (row from 1, column, value) changed."""
    made = pd.DataFrame(rows).astype(object)
    for row, column, value in changes:
        if column not in made:
            made[column] = pd.Series("", index=made.index, dtype=object)
        made.loc[row - 1, column] = value
    return made


def test_identifiers_stay_text(tmp_path):
    path = tmp_path / "p.csv"
    table().to_csv(path, index=False)
    assert read_predictions(path)["patient_id"].tolist() == ["001", "001", "002"]


def test_a_patient_called_na_is_a_patient(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("patient_id,label,score\nNA,1,0.3\nnull,0,0.1\n")
    assert read_predictions(path)["patient_id"].tolist() == ["NA", "null"]


def test_csv_and_parquet_read_alike(tmp_path):
    typed = check_predictions(table())
    typed.to_parquet(tmp_path / "p.parquet")
    typed.to_csv(tmp_path / "p.csv", index=False)
    pd.testing.assert_frame_equal(read_predictions(tmp_path / "p.parquet"), read_predictions(tmp_path / "p.csv"))


def test_a_foreign_table_needs_patients_labels_and_scores_only(tmp_path):
    path = tmp_path / "foreign.csv"
    path.write_bytes("\ufeffpatient_id,label,score,scanner\n7,1,12.5,A\n8,0,-3,B\n".encode())
    read = read_predictions(path)
    assert read["source"].tolist() == ["model", "model"]
    assert read["split"].tolist() == ["all", "all"]
    assert read["score"].tolist() == [12.5, -3]
    assert read["scanner"].tolist() == ["A", "B"]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("declared", [False, True])
def test_a_table_that_a_spreadsheet_saved_with_decimal_commas_is_understood(tmp_path, separator, declared):
    lines = ["patient_id,label,score,note", "007,1,0#75,a#b", "8,0,-1#5e-2,", "9,0,.5,"]
    text = "\r\n".join(lines).replace(",", separator).replace("#", ",")
    (tmp_path / "p.csv").write_bytes((f"sep={separator}\r\n" * declared + text).encode("utf-8-sig"))
    read = read_predictions(tmp_path / "p.csv")
    assert read["patient_id"].tolist() == ["007", "8", "9"]
    assert read["score"].tolist() == [0.75, -0.015, 0.5]
    assert read["note"].tolist() == ["a,b", "", ""]


def test_a_number_with_point_and_comma_is_refused_not_guessed(tmp_path):
    (tmp_path / "p.csv").write_text("patient_id;label;score\na;1;1.234,5\n")
    with pytest.raises(CohortError, match=r"column score: '1\.234,5' is no number"):
        read_predictions(tmp_path / "p.csv")


def test_a_decimal_comma_in_quotes_is_refused_in_a_table_with_commas(tmp_path):
    (tmp_path / "p.csv").write_text('patient_id,label,score\na,1,"0,75"\n')
    with pytest.raises(CohortError, match="column score: '0,75' is no number"):
        read_predictions(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("header", "seen"),
    [("patient_id,video,label,reader_anna", "video, reader_anna"), ("patient_id,label,reader_b", "reader_b")],
)
def test_a_cohort_table_given_for_a_predictions_table_is_recognised(tmp_path, header, seen):
    (tmp_path / "cohort.csv").write_text(f"{header}\n{','.join('1' * len(header.split(',')))}\n")
    with pytest.raises(CohortError, match=rf"looks like a cohort table \(column {seen}, but no score\)") as caught:
        read_predictions(tmp_path / "cohort.csv")
    assert "predictions.csv of a run" in str(caught.value)


def test_predictions_that_merely_lack_their_scores_are_not_called_a_cohort_table():
    with pytest.raises(CohortError, match="no column score; the columns are"):
        check_predictions(table().drop(columns=["score", "call"]))


def test_a_table_of_calls_alone_takes_the_call_as_the_score():
    read = check_predictions(pd.DataFrame({"patient_id": ["a", "b"], "label": [1, 0], "call": [1, 0]}))
    assert read["score"].tolist() == [1, 0]


@pytest.mark.parametrize(("alias", "name"), [("validation", "val"), ("test", "test_a"), ("external", "test_b")])
def test_other_names_of_a_split_are_understood(alias, name):
    assert check_predictions(table(*((row, "split", alias) for row in (1, 2, 3))))["split"].tolist() == [name] * 3


def test_checking_twice_changes_nothing():
    once = check_predictions(table())
    pd.testing.assert_frame_equal(check_predictions(once), once)


def test_the_callers_table_is_left_as_it_was():
    mine = table()
    before = mine.copy()
    check_predictions(mine)
    pd.testing.assert_frame_equal(mine, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([(3, "label", 2)], r"row 3 \(patient 002, source tin\), column label: '2' is not 0 or 1"),
        ([(3, "label", "pos")], "row 3 .* column label: 'pos' is no number; write 1 for metastasis, 0 for none"),
        ([(3, "label", "")], "column label: '' is empty"),
        ([(2, "label", 0)], r"row 2 \(patient 001, source tin\), column label: '0' differs from the patient's other"),
        ([(1, "score", np.nan)], r"row 1 .* column score: 'nan' is empty"),
        ([(1, "score", "inf")], "column score: 'inf' is no finite number"),
        ([(1, "score", "high"), (3, "score", "low")], r"'high' is no number \(1 more row alike\)"),
        ([(1, "call", 0.7), (2, "call", 0.7)], r"column call: '0\.7' is not 0 or 1"),
        ([(1, "call", 1), (2, "call", 0), (3, "call", 0)], "row 2 .* differs from the patient's other videos"),
        ([(1, "call", 1), (2, "call", 1)], "row 3 .* is empty, but other patients of its source and set have one"),
        ([(2, "video", "1a.avi")], r"row 2 .* column video: '1a\.avi' stands twice"),
        ([(2, "split", "val")], "row 2 .* column split: 'val' differs .* a patient is in one set only"),
        ([(1, "fold", 0.5)], r"column fold: '0\.5' is no whole number"),
        ([(1, "fold", 0), (2, "fold", 1)], "row 2 .* column fold: '1' differs .* held out once"),
        ([(1, "patient_id", "")], "column patient_id: '' is empty"),
        ([(1, "source", None)], "column source: '' is empty"),
        ([(1, "kind", "robot")], "column kind: 'robot' is not model, reader, ceiling"),
        ([(1, "kind", "reader")], "row 2 .* column kind: '' differs among the rows of its source"),
    ],
)
def test_a_wrong_cell_is_named_by_row_patient_and_column(changes, message):
    with pytest.raises(CohortError, match=message) as caught:
        check_predictions(table(*changes), origin="p.csv")
    assert str(caught.value).startswith("p.csv: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"patient_id,score\n1,0.5\n", "no column label; the columns are patient_id, score"),
        (b"patient_id,label\n1,1\n", "no column score"),
        (b"patient_id,label,score\n", "the table has no row"),
        (b"patient_id,label,score\na,1,0.5,x\nb,0,0.1,y\n", "its rows have more cells than its header"),
        (b"patient_id,label,score\na,1,0,75\nb,0,0.1\n", "its rows have more cells|Expected 3 fields"),
        (b"", "cannot be read as a predictions table"),
        (b"patient_id,label,score\n1,1,\xff\xfe\n", "cannot be read as a predictions table"),
    ],
)
def test_a_file_that_is_no_predictions_table_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(CohortError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(CohortError, match=r"absent\.csv: cannot be read"):
        read_predictions(tmp_path / "absent.csv")


def test_text_that_is_no_parquet_is_refused_by_name(tmp_path):
    (tmp_path / "p.parquet").write_text("no")
    with pytest.raises(CohortError, match=r"p\.parquet: cannot be read"):
        read_predictions(tmp_path / "p.parquet")


@pytest.mark.parametrize("scores", [[1j, 2j, 3j], pd.date_range("2020", periods=3), [[1], [2], [3]]])
def test_scores_that_pandas_would_silently_turn_into_numbers_are_refused(scores):
    with pytest.raises(CohortError, match=r"row 1 .* column score: .* is no number"):
        check_predictions(table().assign(score=scores))


@pytest.mark.parametrize("labels", [[True, True, False], pd.array([1, 1, 0], dtype="Int64"), ["1", "1", "0"]])
def test_labels_of_any_type_that_means_zero_or_one_are_understood(labels):
    assert check_predictions(table().assign(label=labels))["label"].tolist() == [1, 1, 0]


def test_a_column_named_twice_is_refused():
    with pytest.raises(CohortError, match="a column's name stands twice"):
        check_predictions(pd.concat([table(), table()[["label"]]], axis=1))


@pytest.mark.parametrize(("aggregation", "score"), [("mean", 0.7), ("max", 0.9)])
def test_a_patients_score_is_that_of_the_patients_videos(aggregation, score):
    patients = to_patients(table(), aggregation).set_index("patient_id")
    assert patients.loc["001", "score"] == pytest.approx(score)
    assert patients.loc["001", "videos"] == 2
    assert patients.loc["002", "label"] == 0


def test_the_order_of_the_rows_does_not_matter():
    pd.testing.assert_frame_equal(to_patients(table()[::-1]), to_patients(table()))


def test_patients_that_trained_in_several_folds_are_held_out_in_one():
    rows = [dict(ROWS[2], fold=fold, split=split) for fold, split in ((0, "folds"), (1, "val"), (2, "train"))]
    assert len(to_patients(table(rows=rows))) == 3


def test_a_table_whose_scores_have_another_name_is_told_that_the_score_is_missing(tmp_path):
    pd.DataFrame({"patient_id": ["a"], "label": [1], "prob": [0.5]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(CohortError, match="no column score; the columns are patient_id, label, prob"):
        evaluate_table(tmp_path / "t.csv", {})
