"""The three published data sets of the sample data, with what MRMCaov 0.3.0 (R) answers for them, to 1e-8."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from alnus.errors import CohortError
from alnus.evaluation import mrmc

FACTORS = {"random": ("random", "random"), "fixed_readers": ("fixed", "random"), "fixed_cases": ("random", "fixed")}
COMPONENTS = {
    "reader": "reader",
    "treatment:reader": "treatment_reader",
    "Error": "error",
    "Cov1": "cov1",
    "Cov2": "cov2",
    "Cov3": "cov3",
}
ROWS = {"Estimate": "estimate", "StdErr": "standard_error", "df": "df", "CI.Lower": "low", "CI.Upper": "high"}
ANSWERS = [  # the file's own list, so that a folder with fewer answers cannot pass
    *((name, design, method) for name in ("VanDyke", "Franken") for design, method in (
        ("random", "delong"), ("fixed_readers", "delong"), ("fixed_cases", "delong"), ("random", "jackknife"),
        ("fixed_readers", "jackknife"), ("random", "unbiased"), ("fixed_readers", "unbiased"),
    )),
    ("Kundel", "fixed_cases", "delong"), ("Kundel", "random", "jackknife"), ("Kundel", "fixed_readers", "jackknife"),
    ("Kundel", "random", "unbiased"), ("Kundel", "fixed_readers", "unbiased"),
]  # fmt: skip


def close(value):
    return pytest.approx(value, abs=1e-8, rel=1e-8)


@pytest.fixture(scope="module")
def folder(sample_data):
    if not (sample_data / "mrmc" / "answers.json").is_file():
        pytest.skip(f"the published reader studies are not here: {sample_data / 'mrmc'}")
    return sample_data / "mrmc"


@pytest.fixture(scope="module")
def answers(folder):
    cases = json.loads((folder / "answers.json").read_text())["cases"]
    return {(case["name"], each["design"], each["cov"]): each for case in cases for each in case["analyses"]}


def analysed(folder, name, design, method):
    readers, cases = FACTORS[design]
    return mrmc(pd.read_csv(folder / f"{name}.csv"), readers=readers, cases=cases, covariance=method)


def row(found, expected, renamed):
    return {theirs: getattr(found, ours) for theirs, ours in renamed.items() if theirs in expected}


@pytest.mark.parametrize(("name", "design", "method"), ANSWERS)
def test_means_differences_and_p_values_are_those_of_mrmcaov(name, design, method, folder, answers):
    expected, found = answers[name, design, method], analysed(folder, name, design, method)
    for theirs, ours in zip(expected["means"], found.means, strict=True):
        of_mean = row(ours, theirs, ROWS)
        assert of_mean == {key: close(theirs[key]) for key in of_mean}
        assert len(of_mean) >= 4
    for theirs, ours in zip(expected["differences"], found.differences, strict=True):
        of_difference = row(ours, theirs, {**ROWS, "p-value": "p_value", "t": "statistic", "z": "statistic"})
        assert of_difference == {key: close(theirs[key]) for key in of_difference}
        assert f"{ours.treatment_a} - {ours.treatment_b}" == theirs["Comparison"]
    (test,) = expected["equality"]
    assert found.p_value == found.equality.p_value == close(test["p-value"])
    assert found.equality.mean_square == close(test["MS(T)"])
    if "X2" in test:
        assert found.equality.df1 * found.equality.statistic == close(test["X2"])
        assert math.isinf(found.equality.df2)
    else:
        assert found.equality.statistic == close(test["F"])
        assert found.equality.df2 == close(test["df2"])


@pytest.mark.parametrize(("name", "design", "method"), ANSWERS)
def test_variance_components_are_those_of_mrmcaov(name, design, method, folder, answers):
    expected = answers[name, design, method]["components"]
    found = analysed(folder, name, design, method).components
    if expected is None:
        assert found is None
    else:
        assert {theirs: getattr(found, ours) for theirs, ours in COMPONENTS.items()} == {
            theirs: close(expected[theirs]) for theirs in COMPONENTS
        }


@pytest.mark.parametrize("design", ["random", "fixed_readers"])
def test_where_mrmcaov_refuses_delongs_covariance_of_an_unbalanced_study_so_do_we(design, folder, answers):
    assert "balanced design required" in answers["Kundel", design, "delong"]["error"]
    with pytest.raises(CohortError, match="DeLong's needs every reader to have read every case in every treatment"):
        analysed(folder, "Kundel", design, "delong")


def test_every_answer_of_the_folder_is_compared(answers):
    refused = {key for key, answer in answers.items() if "error" in answer}
    assert set(answers) - refused == set(ANSWERS)
