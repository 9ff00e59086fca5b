import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from alnus.clips import Sample
from alnus.config import NetworkConfig
from alnus.errors import UsageError, WeightsError
from alnus.explanation.attribution import explain_clip
from alnus.inference import (
    COLUMNS,
    EngineStages,
    Predictor,
    check_draft,
    draft_export,
    exported,
    exporting,
    open_for_heat,
    open_predictor,
    opening,
    predict,
    write_export,
)
from alnus.inference.agreement import Agreement, agreement
from alnus.inference.engines import CompiledEngine, TorchEngine, compiler, fast_eager, multiplies_bf16
from alnus.inference.graph import onnx_graph
from alnus.inference.graph_engines import OnnxEngine, OpenVinoEngine, process_core
from alnus.models import ModelCard, build, lay_kernels_channels_last, load_model, save_model

for package in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason="pip install 'alnus[engines]'")

FRAMES, SIDE = 4, 16
LOWERED = [("cpu", 32, True, "bf16"), ("cpu", 31, True, "float32"), ("cpu", 32, False, "float32")]
LOWERED += [("mps", 32, True, "float32")]
SAMPLES = [Sample(f"00{number}", str(number), number % 2) for number in range(5)]


class NoiseStore:
    def frames(self, video):
        return np.random.default_rng(int(video)).integers(0, 256, (12, 30, 40), dtype=np.uint8)

    def read(self, video, indices):
        return self.frames(video)[indices]

    def image(self, video):
        return None


def saved(directory, name, seed=0):
    torch.manual_seed(seed)
    clip = {"frames": FRAMES, "sampling": "dense", "resize_px": 20, "side_px": SIDE, "channels": 1}
    network = {"depth": 18, "width": 16 if name == "tin" else 4, "clip": clip, "inference": {"clips_per_video": 2}}
    config = NetworkConfig.model_validate(network)
    model = build(name, depth=18, width=config.width, in_channels=1, num_segments=FRAMES)
    with torch.no_grad():
        model.fc.weight.mul_(0.1)  # probabilities between the extremes
    save_model(directory, model, ModelCard(name=name, source=name, network=config))
    return directory


