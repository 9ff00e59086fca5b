"""`alnus explain` tells people the files, and programs everything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from alnus.cli import app
from alnus.config import NetworkConfig, load_preset
from alnus.models import ModelCard, build_from_config, save_model
from cohorts import spot_cine, write_avi


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and a cine."""
    root = tmp_path_factory.mktemp("explain")
    network = NetworkConfig.model_validate(load_preset("small")["networks"]["image"])
    torch.manual_seed(0)
    save_model(
        root / "model", build_from_config("image", network), ModelCard(name="image", source="image", network=network)
    )
    write_avi(root / "clip.avi", spot_cine(grows=True, frames=12, side_px=64, seed=1))
    return root


def explained(folder, out, *arguments):
    words = ["explain", str(folder / "model"), str(folder / "clip.avi"), "--out", str(out), *arguments]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_program_gets_every_number_and_path_as_json(folder, tmp_path):
    told = json.loads(explained(folder, tmp_path, "--json"))
    (record,) = told["explanations"]
    assert told["excluded"] == []
    assert Path(record["png"]).is_file()
    assert Path(record["mp4"]).is_file()
    assert len(record["frame_weights"]) == 12
    assert record["heaviest_frame"] == int(np.argmax(record["frame_weights"]))
    assert record["source"] == "image"


def test_a_person_gets_the_paths_one_a_line(folder, tmp_path):
    lines = explained(folder, tmp_path).split()
    assert [Path(line).name for line in lines] == ["keyframe.png", "cine.mp4"]
    assert all(Path(line).is_file() for line in lines)


def test_a_file_that_cannot_be_read_is_named_beside_what_could_be(folder, tmp_path):
    (folder / "notes.avi").write_text("no video")
    told = json.loads(explained(folder, tmp_path, str(folder / "notes.avi"), "--json"))
    assert len(told["explanations"]) == 1
    assert "notes.avi" in told["excluded"][0]["reason"]
