"""The public data set's layout, filled with phantom patients, goes the whole way: stills, expert, published folds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from alnus.cli import app
from alnus.media import open_cine
from alnus.phantom import PhantomConfig, write_phantom

pytestmark = pytest.mark.slow


def write_aln_ultra(folder: Path, cohort: Path) -> None:
    """Rearrange a phantom cohort as index.json, videos/<patient>_<k>.avi and image_pad/<patient>_<frame>.jpg."""
    index = {}
    (folder / "videos").mkdir(parents=True)
    (folder / "image_pad").mkdir()
    for number, row in enumerate(pd.read_csv(cohort).itertuples()):
        video, still = f"{number}_0.avi", f"{number}_{row.keyframe}.jpg"
        (cohort.parent / row.video).rename(folder / "videos" / video)
        frame = open_cine(folder / "videos" / video).frames[row.keyframe]
        Image.fromarray(frame).convert("RGB").save(folder / "image_pad" / still)
        index[str(number)] = [f"{row.reader_axillary_us} {row.label}", [video], still]
    index["99"] = ["2 2", ["99_0.avi"], "99_0.jpg"]
    (folder / "index.json").write_text(json.dumps(index))


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_settings) -> Path:
    folder = tmp_path_factory.mktemp("aln_ultra")
    phantom = PhantomConfig(patients=(14, 14, 0), seed=1, format="avi", frames=16, scale=0.25)
    write_aln_ultra(folder / "ALN-Ultra", write_phantom(folder / "phantom", phantom, workers=1))
    table, out = folder / "cohort.csv", folder / "run"
    quick = [*tiny_settings, "--set", "training.epochs=1", "--set", "explanation.videos=false"]
    commands = [
        ["cohort", "aln-ultra", str(folder / "ALN-Ultra"), "--out", str(table)],
        [
            "study",
            str(table),
            "--preset",
            "small",
            "--models",
            "image",
            "--folds",
            "5",
            "--out",
            str(out),
            *quick,
        ],
    ]
    for words in commands:
        result = CliRunner().invoke(app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    return out


def test_the_published_folds_are_the_studys(run):
    table = pd.read_csv(run.parent / "cohort.csv", dtype={"patient_id": str})
    splits = pd.read_csv(run / "splits.csv", dtype={"patient_id": str})
    held_out = splits[splits["split"] == "folds"].set_index("patient_id")["fold"]
    assert len(held_out) == 28  # the patient without a result is left out
    assert held_out.to_dict() == table.set_index("patient_id")["fold"].to_dict()


def test_the_image_network_saw_the_stills_and_the_expert_stands_beside_it(run):
    assert pd.read_csv(run / "store" / "index.csv")["has_image"].all()
    sources = json.loads((run / "results.json").read_text())["sets"]["folds"]["sources"]
    assert sources["expert"]["kind"] == "reader"
    assert sources["expert"]["patients"] == sources["image"]["patients"] == 28


def test_simulated_files_are_known_as_such_though_the_table_does_not_say_so(run):
    assert "origin" not in pd.read_csv(run.parent / "cohort.csv")
    assert json.loads((run / "results.json").read_text())["phantom"] is True
    assert "PHANTOM COHORT" in (run / "report.html").read_text()


def test_predictions_say_wherever_they_are_that_their_patients_were_simulated(run, tmp_path):
    moved = shutil.copy(run / "predictions.csv", tmp_path / "elsewhere.csv")
    assert "Simulated (phantom) patients" in CliRunner().invoke(app, ["evaluate", str(moved)]).stdout