@pytest.fixture(scope="module")
def clips():
    return torch.randn(3, 1, FRAMES, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def drafts(tmp_path_factory):
    """The small TIN and ResNet-3D, each drafted once for both engines."""
    made = {}
    for name in ("tin", "resnet3d"):
        directory = saved(tmp_path_factory.mktemp(name), name)
        network, card = load_model(directory)
        onnx = draft_export(network, card, to="onnx")
        with pytest.MonkeyPatch.context() as patch:  # the graph is the same: no need to trace it twice
            patch.setattr(exporting, "onnx_graph", lambda *_, graph=onnx.files["network.onnx"], **__: graph)
            openvino = draft_export(network, card, to="openvino")
        made[name] = (directory, {"onnx": onnx, "openvino": openvino})
    return made


@pytest.fixture
def model(drafts, tmp_path):
    """A model's directory, without exports."""
    return shutil.copytree(drafts["resnet3d"][0], tmp_path / "resnet3d")


@pytest.fixture
def with_export(model, drafts, clips):
    """The same with its OpenVINO export beside it."""
    network, card = load_model(model)
    draft = drafts["resnet3d"][1]["openvino"]
    write_export(model / "engines" / "openvino", draft, card, check_draft(draft, network, clips), clips_from="noise")
    return model


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("name", ["tin", "resnet3d"])
def test_an_exported_network_gives_pytorchs_logits(name, engine, drafts, clips):
    directory, made = drafts[name]
    reference = TorchEngine(load_model(directory)[0]).logits(clips)
    found = made[engine].open("float32").logits(clips)
    assert float((found - reference).abs().max() / reference.abs().max()) < 1e-5
    assert float(reference.std(0).max()) > 0  # the clips differ, so that a constant would not pass


@pytest.mark.parametrize("name", ["tin", "r2plus1d"])
def test_a_network_that_lies_channels_last_is_written_as_the_same_graph(name):
    network, shape = build(name, depth=18, width=16, num_segments=8).eval(), (3, 8, 32, 32)
    graph = onnx_graph(network, shape)
    lay_kernels_channels_last(network)
    assert onnx_graph(network, shape) == graph


def test_one_onnx_file_takes_any_number_of_clips_at_once(drafts, clips):
    import onnxruntime

    for directory, made in drafts.values():
        session = onnxruntime.InferenceSession(made["onnx"].files["network.onnx"], providers=["CPUExecutionProvider"])
        reference = TorchEngine(load_model(directory)[0])
        for count in (1, 2, 3):
            found = session.run(None, {"clip": clips[:count].numpy()})[0]
            np.testing.assert_allclose(found, reference.logits(clips[:count]).numpy(), rtol=1e-4, atol=1e-5)


def test_one_openvino_file_takes_any_number_of_clips_at_once(drafts, clips):
    core = process_core()
    for directory, made in drafts.values():
        files = made["openvino"].files
        model = core.read_model(files["network.xml"], files["network.bin"])
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        reference = TorchEngine(load_model(directory)[0])
        for count in (1, 2, 3):
            found = compiled(clips[:count].numpy())[0]
            np.testing.assert_allclose(found, reference.logits(clips[:count]).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own compiler uses what it deprecates
@pytest.mark.skipif(compiler() is None, reason="torch.compile needs a C++ compiler")
def test_the_compiled_network_gives_pytorchs_logits(clips):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.BatchNorm3d(2), torch.nn.Flatten()).eval()
    found = CompiledEngine(network).logits(clips)
    torch.testing.assert_close(found, TorchEngine(network).logits(clips), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("precision", "within"), [("float32", 1e-5), ("bf16", 0.05), ("fp16", 0.02)])
@pytest.mark.parametrize("name", ["tin", "image", "resnet3d", "r2plus1d"])
def test_the_folded_network_gives_the_trained_ones_logits_in_every_precision(name, precision, within):
    torch.manual_seed(0)
    network = build(name, width=16).eval()
    clips = torch.randn(3, 3, 8, 64, 64)
    expected = TorchEngine(network).logits(clips)
    found = fast_eager(network, precision=precision, batch_size=2).logits(clips)
    assert float((found - expected).abs().max()) < within * float(expected.abs().max())
    kinds = {module.weight.dtype for module in network.modules() if isinstance(module, nn.Conv2d | nn.Conv3d)}
    assert kinds == {torch.float32}  # the network itself was not rounded


def test_predictions_of_an_engine_are_the_same_rows_in_the_same_order(with_export):
    answers = []
    eager = predict([with_export], SAMPLES, NoiseStore(), answers=answers)
    fast = predict([with_export], SAMPLES, NoiseStore(), engine="openvino", answers=answers)
    assert tuple(fast.columns) == COLUMNS
    rest = [column for column in COLUMNS if column != "score"]
    assert fast[rest].equals(eager[rest])
    assert float((fast["score"] - eager["score"]).abs().max()) <= 0.01
    assert fast["score"].nunique() == 5
    assert [answer.engine for answer in answers] == ["eager", "openvino"]
    assert answers[0].precision == "float32"
    assert answers[1].checked_clips == 3


def test_a_network_that_was_not_exported_is_converted_and_compared_on_its_first_clips(model, drafts, monkeypatch):
    monkeypatch.setattr(opening, "onnx_graph", lambda *_, **__: drafts["resnet3d"][1]["onnx"].files["network.onnx"])
    answers = []
    predict([model], SAMPLES, NoiseStore(), engine="onnx", answers=answers)
    assert (answers[0].engine, answers[0].precision, answers[0].checked_clips) == ("onnx", "float32", 8)
    assert answers[0].largest_change < 1e-4
    assert not (model / "engines").exists()


def test_an_export_alone_answers_without_the_weights(with_export, tmp_path, clips):
    alone = shutil.copytree(with_export / "engines" / "openvino", tmp_path / "alone")
    reference = open_predictor(with_export).probabilities(clips)
    predictor = open_predictor(alone, precision="float32")
    torch.testing.assert_close(predictor.probabilities(clips), reference, rtol=0, atol=1e-5)
    assert predictor.card.name == "resnet3d"


def test_a_precision_that_changes_a_probability_too_much_gives_way_to_pytorch(model, clips, monkeypatch, caplog):
    monkeypatch.setattr(opening, "agreement", lambda *_: Agreement(3, 0.2, 0.1))
    predictor = open_predictor(model, engine="eager", precision="bf16")
    found = predictor.probabilities(clips)
    assert (predictor.answer.engine, predictor.answer.precision) == ("eager", "float32")
    assert "eager in bf16 changed a probability by 0.2 (at most 0.01 is allowed)" in predictor.answer.note
    assert "PyTorch in float32 answers" in caplog.text
    torch.testing.assert_close(found, open_predictor(model).probabilities(clips), rtol=0, atol=1e-6)


def test_a_precision_that_failed_at_the_export_is_not_used(with_export, clips):
    card = with_export / "engines" / "openvino" / "engine.json"
    stated = json.loads(card.read_text())
    found = exported.EngineCard.model_validate(stated)
    bad = exported.Checked(
        precision="bf16", clips=3, largest_change=0.3, mean_change=0.1, bound=0.01, processor=opening.processor()
    )
    checked = [bad, *[one for one in found.checked if one.precision == "float32"]]
    card.write_text(found.model_copy(update={"checked": tuple(checked)}).model_dump_json())
    answer = open_predictor(with_export, engine="openvino", precision="bf16").answer
    assert answer.precision == "float32"
    assert "bf16 changed a probability by 0.3" in answer.note


def test_an_answer_that_is_not_a_number_agrees_with_nothing(clips):
    class Silent:
        def logits(self, clips):
            return torch.full((len(clips), 2), torch.nan, dtype=torch.float64)

    class Sure:
        def logits(self, clips):
            return torch.zeros(len(clips), 2, dtype=torch.float64)

    assert not agreement(Silent(), Sure(), clips).within(0.01)


def without(monkeypatch, *missing):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in missing else find(name, *rest))


