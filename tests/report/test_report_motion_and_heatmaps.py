"""What the report says of motion and of its heatmaps follows from results.json, in words, tables and figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

from alnus.config import EvaluationConfig
from alnus.evaluation import results_schema
from alnus.evaluation.faithfulness import FRAMES, LESION, PERTURBED, faithfulness_results
from alnus.evaluation.motion import ALTERATIONS, motion_results
from alnus.report.content import build
from alnus.report.document import Bullets, Figures, Section, Table, Text
from alnus.report.run_files import read_run
from alnus.report.write import draw_figures

CONFIG = EvaluationConfig(replicates=100)
NETWORKS = ("tin", "r2plus1d", "resnet3d")


def altered(predictions: pd.DataFrame, *, kept: tuple[str, ...]) -> pd.DataFrame:
    """The networks' own scores with a little noise where the evidence is kept, and chance elsewhere."""
    generator = np.random.default_rng(0)
    rows = predictions[predictions["source"].isin(NETWORKS) & predictions["split"].isin(["test_a", "test_b"])]
    tables = []
    for how in ALTERATIONS:
        score = rows["score"] + generator.normal(0, 0.01, len(rows)) if how in kept else generator.random(len(rows))
        tables.append(rows.assign(altered=how, score=score))
    return pd.concat(tables, ignore_index=True)


def cases(*, good: bool) -> dict[str, pd.DataFrame]:
    """Twelve cases a network, a quarter of them wrong: true maps, or maps of chance."""
    generator = np.random.default_rng(1)
    keys = [
        {"set": name, "source": source, "patient_id": f"P{k}", "video": f"P{k}"}
        for name in ("test_a", "test_b")
        for source in (*NETWORKS, "image")
        for k in range(12)
    ]
    value = {"pointing": 0.8, "energy": 0.3, "deletion": 0.3, "insertion": 0.6, "frame_lesion": 0.9} if good else {}
    rows = [
        key
        | {"kind": ("TP", "TN", "TP", "FP")[number % 4], "evidence": 1.0}
        | {name: value.get(name, 0.45) + generator.normal(0, 0.02) for name in (*LESION, *FRAMES, *PERTURBED)}
        for number, key in enumerate(keys)
    ]
    curves = [
        key
        | {"measure": measure, "order": order, "share": share, "score": 1 - share if measure == "deletion" else share}
        for key in keys
        for measure in ("deletion", "insertion")
        for order in ("heat", "random", "centre")
        for share in (0.0, 0.5, 1.0)
    ]
    random = [
        key | {"depth": depth, "part": part, "similarity": (0.1 if good else 0.95) + generator.normal(0, 0.02)}
        for key in keys
        for depth, part in ((1, "fc"), (2, "conv1"))
    ]
    return {"cases": pd.DataFrame(rows), "curves": pd.DataFrame(curves), "randomised": pd.DataFrame(random)}


def completed(run: Path, *, kept: tuple[str, ...] = ("reversed", "shuffled"), good: bool = True) -> Path:
    predictions = pd.read_csv(run / "predictions.csv")
    results = json.loads((run / "results.json").read_text())
    parts = {
        "motion": motion_results(predictions, altered(predictions, kept=kept), CONFIG),
        "explanation": faithfulness_results(**cases(good=good), config=CONFIG),
    }
    for key, found in parts.items():
        for name, sources in found.items():
            for source, part in sources.items():
                results["sets"][name]["sources"][source][key] = part
    jsonschema.Draft202012Validator(results_schema()).validate(results)
    (run / "results.json").write_text(json.dumps(results))
    return run


def section(run: Path, name: str) -> Section:
    return next(part for part in build(read_run(run)).sections if part.name == name)


def said(part: Section) -> str:
    texts = [f"{block.heading} {block.text}" for block in part.blocks if isinstance(block, Text)]
    return "\n".join([*texts, *(item for block in part.blocks if isinstance(block, Bullets) for item in block.items)])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Path]) -> Path:
    return make_run(tmp_path_factory.mktemp("base"))


@pytest.fixture
def run(tmp_path: Path, base: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "run"))


def table(part: Section, name: str) -> Table:
    return next(block for block in part.blocks if isinstance(block, Table) and block.name == name)


