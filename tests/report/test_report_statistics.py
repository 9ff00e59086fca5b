"""The parts of the report that results.json fills beyond measures: comparisons, probabilities, subgroups, readers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alnus.report import write_table_report
from alnus.report.banners import PHANTOM_BANNER
from alnus.report.content import build
from alnus.report.document import Cell, Document, Table
from alnus.report.forest_figure import forest_figure
from alnus.report.probability_figures import calibration_figure, decision_figure
from alnus.report.reader_tables import against_table, with_model_table
from alnus.report.run_files import read_run
from alnus.report.sample_size import openings_table
from alnus.report.style import styled
from alnus.report.subgroup_tables import fusion_table, interactions_table


@pytest.fixture(scope="module")
def document(phantom_run: Path) -> Document:
    return build(read_run(phantom_run))


@pytest.fixture(scope="module")
def results(phantom_run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((phantom_run / "results.json").read_text())
    return loaded


def table(document: Document, name: str) -> Table:
    return next(found for found in document.tables() if found.name == name)


def row_of(found: Table, title: str) -> tuple[Cell, ...]:
    return next(row.cells for row in found.rows if not row.heading and row.cells[0].main == title)


def interval(estimate: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {"estimate": estimate, "low": low, "high": high} | more


def test_calibration_is_given_before_and_after_recalibration(document: Document, results: dict[str, Any]) -> None:
    rows = [row.cells for row in table(document, "calibration_test_a").rows if row.cells[0].main == "TIN"]
    assert [cells[0].sub for cells in rows] == ["as it is", "recalibrated"]
    tin = results["sets"]["test_a"]["sources"]["tin"]
    for cells, key in zip(rows, ("calibration", "calibration_recalibrated"), strict=True):
        assert cells[2].main == f"{tin[key]['slope']['estimate']:.2f}"
        assert cells[4].main == f"{tin[key]['brier']['score']:.3f}"


def test_spared_and_missed_of_100_are_those_of_the_counts(document: Document, results: dict[str, Any]) -> None:
    counts = results["sets"]["test_a"]["sources"]["tin"]["counts"]
    n = sum(counts.values())
    cells = row_of(table(document, "hundred_test_a"), "TIN")
    wanted = [counts["tn"] + counts["fn"], counts["fn"], counts["fp"]]
    assert [cell.main for cell in cells[1:]] == [f"{100 * k / n:.0f}" for k in wanted]


def test_the_openings_of_a_set_are_listed_and_a_changed_reopening_is_named(phantom_run: Path) -> None:
    files = read_run(phantom_run)
    same = {"set": "test_a", "patients": 61, "thresholds_sha256": "a" * 64, "predictions_sha256": "b" * 64, "number": 1}
    files.results["openings"] = [same, same | {"number": 2}]  # type: ignore[index]  # loaded from JSON, a plain dictionary
    once = openings_table(files)
    files.results["openings"] = [same, same | {"number": 2, "thresholds_sha256": "c" * 64}]  # type: ignore[index]
    twice = openings_table(files)
    assert once is not None
    assert "one state of thresholds and predictions only" in once.notes[0]
    assert twice is not None
    assert twice.notes[0].startswith("Testing set A: opened again after thresholds or predictions had changed")


def readers_body() -> dict[str, Any]:
    study = {"readers": ["anna", "ben"], "cases": 61}
    part = {
        "study": study,
        "means": [
            {"treatment": "with the model"} | interval(0.9, 0.85, 0.95),
            {"treatment": "alone"} | interval(0.8, 0.7, 0.9),
        ],
        "differences": [
            {"treatment_a": "with the model", "treatment_b": "alone"} | interval(0.1, -0.01, 0.21, p_value=0.07)
        ],
    }
    against = {"study": study, "model": interval(0.88, 0.8, 0.96), "mean": interval(0.8, 0.7, 0.9)}
    against["difference"] = interval(0.08, 0.01, 0.15, p_value=0.03)
    lost = {"reason": "one reader has no calls"}
    return {
        "sources": {"tin": {"kind": "model"}},
        "readers": {
            "with_model": {"auc": part, "sensitivity": lost, "specificity": lost},
            "against_models": {"tin": {"auc": against, "sensitivity": lost, "specificity": lost}},
        },
    }


def test_readers_stand_alone_then_with_the_model_and_what_is_lost_has_its_reason() -> None:
    found = with_model_table("test_a", readers_body(), 0.95)
    assert found is not None
    assert [cell.text for cell in found.rows[0].cells] == [
        "AUC", "0.800 (0.700–0.900)", "0.900 (0.850–0.950)", "0.100 (−0.010 to 0.210)", "0.070",
    ]  # fmt: skip
    assert "2 readers (Reader anna and Reader ben), 61 patients" in found.notes[0]
    assert "Sensitivity: one reader has no calls." in found.notes


def test_a_network_is_set_against_the_mean_of_the_readers() -> None:
    found = against_table("test_a", readers_body(), 0.95)
    assert found is not None
    assert [row.cells[0].main for row in found.rows] == ["AUC", "TIN"]
    assert found.rows[1].cells[3] == Cell("0.080", "(0.010 to 0.150)")
    assert found.notes[1] == "Sensitivity of TIN and Specificity of TIN: one reader has no calls."


def test_an_interaction_shows_its_raw_and_its_corrected_p() -> None:
    items = [
        {"variable": "center", "measure": "auc", "p_value": 0.02, "p_holm": 0.24},
        {"variable": "center", "measure": "sensitivity", "p_value": None, "p_holm": None},
    ]
    body = {"sources": {"tin": {}}, "subgroups": {"sources": {"tin": {"rows": [], "interactions": items}}}}
    found = interactions_table("test_a", body)
    assert found is not None
    assert [row.cells[2] for row in found.rows] == [Cell("0.020", "(Holm 0.240)")]


def test_a_fusion_says_what_each_part_does_alone() -> None:
    fusion = {
        "source": "tin", "variables": ["age"], "patients": 61, "how": "fitted on validation", "reasons": {},
        "auc": interval(0.9, 0.85, 0.95),
        "auc_score": interval(0.88, 0.8, 0.95), "auc_clinical": interval(0.6, 0.5, 0.7),
        "difference": interval(0.02, -0.03, 0.07, p_value=0.4), "clinical_difference": None,
    }  # fmt: skip
    found = fusion_table({"test_a": {"sources": {"tin": {"kind": "model"}}, "fusion": fusion}}, 0.95)
    assert found is not None
    assert [cell.main for cell in found.rows[0].cells] == ["Testing set A", "0.600", "0.880", "0.900", "0.020", "–"]
    assert found.rows[0].cells[4].note == "P = 0.400"
    assert "Score of TIN with age in a penalised logistic model, fitted on validation" in found.notes[0]


def test_a_forest_draws_each_interval_from_its_low_to_its_high_end() -> None:
    rows = [
        {"variable": None, "level": None, "patients": 61, "metastases": 21, "auc": interval(0.9, 0.8, 0.95)},
        {"variable": "center", "level": "A", "patients": 30, "metastases": 9, "auc": interval(0.7, 0.5, 0.85)},
        {"variable": "center", "level": "B", "patients": 2, "metastases": 0, "auc": None},
    ]
    with styled():
        axes = forest_figure(rows).axes[0]
    ends = [tuple(line.get_xdata()) for line in axes.get_lines() if len(line.get_xdata()) == 2]
    assert (0.8, 0.95) in ends
    assert (0.5, 0.85) in ends
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "All patients  21/61", "center", "   A  9/30", "   B  0/2",
    ]  # fmt: skip
    assert "–" in [text.get_text() for text in axes.texts]


def test_calibration_and_decision_figures_have_a_panel_a_network_with_its_band() -> None:
    curve = {"predicted": [0.1, 0.9], "observed": [0.2, 0.8], "low": [0.1, 0.6], "high": [0.4, 0.9]}
    benefit = {"thresholds": [0.1, 0.5], "net_benefit": [0.3, 0.1], "low": [0.2, 0.0], "high": [0.4, 0.2]}
    source = {"calibration": {"curve": curve}, "decision_curve": benefit | {"treat_all": [0.25, -0.2]}}
    with styled():
        calibrated = calibration_figure([("tin", source), ("image", source)], ["tin", "image"])
        useful = decision_figure([("tin", source), ("image", source), ("other", source)], ["tin", "image"])
    assert [axes.get_title(loc="left") for axes in calibrated.axes] == [
        "TIN, as it is", "TIN, recalibrated", "Static image, as it is", "Static image, recalibrated",
    ]  # fmt: skip
    assert [len(axes.collections) for axes in calibrated.axes] == [1, 0, 1, 0]  # the band; recalibrated: "none"
    assert [axes.get_visible() for axes in useful.axes] == [True, True, True, False]
    assert all(len(axes.collections) == 1 for axes in useful.axes[:3])


def test_no_table_and_no_page_holds_a_nan(phantom_run: Path) -> None:
    html = (phantom_run / "report.html").read_text(encoding="utf-8")
    texts = [html[html.index("<main>") :], *(path.read_text() for path in (phantom_run / "tables").glob("*.csv"))]
    assert not any(re.search(r"\b(nan|inf)\b", text, flags=re.IGNORECASE) for text in texts)


def test_a_foreign_table_gets_a_page_of_its_own_without_a_run(tmp_path: Path, results: dict[str, Any]) -> None:
    page = write_table_report(results, tmp_path / "table.html").read_text(encoding="utf-8")
    assert PHANTOM_BANNER in page
    assert "Paired comparisons" in page
    assert "Model card" not in page
    assert "how the scores were made" in page
    assert [path.name for path in tmp_path.iterdir()] == ["table.html"]
    assert not re.search(r'(src|href)="(?!#|data:)', page)


def test_a_comparison_of_two_sources_gets_a_page_too(tmp_path: Path, results: dict[str, Any]) -> None:
    body = results["sets"]["test_a"]
    pair = next(item for item in body["comparisons"] if (item["a"], item["b"]) == ("tin", "image"))
    compared = {"phantom": False, "confidence": 0.95, "sets": {"all": {**pair, "sources": body["sources"]}}}
    page = write_table_report(compared, tmp_path / "compared.html").read_text(encoding="utf-8")
    assert "TIN vs Static image" in page
    named = write_table_report({**compared, "a": "tin", "b": "image"}, tmp_path / "named.html").read_text()
    assert "TIN, the first of the two, reached an AUC" in named
    assert "flattered" not in named.split("On this set")[0]
    assert f"{body['patients']} patients, {body['positive']} with metastasis" in page


def test_an_analysis_without_sets_is_shown_as_its_text(tmp_path: Path) -> None:
    page = write_table_report({"auc": {}}, tmp_path / "readers.html", text="AUC of <b>2</b> readers").read_text()
    assert "AUC of &lt;b&gt;2&lt;/b&gt; readers" in page


def test_wrong_cases_of_predictions_and_results_that_differ_are_reported(phantom_run: Path, document: Document) -> None:
    from alnus.report.wrong_cases import wrong_cases

    files = read_run(phantom_run)
    assert files.predictions is not None
    changed = files.predictions.assign(call="1")
    object.__setattr__(files, "predictions", pd.DataFrame(changed))
    warnings = [block for block in wrong_cases(files) if getattr(block, "tone", "") == "warning"]
    assert warnings
