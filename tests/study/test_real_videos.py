"""Trained networks answer on real ultrasound: pydicom's own US cine, and the 23 lung clips in five containers."""

from __future__ import annotations

import pandas as pd
import pytest
from PIL import Image
from pydicom import examples
from typer.testing import CliRunner

from alnus.cli import app
from alnus.media import open_cine

pytestmark = pytest.mark.slow


def alnus(*words: object) -> str:
    result = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_predict_and_explain_run_on_pydicoms_us_cine(finished_study, tmp_path):
    cine = examples.get_path("ybr_color")
    for network in ("tin", "image"):
        model = finished_study / "models" / network
        alnus("predict", model, cine, "--out", tmp_path / f"{network}.csv")
        assert pd.read_csv(tmp_path / f"{network}.csv")["score"].between(0, 1).all()
        alnus("explain", model, cine, "--out", tmp_path / network)
        (png,), (mp4,) = (list((tmp_path / network).rglob(f"*.{kind}")) for kind in ("png", "mp4"))
        with Image.open(png) as picture:
            assert min(picture.size) > 100
        assert len(open_cine(mp4).frames) == 30


def test_predict_answers_on_each_of_the_real_lung_clips(finished_study, sample_data, tmp_path):
    clips = sorted((sample_data / "lung_us" / "videos").iterdir())
    alnus("predict", finished_study / "models" / "tin", *clips, "--out", tmp_path / "scores.csv")
    table = pd.read_csv(tmp_path / "scores.csv")
    assert sorted(table["video"]) == sorted(map(str, clips))
    assert len(clips) == 23
    assert table["score"].between(0, 1).all()
    assert table["score"].nunique() == 23  # each from its own pixels