def test_evidence_in_several_frames_of_any_order_is_said_so_in_words(run: Path) -> None:
    text = said(section(completed(run), "motion"))
    assert "The order of the frames: not shown to matter for any network" in text
    assert "What several frames show beyond one, in whatever order: shown to matter for TIN" in text
    assert "What the moving cine shows beyond one frame held still: shown to matter for TIN" in text
    assert "The mere number of frames: not shown to matter for any network" in text
    assert "Holm’s correction over all motion tests" in text
    assert "nothing of its risk lies in the order" in text  # a phantom's answer is known


def test_evidence_in_the_order_is_said_so_in_words(run: Path) -> None:
    text = said(section(completed(run, kept=()), "motion"))
    assert "The order of the frames: shown to matter for TIN" in text
    assert "What several frames show beyond one, in whatever order: not shown to matter for any network" in text


def test_every_number_of_the_motion_table_is_that_of_results_json(run: Path) -> None:
    completed(run)
    found: Any = json.loads((run / "results.json").read_text())["sets"]["test_a"]["sources"]["tin"]["motion"]
    rows = [row for row in table(section(run, "motion"), "motion_test_a").rows if not row.heading]
    areas = {row.cells[0].main: row.cells[1].main for row in rows[:5]}
    assert areas["frames reversed"] == f"{found['auc']['reversed']['estimate']:.3f}"
    assert areas["frozen to the keyframe"] == f"{found['auc']['frozen']['estimate']:.3f}"
    frozen = next(row["auc"] for row in found["comparisons"] if (row["a"], row["b"]) == ("frozen", "intact"))
    cell = rows[3].cells[2]
    assert cell.main.replace("−", "-") == f"{frozen['estimate']:.3f}"
    assert cell.note.startswith("P ")


def test_true_heatmaps_are_said_to_beat_chance_and_wrong_cases_stand_beside_right_ones(run: Path) -> None:
    part = section(completed(run), "heatmap-tests")
    assert "TIN: better than chance in the pointing game, the lesion in the heaviest frame, deletion and insertion" in (
        said(part)
    )
    assert "random weights change the map (rank correlation 0.1" in said(part)
    rows = table(part, "heatmap_tests_test_a").rows
    assert [row.cells[0].main for row in rows[:4]] == ["TIN", "all", "called rightly", "called wrongly"]
    assert [row.cells[0].sub for row in rows[1:4]] == ["(12)", "(9)", "(3)"]


def test_heatmaps_of_chance_are_said_to_show_nothing(run: Path) -> None:
    text = said(section(completed(run, good=False), "heatmap-tests"))
    assert "neither is shown in" in text
    assert "it is not shown that random weights change the map" in text


def test_a_run_without_either_says_why(run: Path) -> None:
    assert "motion: false" in said(section(run, "motion"))
    assert "explanation.faithfulness.cases: 0" in said(section(run, "heatmap-tests"))


def test_every_figure_that_the_sections_name_is_drawn(run: Path, tmp_path: Path) -> None:
    completed(run)
    files = read_run(run)
    draw_figures(files, tmp_path / "figures")
    blocks = [b for name in ("motion", "heatmap-tests") for b in section(run, name).blocks if isinstance(b, Figures)]
    names = [figure.name for block in blocks for figure in block.figures]
    assert names == ["motion_test_a", "motion_test_b", "heatmap_tests_test_a", "heatmap_tests_test_b"]
    assert all((tmp_path / "figures" / f"{name}.svg").is_file() for name in names)


def test_a_set_too_small_for_any_area_has_no_empty_figure_of_motion(run: Path, tmp_path: Path) -> None:
    completed(run)
    results = json.loads((run / "results.json").read_text())
    for source in results["sets"]["test_a"]["sources"].values():
        if "motion" in source:
            source["motion"]["auc"] = dict.fromkeys(source["motion"]["auc"])
    (run / "results.json").write_text(json.dumps(results))
    draw_figures(read_run(run), tmp_path / "figures")
    blocks = [block for block in section(run, "motion").blocks if isinstance(block, Figures)]
    assert [figure.name for block in blocks for figure in block.figures] == ["motion_test_b"]
    assert not (tmp_path / "figures" / "motion_test_a.svg").exists()
    assert table(section(run, "motion"), "motion_test_a").rows
