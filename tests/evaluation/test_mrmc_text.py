"""Reader studies read from files and predictions, and written as lines for the terminal."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from alnus.errors import CohortError
from alnus.evaluation import (
    model_against_readers,
    mrmc,
    mrmc_lines,
    ratings_of,
    read_ratings,
    reading_times,
    standalone_lines,
    times_lines,
)

REFERENCE = Path(__file__).parents[1] / "reference"
RATINGS = pd.read_csv(REFERENCE / "mrmc_ratings.csv")
INCOMPLETE = RATINGS[RATINGS["kept"] == 1]
SCORES = RATINGS.drop_duplicates("case").assign(score=lambda table: table["case"] % 7)


def test_the_lines_name_the_study_the_method_every_number_and_the_test():
    result = mrmc(RATINGS)
    text = "\n".join(mrmc_lines(result, readers=True))
    assert "AUC: 2 treatments, 3 readers, 40 cases (16 with metastasis, 24 without)" in text
    assert (
        "Obuchowski–Rockette with Hillis' degrees of freedom; random readers, random cases, DeLong covariance" in text
    )
    mean, difference = result.means[0], result.differences[0]
    assert f"| alone     | {mean.estimate:.3f} ({mean.low:.3f}–{mean.high:.3f})" in text
    assert f"{difference.estimate:.3f} ({difference.low:.3f} to {difference.high:.3f}) | {result.p_value:.3f} |" in text
    assert f"All treatments equal: F(1, {result.equality.df2:.2f}) = {result.equality.statistic:.2f}, P = " in text
    assert text.count("| B ") == 2


def test_percentages_are_of_sensitivity_and_differences_are_points():
    text = "\n".join(mrmc_lines(mrmc(RATINGS, metric="sensitivity", threshold=3)))
    assert "Readers' mean sensitivity (95% CI)" in text
    assert " points (" in text
    assert "% (" in text


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"readers": "fixed"}, "Readers are fixed: the result holds for these readers"),
        ({"readers": "fixed"}, "All treatments equal: chi-square(1) = "),
        ({"cases": "fixed"}, "Cases are fixed: the result holds for these cases"),
        ({"cases": "fixed"}, "random readers, fixed cases\n"),
        ({"covariance": "unbiased"}, "unbiased (Gallas) covariance"),
        ({"against": 0.5}, "P (against 0.5)"),
    ],
)
def test_what_the_result_holds_for_is_said(options, note):
    assert note in "\n".join(mrmc_lines(mrmc(RATINGS, **options)))


def test_missing_readings_and_several_pairs_are_said():
    third = RATINGS.assign(treatment=RATINGS["treatment"].replace("alone", "third"))
    three = pd.concat([RATINGS, third[third["treatment"] == "third"]])
    assert "P values of single differences are not corrected for their number." in mrmc_lines(mrmc(three))
    text = "\n".join(mrmc_lines(mrmc(INCOMPLETE, covariance="jackknife")))
    missing = 240 - len(INCOMPLETE)
    assert f"{missing} of 240 readings are missing" in text
    assert "the result holds if they are missing at random" in text


def test_nested_cases_are_said():
    nested = RATINGS.assign(case=RATINGS["case"].astype(str) + RATINGS["reader"])
    text = "\n".join(mrmc_lines(mrmc(nested, covariance="jackknife")))
    assert "Layout: cases nested in readers; accuracies without a case in common do not covary." in text


def test_an_interval_without_width_is_not_printed_as_one():
    perfect = RATINGS.assign(rating=RATINGS["truth"])
    lines = mrmc_lines(mrmc(perfect))
    assert any("1.000 (no interval)" in line for line in lines)
    assert any("0.000 (no interval)" in line for line in lines)


def test_the_models_lines_give_model_readers_and_difference():
    result = model_against_readers(RATINGS[RATINGS["treatment"] == "alone"], SCORES[["case", "score"]])
    lines = standalone_lines(result)
    assert "AUC of the model against the readers' average: 1 treatment, 3 readers, 40 cases" in lines[0]
    assert [line.split("|")[1].strip() for line in lines[5:8]] == ["Model", "Mean of 3 readers", "Model − readers"]
    assert f"{result.p_value:.3f} |" in lines[7]


def test_the_lines_of_times_are_seconds_and_ratios():
    table = RATINGS.assign(time_s=20.0 + RATINGS["rating"] + (RATINGS["treatment"] == "model") * RATINGS["case"] % 5)
    result = reading_times(table)
    text = "\n".join(times_lines(result))
    assert f"{result.means[0].estimate:.1f} s (" in text
    assert f"| alone / model | {result.ratios[0].estimate:.3f} (" in text


def written(folder, table, **options):
    table.to_csv(folder / "ratings.csv", index=False, **options)
    return folder / "ratings.csv"


def test_a_file_gives_what_the_table_gives(tmp_path):
    assert mrmc(read_ratings(written(tmp_path, RATINGS))) == mrmc(RATINGS)
    assert mrmc(read_ratings(written(tmp_path, RATINGS, sep=";"))) == mrmc(RATINGS)


def test_readers_who_are_numbered_are_sorted_as_numbers(tmp_path):
    table = RATINGS.assign(reader=RATINGS["reader"].map({"A": 10, "B": 9, "C": 100}))
    assert mrmc(read_ratings(written(tmp_path, table))).study.readers == ("9", "10", "100")
    named = RATINGS.assign(reader=RATINGS["reader"].map({"A": "01", "B": "1", "C": "2"}))
    assert mrmc(read_ratings(written(tmp_path, named))).study.readers == ("01", "1", "2")


def test_a_file_without_treatments_is_of_one(tmp_path):
    path = written(tmp_path, RATINGS[RATINGS["treatment"] == "alone"].drop(columns="treatment"))
    assert mrmc(read_ratings(path)).study.treatments == ("readers",)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (RATINGS.drop(columns="truth"), "column 'truth' is missing; one row a reading is expected"),
        (RATINGS.assign(rating="high"), "rating 'high' in row 2 is no number; mend or leave out"),
    ],
)
def test_files_that_are_no_ratings_are_refused_by_name(table, message, tmp_path):
    with pytest.raises(CohortError, match=rf"ratings\.csv: {message}"):
        read_ratings(written(tmp_path, table))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CohortError, match=r"none\.csv: cannot be read as a CSV table"):
        read_ratings(tmp_path / "none.csv")


def predictions():
    rows = RATINGS.rename(columns={"case": "patient_id", "truth": "label", "rating": "score"})
    return rows.assign(source=rows["reader"] + " " + rows["treatment"], call=(rows["score"] >= 3).astype(float))


TREATMENTS = {each: {reader: f"{reader} {each}" for reader in "ABC"} for each in ("alone", "model")}


def test_readers_of_a_predictions_table_give_the_same_study():
    assert mrmc(ratings_of(predictions(), TREATMENTS)) == mrmc(RATINGS)
    calls = mrmc(ratings_of(predictions(), TREATMENTS, value="call"), metric="specificity")
    assert calls.means == mrmc(RATINGS, metric="specificity", threshold=3).means


def test_a_source_that_the_predictions_lack_is_refused():
    with pytest.raises(CohortError, match="'D alone' is no source of the table; the sources are A alone"):
        ratings_of(predictions(), {"alone": {"D": "D alone"}})