def test_auto_takes_openvino_where_the_network_was_exported(with_export):
    assert open_predictor(with_export, engine="auto", device="cpu").answer.engine == "openvino"


def test_auto_takes_pytorch_for_a_few_clips_of_a_network_that_was_not_exported(model):
    assert open_predictor(model, engine="auto", device="cpu", clips=2).answer.engine == "eager"


def test_auto_converts_where_many_clips_pay_for_it(model, drafts, monkeypatch):
    monkeypatch.setattr(opening, "onnx_graph", lambda *_, **__: drafts["resnet3d"][1]["onnx"].files["network.onnx"])
    assert open_predictor(model, engine="auto", device="cpu", clips=64).answer.engine == "openvino"


def test_auto_takes_pytorch_where_openvino_is_not_installed(with_export, monkeypatch):
    without(monkeypatch, "openvino")
    assert open_predictor(with_export, engine="auto", device="cpu", clips=1000).answer.engine == "eager"


def test_on_a_gpu_only_auto_and_compile_lower_the_precision_by_themselves(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert opening.torch_precision("cuda", as_trained=True, clips=1000) == "float32"
    assert opening.torch_precision("cuda", as_trained=False, clips=1) == "bf16"


@pytest.mark.parametrize(("device", "clips", "able", "expected"), LOWERED)
def test_on_a_cpu_many_clips_lower_the_precision_where_its_processor_multiplies_so(
    device, clips, able, expected, monkeypatch
):
    monkeypatch.setattr(opening, "multiplies_bf16", lambda: able)
    assert opening.torch_precision(device, as_trained=False, clips=clips) == expected
    assert opening.torch_precision(device, as_trained=True, clips=clips) == "float32"


def test_a_bf16_that_pytorch_chose_itself_is_compared_on_the_first_clips(model, clips, monkeypatch):
    without(monkeypatch, "openvino")
    monkeypatch.setattr(opening, "multiplies_bf16", lambda: True)
    predictor = open_predictor(model, engine="auto", device="cpu", clips=1000)
    found = predictor.probabilities(clips)
    assert (predictor.answer.engine, predictor.answer.precision) == ("eager", "bf16")
    assert predictor.answer.checked_clips == len(clips)
    expected = open_predictor(model, engine="eager", device="cpu").probabilities(clips)
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize(
    ("torch_says", "expected"), [({"amx_bf16": True}, True), ({"amx_bf16": False}, False), (None, False)]
)
def test_a_torch_that_does_not_say_what_the_processor_can_do_means_float32(torch_says, expected, monkeypatch):
    if torch_says is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: torch_says, raising=False)
    assert multiplies_bf16() is expected


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_an_engine_that_is_not_installed_is_refused_with_what_to_install(engine, model, monkeypatch):
    without(monkeypatch, "onnxruntime", "openvino")
    with pytest.raises(UsageError, match=rf"engine {engine} is not installed: pip install 'alnus\[engines\]'"):
        open_predictor(model, engine=engine)


