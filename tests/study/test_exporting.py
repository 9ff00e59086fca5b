import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from alnus import inference
from alnus.cli import app
from alnus.clips import Sample
from alnus.config import NetworkConfig
from alnus.console import Quiet
from alnus.errors import UsageError, WeightsError
from alnus.inference import Checked
from alnus.models import ModelCard, build, load_model, save_model
from alnus.study import exporting
from alnus.study.exporting import export_network
from cohorts import spot_cine, write_avi

for package in ("onnx", "onnxscript", "onnxruntime", "openvino", "nncf"):
    pytest.importorskip(package, reason="pip install 'alnus[engines]'")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    clip = {"frames": 4, "sampling": "dense", "resize_px": 20, "side_px": 16, "channels": 1}
    config = NetworkConfig.model_validate({"depth": 18, "width": 4, "clip": clip, "inference": {"clips_per_video": 2}})
    directory = tmp_path_factory.mktemp("model")
    network = build("resnet3d", depth=18, width=4, in_channels=1)
    save_model(directory, network, ModelCard(name="resnet3d", source="resnet3d", network=config))
    return directory


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    write_avi(path, spot_cine(grows=True, frames=12, side_px=48, seed=9))
    return path


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_export_writes_what_predict_then_answers_with(model, clip, tmp_path):
    done = invoke("export", model, "--to", "openvino", "--clips", clip)
    assert done.exit_code == 0, done.output
    assert "float32: largest change of a probability" in done.output
    written = sorted(path.name for path in (model / "engines" / "openvino").iterdir())
    assert written == ["engine.json", "network.bin", "network.xml"]
    out = tmp_path / "predictions.csv"
    done = invoke("predict", model, clip, "--engine", "openvino", "--precision", "float32", "--out", out)
    assert done.exit_code == 0, done.output
    assert "resnet3d: answered by openvino in float32" in done.output
    (answer,) = json.loads((tmp_path / "predictions.engines.json").read_text())
    assert (answer["engine"], answer["precision"]) == ("openvino", "float32")
    eager = json.loads(invoke("predict", model, clip, "--json").stdout)
    assert eager["engines"][0]["engine"] == "eager"
    score = float(out.read_text().splitlines()[1].split(",")[5])
    assert score == pytest.approx(eager["predictions"][0]["score"], abs=1e-5)


def test_an_export_is_no_further_model_of_its_run(model, clip, tmp_path):
    run = tmp_path / "run"
    export_network(model, clip, run / "models" / "a" / "engines" / "onnx", to="onnx", reporter=Quiet())
    for name in ("model.json", "model.safetensors"):
        (run / "models" / "a" / name).write_bytes((model / name).read_bytes())
    from alnus.study.single import model_directories

    assert model_directories(run) == [run / "models" / "a"]


def test_an_export_that_differs_is_refused_with_status_6_and_leaves_nothing(model, clip, tmp_path, monkeypatch):
    other = build("resnet3d", depth=18, width=4, in_channels=1)
    draft = inference.draft_export
    changed = lambda network, card, **rest: draft(other, card, **rest)  # noqa: E731  (the fault: other weights)
    monkeypatch.setattr(inference, "draft_export", changed, raising=False)
    out = tmp_path / "out"
    with pytest.raises(
        WeightsError, match=r"the export to onnx changed a probability by 0\.\d+ on \d+ real clips"
    ) as met:
        export_network(model, clip, out, to="onnx", reporter=Quiet())
    assert met.value.exit_status == 6
    assert not out.exists()


def test_what_is_no_source_of_clips_is_refused(model, tmp_path):
    with pytest.raises(UsageError, match="is neither a cine store"):
        export_network(model, tmp_path, None, to="onnx", reporter=Quiet())


def test_an_unknown_target_is_refused(model, clip):
    with pytest.raises(UsageError, match="--to 'tensorrt' is not one of onnx, openvino"):
        export_network(model, clip, None, to="tensorrt", reporter=Quiet())


SAMPLES = [Sample(f"p{number}", str(number), number % 2) for number in range(12)]


def judged(monkeypatch, model, pairs, found, samples=SAMPLES):
    network, card = load_model(model)
    monkeypatch.setattr(inference, "paired_scores", lambda *_, **__: pairs, raising=False)
    return exporting._judged(found, None, network, card, samples, None, Quiet())


def int8(largest_change):
    return Checked(precision="int8", clips=4, largest_change=largest_change, mean_change=0.0, bound=0.01)


def test_int8_that_costs_auc_is_refused_with_both_figures(monkeypatch, model):
    rng = np.random.default_rng(0)
    pairs = {sample.patient_id: (0.3 + 0.4 * (sample.label or 0), float(rng.random())) for sample in SAMPLES}
    with pytest.raises(
        WeightsError, match=r"int8 changed the AUC of 12 patients from 1\.0000 to 0\.\d+, by more than 0\.005"
    ):
        judged(monkeypatch, model, pairs, int8(0.5))


def test_int8_that_keeps_the_order_of_the_patients_is_taken_with_its_change_of_auc(monkeypatch, model):
    pairs = {
        sample.patient_id: (0.3 + 0.4 * (sample.label or 0), 0.35 + 0.3 * (sample.label or 0)) for sample in SAMPLES
    }
    found = judged(monkeypatch, model, pairs, int8(0.05))
    assert (found.auc_change, found.auc_patients) == (0.0, 12)


def test_int8_without_labels_must_hold_the_bound_of_probabilities(monkeypatch, model):
    bare = [Sample(sample.patient_id, sample.video) for sample in SAMPLES]
    with pytest.raises(WeightsError, match=r"int8 changed a probability by 0\.02 on 4 clips, more than 0\.01"):
        judged(monkeypatch, model, {}, int8(0.02), bare)
    assert judged(monkeypatch, model, {}, int8(0.005), bare).auc_change is None
