"""The cohort table: what is read, what is refused and in which words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alnus.cohort import load_cohort
from alnus.errors import CohortError

ROWS = "patient_id,video,label\nP1,a.avi,0\nP2,b.avi,1\n"


def write(folder: Path, text: str | bytes, name: str = "cohort.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path, **options: bool) -> str:
    with pytest.raises(CohortError) as caught:
        load_cohort(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert caught.value.exit_status == 4
    return message


def test_an_id_of_digits_keeps_its_zeros(tmp_path):
    table = load_cohort(write(tmp_path, "patient_id,video,label\n007,1.avi,0\n7,2.avi,1\n1e3,3.avi,1\n")).table
    assert table["patient_id"].tolist() == ["007", "7", "1e3"]


def test_the_table_has_the_promised_types_and_roles(tmp_path):
    text = (
        "patient_id,video,label,centre,keyframe,roi_x,roi_y,roi_w,roi_h,reader_ann,age,grade,origin,image\n"
        "A,a.avi,1,North,3,0,1,20,30,1,61,II,phantom,a.jpg\n"
        "B,b.avi,0,South,,,,,,,,,phantom,\n"
    )
    cohort = load_cohort(write(tmp_path, text))
    assert cohort.is_phantom
    assert cohort.readers == ("ann",)
    assert cohort.clinical == ("age", "grade")
    assert cohort.root == tmp_path
    assert cohort.table["center"].tolist() == ["North", "South"]
    assert cohort.table["roi_w"].dtype == "Int64"
    assert cohort.table["keyframe"].isna().tolist() == [False, True]
    assert cohort.table["age"].iloc[0] == 61.0
    assert cohort.table["grade"].iloc[1] is None
    assert cohort.table["label"].dtype == "int64"
    assert cohort.table["image"].tolist() == ["a.jpg", ""]


def test_a_table_without_centers_has_one_nameless_center_and_is_no_phantom(tmp_path):
    cohort = load_cohort(write(tmp_path, ROWS))
    assert cohort.table["center"].tolist() == ["", ""]
    assert not cohort.is_phantom


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpatient_id;video;label;age\r\nP1;a.avi;0;61,5\r\nP2;b.avi;1,0;70\r\n;;;\r\n",
        "sep=;\npatient_id;video;label;age\nP1;a.avi;0;61,5\nP2;b.avi;1;70\n",
        "patient_id\tvideo\tlabel\tage\nP1\ta.avi\t0\t61.5\nP2\tb.avi\t1\t70\n",
        'patient_id, Video ,LABEL,age,\n" P1 ",a.avi,0,61.5,\n\nP2,b.avi,1.0,70,\n',
    ],
    ids=["semicolon-bom-decimal-comma", "sep-line", "tab", "blanks-and-an-empty-column"],
)
def test_what_excel_writes_is_read(tmp_path, text):
    table = load_cohort(write(tmp_path, text)).table
    assert table["patient_id"].tolist() == ["P1", "P2"]
    assert table["label"].tolist() == [0, 1]
    assert table["age"].tolist() == [61.5, 70.0]


def test_parquet_and_csv_give_the_same_table(tmp_path):
    frame = pd.DataFrame(
        {
            "patient_id": ["007", "8"],
            "video": ["a", "b"],
            "label": [True, False],
            "age": [61.25, None],
            "keyframe": [3, 4],
        }
    )
    frame.to_parquet(tmp_path / "cohort.parquet")
    frame.assign(label=[1, 0]).to_csv(tmp_path / "cohort.csv", index=False)
    parquet, text = (load_cohort(tmp_path / name).table for name in ("cohort.parquet", "cohort.csv"))
    pd.testing.assert_frame_equal(parquet, text)


def test_paths_may_leave_the_folder_or_be_absolute_and_windows_paths_are_read(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "v").mkdir()
    for name in ("a.avi", "b.avi"):
        (tmp_path / "v" / name).touch()
    text = f"patient_id,video,label\nP1,..\\v\\a.avi,0\nP2,{tmp_path / 'v' / 'b.avi'},1\n"
    cohort = load_cohort(write(tmp_path / "tables", text), need_files=True)
    assert all(cohort.path(video).is_file() for video in cohort.table["video"])


def test_a_label_of_2_is_refused_with_row_patient_column_and_value(tmp_path):
    message = refusal(write(tmp_path, ROWS + "P3,c.avi,2\n"))
    assert "row 3 (line 4), patient 'P3', column label: received '2', expected 1 (metastasis" in message


def test_many_bad_rows_are_named_by_the_first_few_and_their_number(tmp_path):
    bad = "".join(f"Q{number},q{number}.avi,x\n" for number in range(50))
    message = refusal(write(tmp_path, ROWS + bad))
    assert "row 3 (line 4), patient 'Q0'" in message
    assert "(also row 4, row 5, row 6; 50 rows in all)" in message


def test_a_quoted_line_break_and_a_blank_line_shift_the_line_but_not_the_row(tmp_path):
    text = 'patient_id,video,label,note\nP1,a.avi,0,"two\nlines"\n\nP2,b.avi,7,\n'
    assert "row 3 (line 5), patient 'P2'" in refusal(write(tmp_path, text))


def test_the_line_counts_excels_separator_line(tmp_path):
    assert "row 1 (line 3)" in refusal(write(tmp_path, "sep=;\npatient_id;video;label\nP1;a.avi;9\n"))


def test_a_patient_in_two_splits_is_refused_with_both_rows(tmp_path):
    text = "patient_id,video,label,split\nP1,a.avi,0,train\nP2,b.avi,1,val\nP1,c.avi,0,test\n"
    message = refusal(write(tmp_path, text))
    assert "patient 'P1' is in two splits: 'train' in row 1 (line 2) and 'test' in row 3 (line 4)" in message


def test_two_names_of_one_split_do_not_contradict_each_other(tmp_path):
    text = "patient_id,video,label,split\nP1,a.avi,0,val\nP1,b.avi,0,Validation\nP2,c.avi,0,test\nP3,d.avi,1,external\n"
    assert load_cohort(write(tmp_path, text)).table["split"].tolist() == ["val", "val", "test_a", "test_b"]


@pytest.mark.parametrize(
    ("column", "values"),
    [("label", "01"), ("center", "NS"), ("fold", "12"), ("reader_ann", "01"), ("reader_bea", "35")],
)
def test_what_concerns_the_patient_is_the_same_in_all_the_patients_rows(tmp_path, column, values):
    extra = "" if column == "label" else ",label"
    tail = "" if column == "label" else ",1"
    text = f"patient_id,video,{column}{extra}\n" + "".join(
        f"{patient},{number}.avi,{value}{tail}\n"
        for number, (patient, value) in enumerate([("P1", values[0]), ("P2", values[1]), ("P1", values[1])])
    )
    message = refusal(write(tmp_path, text))
    assert f"patient 'P1' has two values in column {column}: '{values[0]}' in row 1" in message
    assert f"'{values[1]}' in row 3" in message


def test_a_reading_written_once_holds_for_all_the_patients_rows(tmp_path):
    text = "patient_id,video,label,reader_ann\nP1,a.avi,1,\nP1,b.avi,1,1\nP2,c.avi,0,\n"
    column = load_cohort(write(tmp_path, text)).table["reader_ann"]
    assert column.iloc[:2].tolist() == [1.0, 1.0]
    assert pd.isna(column.iloc[2])


def test_a_video_that_stands_twice_is_refused_with_both_rows(tmp_path):
    message = refusal(write(tmp_path, ROWS + "P3,a.avi,1\n"))
    assert "video 'a.avi' stands twice, in row 1 (line 2) and row 3 (line 4)" in message


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("patient_id,video,label", ",a.avi,1", "column patient_id: received ''"),
        ("patient_id,video,label", "P1,,1", "column video: received ''"),
        ("patient_id,video,label", "P1,a.avi,NA", "column label is empty in every row"),
        (
            "patient_id,video,label,split",
            "P1,a.avi,1,trian",
            "column split: received 'trian', expected one of train, val",
        ),
        ("patient_id,video,label,keyframe", "P1,a.avi,1,-1", "column keyframe: received '-1', expected a whole number"),
        ("patient_id,video,label,fold", "P1,a.avi,1,1.5", "column fold: received '1.5'"),
        ("patient_id,video,label,reader_x", "P1,a.avi,1,maybe", "column reader_x: received 'maybe', expected a call"),
        ("patient_id,video,label,roi_x,roi_y,roi_w,roi_h", "P1,a.avi,1,1,1,0,5", "column roi_w: received '0'"),
        (
            "patient_id,video,label,roi_x,roi_y",
            "P1,a.avi,1,1,1",
            "column roi_w, roi_h is missing or empty beside roi_x",
        ),
        (
            "patient_id,label",
            "P1,1",
            "column video is missing; the columns are: 'patient_id', 'label'; add or rename one",
        ),
        ("patient_id,video", "P1,a.avi", "column label is missing"),
        ("patient_id,video,label,Label", "P1,a.avi,1,1", "column 4 'label' stands twice"),
        ("patient_id,video,label,", "P1,a.avi,1,x", "column 4 has no name"),
        ("patient_id,video,label", "P1,a.avi,1,x", "line 2 has 4 fields, the header 3"),
        ("patient_id,video,label", 'P1,"a.avi,1', "look for an unclosed quotation mark"),
    ],
)
def test_a_bad_cell_or_header_is_refused_in_words(tmp_path, header, row, expected):
    assert expected in refusal(write(tmp_path, f"{header}\n{row}\n"))


def test_an_roi_is_given_whole_or_not_at_all(tmp_path):
    text = "patient_id,video,label,roi_x,roi_y,roi_w,roi_h\nP1,a.avi,1,1,1,5,5\nP2,b.avi,0,1,,5,5\n"
    message = refusal(write(tmp_path, text))
    assert "row 2 (line 3), patient 'P2', column roi_x, roi_y, roi_w, roi_h: received '1', '', '5', '5'" in message


@pytest.mark.parametrize("column", ["center", "split", "fold"])
def test_a_column_that_concerns_everyone_is_filled_for_all_or_none(tmp_path, column):
    value = {"center": "N", "split": "train", "fold": "1"}[column]
    text = f"patient_id,video,label,{column}\nP1,a.avi,1,{value}\nP2,b.avi,0,\n"
    assert f"row 2 (line 3), patient 'P2', column {column}: received '', is empty though" in refusal(
        write(tmp_path, text)
    )
    empty = f"patient_id,video,label,{column}\nP1,a.avi,1,\nP2,b.avi,0,\n"
    assert len(load_cohort(write(tmp_path, empty)).table) == 2


def test_labels_may_be_absent_only_where_they_are_not_needed(tmp_path):
    path = write(tmp_path, "patient_id,video,label\nP1,a.avi,1\nP2,b.avi,\n")
    assert "row 2 (line 3), patient 'P2', column label: received ''" in refusal(path)
    assert load_cohort(path, need_labels=False).table["label"].isna().tolist() == [False, True]


@pytest.mark.parametrize("column", ["video", "image"])
def test_a_missing_file_is_refused_by_row_and_name(tmp_path, column):
    (tmp_path / "a.avi").touch()
    other = f"{'a.avi' if column == 'image' else 'gone.avi'},{'gone.png' if column == 'image' else ''}"
    path = write(tmp_path, f"patient_id,video,image,label\nP1,{other},1\n")
    message = refusal(path, need_files=True)
    assert f"1 of 1 files in column {column} are not under" in message
    assert "row 1 (line 2): 'gone" in message


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("cohort.csv", b"", "is empty"),
        ("cohort.csv", b"patient_id,video,label\n", "has a header but no rows"),
        ("cohort.csv", b"patient_id,video,label\nM\xfcller,a.avi,1\n", "line 2 is not UTF-8 text; save the table as"),
        ("cohort.csv", "patient_id,video".encode("utf-16"), "is UTF-16 text; save it as 'CSV UTF-8'"),
        ("cohort.csv", b"PK\x03\x04rest", "is a spreadsheet or archive under another name"),
        ("cohort.xlsx", b"PK\x03\x04rest", "a spreadsheet is not read; save it as 'CSV UTF-8'"),
        ("cohort.parquet", b"PAR1garbage", "cannot be read as Parquet"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(tmp_path, name, data, expected):
    assert expected in refusal(write(tmp_path, data, name))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    assert "no such file" in refusal(tmp_path / "cohort.csv")


def test_decimal_ids_in_parquet_are_refused_since_they_were_numbers_once(tmp_path):
    pd.DataFrame({"patient_id": [7.0], "video": ["a"], "label": [1]}).to_parquet(tmp_path / "c.parquet")
    assert "patient_id holds decimal numbers" in refusal(tmp_path / "c.parquet")


@given(
    st.binary(max_size=200)
    | st.text(alphabet='patient_dvolb,;\t"\n\r01 ', max_size=120).map(
        lambda tail: b"patient_id,video,label\n" + tail.encode()
    )
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_table_or_a_refusal_in_one_line(tmp_path_factory, data):
    path = write(tmp_path_factory.getbasetemp(), data, "fuzz.csv")
    message = ""
    try:
        assert len(load_cohort(path).table) > 0
    except CohortError as error:
        message = str(error)
    assert "\n" not in message
    assert "\r" not in message


def test_a_large_table_is_checked_in_one_pass_over_its_columns(tmp_path):
    count = 100_000
    frame = pd.DataFrame({"patient_id": [f"{number // 4:07d}" for number in range(count)]})
    frame["video"] = [f"v/{number}.avi" for number in range(count)]
    frame["label"] = frame["patient_id"].astype(int) % 2
    frame.to_csv(tmp_path / "cohort.csv", index=False)
    assert load_cohort(tmp_path / "cohort.csv").table["patient_id"].nunique() == count // 4
    frame.loc[count - 1, "label"] = 1 - frame.loc[count - 1, "label"]
    frame.to_csv(tmp_path / "cohort.csv", index=False)
    assert f"row {count} (line {count + 1})" in refusal(tmp_path / "cohort.csv")
