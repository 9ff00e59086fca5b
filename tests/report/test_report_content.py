from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from alnus.errors import UsageError
from alnus.evaluation import evaluate
from alnus.models import NAMES
from alnus.models import build as build_network
from alnus.report import write_report
from alnus.report.content import build
from alnus.report.document import Bullets, Cell, Document, Figures, Gallery, Matrices, Table, Text
from alnus.report.flow import cohort_flow
from alnus.report.limits import last_stage_cells
from alnus.report.run_files import read_run
from alnus.report.run_tables import architecture
from alnus.report.wording import auc_cell, number, p_value, proportion_cell, seconds, source_title

BY_TITLE = {"TIN": "tin", "R(2+1)D": "r2plus1d", "ResNet-3D": "resnet3d", "Static image": "image"}


@pytest.fixture(scope="module")
def document(phantom_run: Path) -> Document:
    return build(read_run(phantom_run))


@pytest.fixture(scope="module")
def results(phantom_run: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((phantom_run / "results.json").read_text())
    return loaded


def table(document: Document, name: str) -> Table:
    return next(found for found in document.tables() if found.name == name)


def words(document: Document) -> str:
    blocks = [block for section in document.sections for block in section.blocks]
    texts = [f"{b.heading} {b.text}" for b in blocks if isinstance(b, Text)]
    return "\n".join([*texts, *(item for b in blocks if isinstance(b, Bullets) for item in b.items)])


def only_results(run: Path, keep: tuple[str, ...] = ("results.json",)) -> Path:
    for path in run.iterdir():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return run


@pytest.mark.usefixtures("plain_figures")
def test_the_papers_counts_are_printed_with_their_exact_intervals(tmp_path: Path) -> None:
    # Li et al. 2023: 52/61, 16/21, 36/40; Clopper-Pearson from DESIGN.md, section 1 (R: binom.test)
    calls = [1] * 16 + [0] * 5 + [1] * 4 + [0] * 36
    rows = {"patient_id": [f"P{k}" for k in range(61)], "label": [1] * 21 + [0] * 40, "call": calls, "split": "test_a"}
    predictions = pd.DataFrame(rows).assign(source="tin", score=np.array(calls) * 0.5 + np.linspace(0, 0.4, 61))
    (tmp_path / "results.json").write_text(json.dumps(evaluate(predictions)))
    html, _ = write_report(tmp_path)
    printed = table(build(read_run(tmp_path)), "results_test_a").rows[0].cells
    assert [cell.text for cell in printed[2:5]] == [
        "85.25% (52/61; 73.8–93.0)",
        "76.19% (16/21; 52.8–91.8) underpowered",
        "90.00% (36/40; 76.3–97.2) underpowered",
    ]
    said = words(build(read_run(tmp_path)))
    assert "sensitivity 76.19% (16/21; 52.8–91.8; underpowered) and specificity" in said
    # no validation patients: nothing was frozen on them
    assert "By its calls as the table gives them: accuracy" in said
    assert "patients by pathology (rows) and call (columns) as called in the table." in html.read_text(encoding="utf-8")
    assert all(part in html.read_text(encoding="utf-8") for cell in printed for part in (cell.main, cell.sub))


def test_every_printed_number_is_the_one_of_results_json(document: Document, results: dict[str, Any]) -> None:
    for name in ("test_a", "test_b"):
        rows = [row.cells for row in table(document, f"results_{name}").rows if not row.heading]
        sources = results["sets"][name]["sources"]
        assert len(rows) == len(sources)
        for cells in rows:
            title = cells[0].main
            source = sources[BY_TITLE.get(title, title.removeprefix("Reader ").replace("Ideal", "ideal"))]
            auc = source["auc"]
            assert cells[1].main == f"{auc['estimate']:.3f}"
            assert cells[1].sub == f"({auc['low']:.3f}–{auc['high']:.3f})"
            assert (cells[1].note == "underpowered") == (auc["high"] - auc["low"] > 0.2)
            for cell, measure in zip(cells[2:], ("accuracy", "sensitivity", "specificity", "ppv", "npv"), strict=True):
                m = source[measure]
                share = f"{100 * m['numerator'] / m['denominator']:.2f}%"
                assert cell.main == share
                ends = f"{100 * m['low']:.1f}–{100 * m['high']:.1f}"
                assert cell.sub == f"({m['numerator']}/{m['denominator']}; {ends})"
                assert cell.note == ("underpowered" if m["high"] - m["low"] > 0.2 else "")


def test_the_csv_of_measures_holds_every_digit(phantom_run: Path, results: dict[str, Any]) -> None:
    with (phantom_run / "tables" / "measures.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    row = next(r for r in rows if (r["set"], r["source"], r["measure"]) == ("test_b", "image", "npv"))
    npv = results["sets"]["test_b"]["sources"]["image"]["npv"]
    assert [float(row[key]) for key in ("estimate", "low", "high")] == [npv[key] for key in ("estimate", "low", "high")]
    assert (int(row["numerator"]), int(row["denominator"])) == (npv["numerator"], npv["denominator"])


def test_every_table_is_a_csv_and_every_figure_an_svg_and_a_png(phantom_run: Path, document: Document) -> None:
    always = {"cohort", "networks", "excluded", "missing", "sample_size", "checklist_claim"}
    of_sets = {f"{kind}_{name}" for kind in ("results", "comparisons", "wrong") for name in ("test_a", "test_b")}
    assert {t.name for t in document.tables()} >= always | of_sets
    for found in document.tables():
        lines = list(csv.reader((phantom_run / "tables" / f"{found.name}.csv").read_text().splitlines()))
        assert len(lines) == 1 + sum(not row.heading for row in found.rows)
    blocks = [block for section in document.sections for block in section.blocks if isinstance(block, Figures)]
    names = {figure.name for block in blocks for figure in block.figures}
    assert names >= {"flow", "roc_test_a", "roc_test_b", "learning_tin", "learning_image"}
    assert {path.name for path in (phantom_run / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in names for suffix in ("svg", "png")
    }


@pytest.mark.usefixtures("plain_figures")
def test_a_formula_in_a_patient_id_is_text_in_the_csv(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, explain=False)
    (run / "excluded.csv").write_text("patient_id,video,reason\n=1+1,a.avi,broken\n")
    write_report(run)
    assert "'=1+1,a.avi,broken" in (run / "tables" / "excluded.csv").read_text()


def test_confusion_matrices_hold_the_counts(document: Document, results: dict[str, Any]) -> None:
    matrices = [b for section in document.sections for b in section.blocks if isinstance(b, Matrices)]
    assert len(matrices) == 2
    tin = matrices[0].items[0]
    counts = results["sets"]["test_a"]["sources"]["tin"]["counts"]
    assert {"tp": tin.tp, "fn": tin.fn, "fp": tin.fp, "tn": tin.tn} == counts
    assert len(matrices[0].items) == 7  # four networks, three readers, no ceiling


def test_exploratory_comparisons_stand_apart_from_declared_ones(document: Document) -> None:
    rows = table(document, "comparisons_test_a").rows
    headings = [row.cells[0].main for row in rows if row.heading]
    assert headings == [
        "Primary comparison: declared beforehand, its AUCs not corrected",
        "Further declared comparisons",
        "Exploratory: not declared, not corrected",
    ]
    declared = {row.cells[0].main for row in rows[1:5] if not row.heading}
    assert declared == {f"{name} vs Static image" for name in ("R(2+1)D", "ResNet-3D", "TIN")}
    assert not any("deal reader" in row.cells[0].main for row in rows)


def without_primary(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps(results | {"primary": None}))


def test_the_summary_is_about_the_primary_comparison_not_about_the_best_on_the_test_set(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    results = json.loads((run / "results.json").read_text())
    areas = {name: source["auc"]["estimate"] for name, source in results["sets"]["test_a"]["sources"].items()}
    worst = min(("tin", "r2plus1d", "resnet3d"), key=lambda name: areas[name])
    results["primary"] = {"a": worst, "b": "image", "set": "test_a", "measure": "auc", "how": "declared"}
    for item in results["sets"]["test_a"]["comparisons"]:
        item["role"] = "primary" if (item["a"], item["b"]) == (worst, "image") else "secondary"
    (run / "results.json").write_text(json.dumps(results))
    for folder in (run, only_results(run)):  # a table's report has no model cards
        said = words(build(read_run(folder)))
        assert f"{source_title(worst)}, the network of the primary comparison, reached" in said
        assert "(the primary comparison, not corrected)" in said
    without_primary(run)
    assert "the network with the highest AUC here, which is likely to be flattered, reached" in words(
        build(read_run(run))
    )


def test_readers_with_the_model_are_counted_apart_and_what_it_changed_is_summed_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    label = np.repeat([1, 0], [21, 40])
    rows = []
    for name, skill in {"li": 1.0, "li_ai": 2.0, "ito": 1.0, "ito_ai": 2.0, "tin": 1.5}.items():
        score = np.round(rng.normal(size=61) + skill * label, 1)
        kind = "model" if name == "tin" else "reader"
        own = {"patient_id": range(61), "label": label, "score": score, "call": (score > 0.7).astype(int)}
        rows.append(pd.DataFrame(own).assign(source=name, kind=kind))
    results = evaluate(pd.concat(rows))
    (tmp_path / "results.json").write_text(json.dumps(results))
    said = words(build(read_run(tmp_path)))
    assert "2 readers alone: sensitivity" in said
    assert "2 readers with the model: sensitivity" in said
    assert "4 readers" not in said
    changed = results["sets"]["all"]["readers"]["with_model"]["auc"]["differences"][0]["estimate"]
    assert f"Mean AUC of the readers with the model less alone: {changed:.3f} (" in said


def test_the_summary_without_a_primary_comparison_names_the_network_that_validation_chose(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    without_primary(run)
    card = run / "models" / "image" / "model.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"validation_auc": 0.999}))
    said = words(build(read_run(run)))
    assert "Static image, the network with the highest validation AUC, reached" in said
    assert "picked for being the highest, it is likely to be flattered" in said


def test_a_difference_whose_corrected_p_is_above_5_percent_is_not_shown(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    results = json.loads((run / "results.json").read_text())
    for item in results["sets"]["test_a"]["comparisons"]:
        item["auc"] |= {"p_value": 0.02, "p_holm": 0.06 if item["declared"] else None}
        item["role"] = "secondary" if item["declared"] else "undeclared"
    (run / "results.json").write_text(json.dumps(results))
    said = words(build(read_run(run)))
    assert "P = 0.020, P = 0.060 after Holm’s correction: a difference is not shown" in said


def test_a_network_that_ties_with_the_chosen_one_is_not_called_higher(tmp_path: Path) -> None:
    four = pd.DataFrame({"patient_id": list("abcd"), "label": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]})
    both = pd.concat([four.assign(source="tin"), four.assign(source="image")]).assign(split="test_a")
    (tmp_path / "results.json").write_text(json.dumps(evaluate(both)))
    without_primary(tmp_path)
    for name, validation_auc in (("tin", 0.9), ("image", 0.8)):
        (tmp_path / "models" / name).mkdir(parents=True)
        card = {"name": name, "source": name, "validation_auc": validation_auc}
        (tmp_path / "models" / name / "model.json").write_text(json.dumps(card))
    said = words(build(read_run(tmp_path)))
    assert "TIN, the network with the highest validation AUC, reached" in said
    assert "picked for being the highest" not in said


def test_a_wide_interval_is_called_underpowered_in_the_summary(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    small = {"train": (58, 110), "val": (15, 27), "test_a": (6, 9)}
    said = words(build(read_run(make_run(tmp_path, sizes=small, explain=False, seed=3))))
    assert "the set is underpowered" in said


def test_an_auc_or_difference_without_variance_looks_firm_nowhere(tmp_path: Path) -> None:
    four = pd.DataFrame({"patient_id": list("abcd"), "label": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]})
    both = pd.concat([four.assign(source="tin"), four.assign(source="image")]).assign(split="test_a")
    (tmp_path / "results.json").write_text(json.dumps(evaluate(both)))
    document = build(read_run(tmp_path))
    cells = table(document, "results_test_a").rows[0].cells
    assert cells[1] == Cell("1.000", "(no interval)", "underpowered")
    assert any("or there is none" in note for note in table(document, "results_test_a").notes)
    compared = table(document, "comparisons_test_a")
    row = next(row for row in compared.rows if not row.heading)
    assert [cell.text for cell in row.cells[1:5]] == ["4", "0.000 (no interval) underpowered", "–", "–"]
    assert any("the difference has no variance" in note for note in compared.notes)
    said = words(document)
    assert "reached an AUC of 1.000 (no interval)." in said
    assert "the set is underpowered, and how firm the number is cannot be told" in said
    assert "difference of AUC 0.000; the difference has no variance" in said
    assert "1.000–1.000" not in said
    assert "P = 1.000" not in said


def test_a_reader_who_read_some_patients_only_shows_how_many(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"patient_id": [f"P{k}" for k in range(40)], "label": [0, 1] * 20, "split": "test_a"})
    tin, anna = (rows.assign(source=name, score=rows["label"] + rng.normal(size=40)) for name in ("tin", "anna"))
    results = evaluate(pd.concat([tin, anna.head(12)]), kinds={"anna": "reader"})
    (tmp_path / "results.json").write_text(json.dumps(results))
    document = build(read_run(tmp_path))
    measured = table(document, "results_test_a")
    assert [row.cells[0] for row in measured.rows if not row.heading] == [Cell("TIN"), Cell("Reader anna", "n = 12")]
    assert any(note.startswith("n: this source has an answer for so many of the 40") for note in measured.notes)
    compared = next(row for row in table(document, "comparisons_test_a").rows if not row.heading)
    assert [cell.main for cell in compared.cells[:2]] == ["TIN vs Reader anna", "12"]


def test_no_n_is_printed_where_every_source_answered_for_everyone(document: Document) -> None:
    measured = table(document, "results_test_a")
    assert not any(row.cells[0].sub for row in measured.rows)
    assert not any(note.startswith("n:") for note in measured.notes)


def test_the_first_epoch_is_epoch_1_in_the_table_and_below_the_figure(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    card = run / "models" / "tin" / "model.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"epoch": 0}))
    document = build(read_run(run))
    row = next(row for row in table(document, "networks").rows if row.cells[0].main == "TIN")
    assert row.cells[5] == Cell("16", "(1)")
    figures = [f for s in document.sections for b in s.blocks if isinstance(b, Figures) for f in b.figures]
    assert "kept epoch 1." in next(f.alt for f in figures if f.name == "learning_tin")


def test_the_limits_say_how_coarse_the_heat_maps_are_and_what_validation_numbers_are(document: Document) -> None:
    said = words(document)
    assert "2 × 2 cells over the picture for Static image and TIN and 4 × 4 cells over the picture for R(2+1)D" in said
    assert "does not localise a lesion or a lymph node" in said
    assert "chosen on the validation patients, so every number on these patients is optimistic" in said
    assert "2 videos were left out; the list of excluded inputs gives each one’s reason" in said
    assert "unreadable" not in said


@pytest.mark.parametrize(
    ("card", "cells"),
    [
        ({"name": "tin", "network": {"clip": {"side_px": 224}}}, 7),
        ({"name": "r2plus1d", "network": {"clip": {"side_px": 112}}}, 7),
        ({"name": "image", "network": {"clip": {"side_px": 65}}}, 3),
        ({"name": "resnet3d", "network": {}}, None),
        ({"name": "another", "network": {"clip": {"side_px": 64}}}, None),
    ],
)
def test_a_last_stage_has_as_many_cells_as_its_strides_leave(card: dict[str, Any], cells: int | None) -> None:
    assert last_stage_cells(card) == cells


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [64, 65])
def test_the_cells_are_those_of_the_network_itself(name: str, side: int) -> None:
    frames = 1 if name == "image" else 4
    network = build_network(name, width=16, num_segments=frames, in_channels=1).eval()
    with torch.no_grad():
        seen = network.features(torch.zeros(1, 1, frames, side, side)).shape
    assert last_stage_cells({"name": name, "network": {"clip": {"side_px": side}}}) == seen[-1] == seen[-2]


@pytest.mark.parametrize(
    ("name", "network", "words"),
    [
        ("x3d", {"depth": 26, "width": 24}, ("X3D of 26 blocks", "")),
        ("mvit", {"depth": 16, "width": 96}, ("MViTv2 of 16 blocks", "")),
        ("mvit", {"depth": 10, "width": 24}, ("MViTv2 of 10 blocks", "first stage 24 channels wide (published: 96)")),
        ("tin", {"depth": 50, "width": None}, ("Temporal interlacing on ResNet-50", "")),
    ],
)
def test_an_architecture_names_a_width_that_is_not_the_published_one(
    name: str, network: dict[str, Any], words: tuple[str, str]
) -> None:
    assert architecture(name, network) == words


def test_a_score_is_called_a_probability_nowhere(document: Document) -> None:
    assert "it is not calibrated, hence no probability of metastasis" in words(document)
    assert any("score (0 to 1, not calibrated)" in note for note in table(document, "networks").notes)
    html = words(document).replace("no probability of metastasis", "")
    assert "probability" not in html


def test_the_flow_adds_up_and_says_so_when_it_does_not(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, explain=False)
    flow = cohort_flow(read_run(run))
    assert flow.problems == ()
    assert sum(leaf.patients for leaf in flow.leaves) == flow.trunk[-1].patients == 320
    assert flow.trunk[0].patients - flow.excluded[0].patients == flow.trunk[-1].patients
    cohort = json.loads((run / "cohort.json").read_text())
    cohort["flow"][0]["patients"] += 5
    (run / "cohort.json").write_text(json.dumps(cohort))
    assert "The counts do not add up." in words(build(read_run(run)))


def test_a_patient_who_lost_every_video_is_counted_in_no_partition(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    (run / "excluded.csv").write_text("patient_id,video,reason\nP001,P001.dcm,broken\n")
    cohort = json.loads((run / "cohort.json").read_text())
    cohort["flow"][0] |= {"patients": 320, "videos": 320}
    cohort["flow"][1] |= {"patients": 1, "videos": 1}
    cohort["flow"][2] |= {"patients": 319, "videos": 319}
    cohort["flow"][3] |= {"patients": 167, "videos": 167}
    (run / "cohort.json").write_text(json.dumps(cohort))
    flow = cohort_flow(read_run(run))
    assert flow.problems == ()
    assert flow.leaves[0].text == "167 patients: 57 with, 110 without metastasis"


def test_kinds_of_case_without_a_heatmap_are_named(document: Document, results: dict[str, Any]) -> None:
    galleries = [b for section in document.sections for b in section.blocks if isinstance(b, Gallery)]
    assert len(galleries) == 8  # four networks on two sets
    image = next(g for g in galleries if g.caption == "Testing set A, Static image")
    missed = results["sets"]["test_a"]["sources"]["image"]["counts"]["fn"]
    assert missed > 0
    assert image.notes == (f"No false negatives are shown: no heatmap was made for any of the {missed}.",)
    assert {case.outcome for case in image.cases} == {"TP", "FP", "TN"}


@pytest.mark.usefixtures("plain_figures")
def test_cross_validation_is_reported_by_folds(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, folds=3, readers={}, phantom=False, explain=False)
    write_report(run)
    document = build(read_run(run))
    flow = cohort_flow(read_run(run))
    assert [leaf.label for leaf in flow.leaves] == ["Fold 1", "Fold 2", "Fold 3"]
    assert flow.problems == ()
    assert table(document, "results_folds").caption.startswith("Cross-validation: 110 patients")
    assert "–" in table(document, "networks").rows[0].cells[-1].main  # the folds' thresholds, lowest to highest
    assert "Readers: not available." in words(document)


@pytest.mark.usefixtures("plain_figures")
def test_a_set_of_one_class_has_no_auc_and_the_reason(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    one_class = {"train": (58, 110), "val": (15, 27), "test_a": (0, 14)}
    run = make_run(tmp_path, sizes=one_class, phantom=False, explain=False)
    html, _ = write_report(run)
    found = table(build(read_run(run)), "results_test_a")
    tin = next(row for row in found.rows if row.cells[0].main == "TIN")
    assert tin.cells[1] == Cell("–", "not defined")
    assert tin.cells[3] == Cell("–", "(0/0)")
    assert any("AUC not defined: labels: 0 patients with and 14 without metastasis" in note for note in found.notes)
    text = html.read_text(encoding="utf-8")
    assert "ROC figure of Testing set A: not available." in text
    assert not re.search(r"\bnan\b", text[text.index("<main>") :], flags=re.IGNORECASE)


def test_a_run_with_results_alone_gives_a_report_that_names_all_it_lacks(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = only_results(make_run(tmp_path, explain=False))
    html, pdf = write_report(run)
    assert pdf.stat().st_size > 10_000
    text = html.read_text(encoding="utf-8")
    for part in (
        "The cohort flow",
        "Table 1",
        "The table of networks",
        "Learning curves",
        "Heatmaps",
        "excluded inputs",
    ):
        assert f"{part}: not available." in text
    for name in ("run.json", "config.yaml", "cohort.json", "splits.csv", "excluded.csv", "models/", "explanations/"):
        assert f"<li>{name}" in text


def test_a_run_without_results_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"results\.json is not there: finish the study's evaluation"):
        write_report(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(UsageError, match=r"results\.json is not JSON .*: repeat the stage that writes it"):
        write_report(tmp_path)
    (tmp_path / "results.json").write_text('{"sets": {}}')
    with pytest.raises(UsageError, match=r"results\.json holds no sets"):
        write_report(tmp_path)


def test_numbers_are_written_as_a_journal_writes_them() -> None:
    assert number(-0.0204) == "−0.020"
    assert number(-0.00001) == "0.000"
    assert [p_value(p) for p in (0.0004, 0.0496, 0.0504, 0.143, 1.0, None)] == [
        "<0.001", "0.0496", "0.0504", "0.143", "1.000", "–",
    ]  # fmt: skip
    assert auc_cell({"estimate": 0.914, "low": 0.843, "high": 0.985}).text == "0.914 (0.843–0.985)"
    assert auc_cell({"estimate": 0.7, "low": 0.55, "high": 0.85}).note == "underpowered"
    assert proportion_cell(None) == Cell("–", "(0/0)")
    assert [seconds(s) for s in (4.26, 45, 200, 7500)] == ["4.3 s", "45 s", "3 min 20 s", "2 h 5 min"]


def test_wide_pictures_stand_two_abreast_so_that_their_words_can_be_read(document: Document) -> None:
    galleries = [b for section in document.sections for b in section.blocks if isinstance(b, Gallery)]
    assert {gallery.columns for gallery in galleries} == {2}