def test_an_export_without_the_exporter_is_refused_with_what_to_install(model, monkeypatch):
    without(monkeypatch, "onnxscript")
    network, card = load_model(model)
    with pytest.raises(UsageError, match=r"cannot be exported without onnxscript: pip install 'alnus\[engines\]'"):
        draft_export(network, card, to="onnx")


def test_compiling_without_a_compiler_is_refused_with_what_to_install(model, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"engine compile needs a C\+\+ compiler \(g\+\+ or clang\+\+"):
        open_predictor(model, engine="compile")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "tensorrt"}, "engine 'tensorrt' is not one of auto, eager, compile, onnx, openvino"),
        ({"engine": "eager", "precision": "int4"}, "precision 'int4' is not one of"),
        ({"engine": "onnx", "precision": "bf16"}, "engine onnx does not compute in bf16; it does in float32"),
        ({"engine": "eager", "precision": "int8"}, "engine eager does not compute in int8"),
    ],
)
def test_an_unknown_engine_or_precision_is_refused(options, message, model):
    with pytest.raises(UsageError, match=message):
        open_predictor(model, **options)


def test_int8_without_its_export_is_refused(model):
    with pytest.raises(WeightsError, match="has no int8 export; run `alnus export"):
        open_predictor(model, engine="openvino", precision="int8")


def test_an_export_for_another_engine_is_refused(with_export):
    with pytest.raises(UsageError, match="is an export for openvino"):
        open_predictor(with_export / "engines" / "openvino", engine="onnx")


@pytest.mark.parametrize("name", ["network.xml", "network.bin"])
def test_a_damaged_export_is_refused_before_it_reaches_the_engine(name, with_export, monkeypatch):
    path = with_export / "engines" / "openvino" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr(exported, "OpenVinoEngine", lambda *_, **__: pytest.fail("the engine saw it"))
    with pytest.raises(WeightsError, match=rf"{name}: is damaged \(not the SHA-256"):
        open_predictor(with_export, engine="openvino")


def test_an_export_without_a_file_is_refused(with_export):
    (with_export / "engines" / "openvino" / "network.bin").unlink()
    with pytest.raises(WeightsError, match=r"network\.bin: cannot be read"):
        open_predictor(with_export, engine="openvino")


def test_an_exports_card_that_is_none_is_refused(with_export):
    (with_export / "engines" / "openvino" / "engine.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"engine\.json: is no export's card"):
        open_predictor(with_export, engine="openvino")


def test_a_graph_of_another_network_is_refused_though_its_digest_fits(with_export):
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Flatten", ["clip"], ["logits"])
    first = helper.make_tensor_value_info("clip", TensorProto.FLOAT, ["batch", 1, 2, 2, 2])
    last = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 8])
    graph = onnx.helper.make_model(helper.make_graph([node], "other", [first], [last])).SerializeToString()
    export = with_export / "engines" / "openvino"
    stated = json.loads((export / "engine.json").read_text())
    for name, content in (("network.xml", graph), ("network.bin", b"")):
        (export / name).write_bytes(content)
        stated["files"][name] = hashlib.sha256(content).hexdigest()
    (export / "engine.json").write_text(json.dumps(stated))
    with pytest.raises(WeightsError, match="the graph is not of the network that"):
        open_predictor(with_export, engine="openvino")


@pytest.mark.parametrize("engine", [OnnxEngine, OpenVinoEngine])
def test_a_graph_that_points_to_another_file_is_refused_and_the_file_not_opened(engine, tmp_path):
    from onnx import TensorProto, helper

    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    node = helper.make_node("Add", ["clip", "w"], ["logits"])
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("clip", "logits")]
    graph = helper.make_model(helper.make_graph([node], "g", ports[:1], ports[1:], [tensor])).SerializeToString()
    with pytest.raises(WeightsError, match=r"a\.onnx: its weights lie in another file, which is not opened"):
        engine(graph, origin="a.onnx")


@pytest.mark.parametrize("engine", [OnnxEngine, OpenVinoEngine])
@pytest.mark.parametrize("content", [b"", b"text, no graph", b"\x80\x04\x95cos\nsystem\n", b"<net name='x'/>"])
def test_what_is_no_graph_is_refused(engine, content):
    with pytest.raises(WeightsError, match=r"x\.onnx: "):
        engine(content, origin="x.onnx")


