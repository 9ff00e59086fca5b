"""Results as text for the terminal."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from alnus import evaluation
from alnus.config import EvaluationConfig
from alnus.evaluation import (
    apply_thresholds,
    format_comparisons,
    format_results,
    read_predictions,
)
from alnus.evaluation.text import format_p

QUICK = EvaluationConfig(replicates=100)
evaluate = functools.partial(evaluation.evaluate, config=QUICK)
compare_sources = functools.partial(evaluation.compare_sources, config=QUICK)
LABELS = np.repeat([1, 0], [21, 40])
CALLS = np.repeat([1, 0, 1, 0], [16, 5, 4, 36])
IDS = [f"p{i}" for i in range(61)]


def table():
    scores = {"tin": CALLS + np.linspace(0, 0.4, 61), "image": np.linspace(1, 0, 61) + LABELS * 0.2}
    return pd.concat(
        [
            pd.DataFrame({"patient_id": IDS, "split": "test_a", "label": LABELS, "source": name, "score": score})
            for name, score in scores.items()
        ]
    ).assign(call=lambda rows: np.tile(CALLS, 2))


def test_the_papers_counts_are_shown_with_their_exact_intervals():
    text = format_results(evaluate(table()))
    assert "Testing set A: 61 patients, 21 with metastasis" in text
    for shown in ("85.2% (73.8\u201393.0)", "76.2% (52.8\u201391.8)", "90.0% (76.3\u201397.2)"):
        assert shown in text


def test_the_columns_are_aligned_and_fit_a_wide_terminal():
    lines = [line for line in format_results(evaluate(table())).splitlines() if line.startswith("|")]
    sources, comparisons = lines[:4], lines[4:]
    assert len({len(line) for line in sources}) == 1
    assert len({len(line) for line in comparisons}) == 1
    assert max(map(len, lines)) <= 130


def test_further_measures_are_shown_on_request():
    assert "NPV" not in format_results(evaluate(table()))
    assert "NPV (95% CI)" in format_results(evaluate(table()), measures=("ppv", "npv"))


def test_what_is_missing_is_a_dash_with_its_reason_and_never_nan():
    text = format_results(evaluate(table().drop(columns="call").query("label == 0")))
    assert "| -" in text
    assert "tin: AUC: labels: 0 patients with and 40 without" in text
    assert "nan" not in text.lower()


def test_simulated_patients_are_announced_first():
    assert format_results(evaluate(table(), phantom=True)).startswith("Simulated (phantom) patients")


def test_one_row_of_phantom_origin_makes_every_text_say_simulated(tmp_path):
    marked = table()
    marked["origin"] = ["", " Phantom"] + [None] * (len(marked) - 2)
    called = apply_thresholds(marked, {"tin": 0.5})
    assert called["origin"].tolist() == marked["origin"].tolist()
    called.to_csv(tmp_path / "p.csv", index=False)
    for rows in (marked, called, read_predictions(tmp_path / "p.csv")):
        assert evaluate(rows)["phantom"] is True
        assert format_results(evaluate(rows)).startswith("Simulated (phantom) patients")
        assert format_comparisons(compare_sources(rows, "tin", "image")).startswith("Simulated (phantom) patients")


def test_clinical_rows_are_not_called_simulated():
    for rows in (table(), table().assign(origin="clinic")):
        assert evaluate(rows)["phantom"] is False
        assert compare_sources(rows, "tin", "image")["phantom"] is False
        assert "Simulated" not in format_comparisons(compare_sources(rows, "tin", "image"))


def test_a_comparison_shows_both_sources_and_the_difference():
    text = format_comparisons(compare_sources(table(), "tin", "image"))
    assert "tin \u2212 image" in text
    assert "P (DeLong)" in text
    assert "0 / 0" in text
    assert " to " in text  # between the ends of a difference, which may be negative


def test_an_auc_without_variance_has_no_interval_and_an_equal_one_no_p_value():
    four = pd.DataFrame({"patient_id": list("abcd"), "label": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]})
    both = pd.concat([four.assign(source="tin"), four.assign(source="image")])
    results = evaluate(both)
    for text in (format_results(results), format_comparisons(compare_sources(both, "tin", "image"))):
        assert "| 1.000 (no interval) |" in text
        assert "1.000\u20131.000" not in text
        assert "tin: AUC without an interval: DeLong's variance is zero" in text
        assert "(underpowered)" in text
        row = next(line for line in text.splitlines() if line.startswith("| tin \u2212 image"))
        assert [cell.strip() for cell in row.split("|")[2:5]] == ["0.000 (no interval)", "-", "-"]
        assert "tin \u2212 image: AUC: the difference has no variance" in text
    assert results["sets"]["all"]["comparisons"][0]["auc"]["p_value"] == 1  # the file keeps the numbers


def test_a_test_that_does_not_exist_has_its_reason_below_the_table():
    four = pd.DataFrame({"patient_id": list("abcd"), "label": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]})
    both = pd.concat([four.assign(source="tin"), four.assign(source="image", score=0.5)])
    for text in (format_results(evaluate(both)), format_comparisons(compare_sources(both, "tin", "image"))):
        assert "\ntin \u2212 image: AUC: scores: the AUCs differ by 0.500 with a variance of zero" in text


def test_a_source_without_an_answer_for_everyone_shows_for_how_many():
    rows = table()
    partial = rows[(rows["source"] == "tin") | rows["patient_id"].isin(IDS[10:50])]
    text = format_results(evaluate(partial))
    assert "| image (n = 40) |" in text
    assert "| tin  " in text
    assert "(n = " not in format_results(evaluate(rows))
    assert "(n = " not in format_comparisons(compare_sources(partial, "tin", "image"))  # its heading says how many


def test_validation_is_announced_as_optimistic_where_networks_were_fitted_on_it():
    rows = pd.concat([table(), table().assign(split="val", patient_id=[f"v{i}" for i in IDS] * 2)])
    val, test = (line for line in format_results(evaluate(rows)).splitlines() if "61 patients" in line)
    assert val == (
        "Validation set: 61 patients, 21 with metastasis "
        "(epochs and thresholds were chosen on these patients: optimistic)"
    )
    assert "optimistic" not in test
    assert "optimistic" not in format_results(evaluate(rows, kinds={"tin": "reader", "image": "reader"}))


def test_a_share_of_nobody_is_explained_in_plain_words():
    text = format_results(evaluate(table().assign(call=1)), measures=("npv",))
    assert "tin: NPV not defined: nobody was called negative" in text
    assert "PPV not defined: nobody was called positive" in format_results(evaluate(table().assign(call=0)))


def test_small_p_values_are_not_shown_as_zero():
    assert [format_p(p) for p in (0.0004, 0.0421, None)] == ["<0.001", "0.042", "-"]