def test_an_export_that_differs_from_pytorch_is_refused_with_the_figures(drafts, tmp_path, clips):
    other, _ = load_model(saved(tmp_path / "other", "resnet3d", seed=5))
    with pytest.raises(WeightsError, match=r"the export to onnx changed a probability by 0\.\d+ on 3 real clips"):
        check_draft(drafts["resnet3d"][1]["onnx"], other, clips)


def test_a_network_that_no_graph_can_hold_is_refused(model):
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, clip):
            return torch.tensor(np.linalg.svd(clip.numpy())[1])

    with pytest.raises(WeightsError, match="the network cannot be written as an ONNX graph"):
        draft_export(Odd(), load_model(model)[1], to="onnx")


def test_int8_is_openvinos(model, clips):
    network, card = load_model(model)
    with pytest.raises(UsageError, match="int8 is OpenVINO's here"):
        draft_export(network, card, to="onnx", calibration=clips)


def test_int8_is_near_pytorch_on_the_clips_that_it_was_calibrated_with(drafts, clips, monkeypatch):
    pytest.importorskip("nncf", reason="pip install 'alnus[engines]'")
    directory, made = drafts["tin"]
    network, card = load_model(directory)
    monkeypatch.setattr(exporting, "onnx_graph", lambda *_, **__: made["onnx"].files["network.onnx"])
    draft = draft_export(network, card, to="openvino", calibration=clips)
    assert b"FakeQuantize" in draft.files["network.xml"]
    (found,) = check_draft(draft, network, clips)
    assert found.precision == "int8"
    assert 0 < found.largest_change < 0.05


def test_a_predictor_is_what_open_predictor_returns(model):
    assert isinstance(open_predictor(model), Predictor)


def test_a_heatmap_by_openvino_is_pytorchs(drafts, clips):
    network, card = load_model(drafts["tin"][0])
    expected = explain_clip(network, clips, with_evidence=True)
    found = explain_clip(EngineStages(network, card), clips, with_evidence=True)
    torch.testing.assert_close(found.probability, expected.probability, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.cells, expected.cells, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.evidence, expected.evidence, rtol=1e-3, atol=1e-5)
    assert float(found.cells.max()) > 0


def test_a_heatmap_by_openvino_of_a_network_that_merges_frames_is_refused(model):
    with pytest.raises(UsageError, match="a heatmap by OpenVINO needs a last stage that keeps frames apart"):
        EngineStages(*load_model(model))


@pytest.mark.parametrize(
    ("name", "engine", "is_openvino"), [("tin", "auto", True), ("tin", "eager", False), ("resnet3d", "auto", False)]
)
def test_a_heatmap_is_by_openvino_where_the_network_and_the_user_let_it(drafts, name, engine, is_openvino):
    explainer, card = open_for_heat(drafts[name][0], engine=engine)
    assert isinstance(explainer, EngineStages) is is_openvino
    assert card.source == name


def test_a_heatmap_is_by_pytorch_where_openvino_is_not_installed(drafts, monkeypatch):
    monkeypatch.setattr("alnus.inference.explaining.installed", lambda engine: engine != "openvino")
    assert not isinstance(open_for_heat(drafts["tin"][0])[0], EngineStages)


AFTER_OPENVINO = """
import gc, os, signal, sys, threading
from pathlib import Path
import torch
from alnus.inference.graph_engines import OpenVinoEngine
signal.signal(signal.SIGCHLD, lambda *_: print("handled"))
graph, clips = Path(sys.argv[1]).read_bytes(), torch.zeros(1, 1, 4, 16, 16)
held = [OpenVinoEngine(graph, origin="a test", precision="bf16") for _ in range(3)]
for engine in held:
    engine.logits(clips)
del held[0], engine
thread = threading.Thread(target=lambda: (held.clear(), gc.collect()))
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGCHLD)
"""


def test_a_signal_is_handled_after_networks_of_openvino_are_gone(drafts, tmp_path):
    (tmp_path / "tin.onnx").write_bytes(drafts["tin"][1]["onnx"].files["network.onnx"])
    command = [sys.executable, "-X", "faulthandler", "-c", AFTER_OPENVINO, str(tmp_path / "tin.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("handled")
