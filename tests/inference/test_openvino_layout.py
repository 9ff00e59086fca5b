"""OpenVINO's graph of a TIN, rewritten, gives the network's logits; nothing of the product is left."""

import numpy as np
import pytest
import torch

from alnus.errors import WeightsError
from alnus.inference.graph import onnx_graph
from alnus.inference.openvino_layout import interlaces, lay_channels_last
from alnus.models import build
from alnus.models.interlacing import TemporalInterlace

pytest.importorskip("onnx", reason="the engines are not installed")
pytest.importorskip("onnxscript", reason="the engines are not installed")
pytest.importorskip("openvino", reason="the engines are not installed")

from openvino import Model
from openvino import opset13 as ops

from alnus.inference.graph_engines import process_core

SHAPE = (1, 5, 32, 40)


def network(logits: tuple[float, float], *, width: int = 16) -> torch.nn.Module:
    """Return a TIN whose every block shifts by the same offsets; each of its weights does something."""
    torch.manual_seed(0)
    made = build("tin", depth=18, width=width, num_segments=5, in_channels=1).eval()
    for module in made.modules():
        if isinstance(module, TemporalInterlace):
            torch.nn.init.zeros_(module.offset_net.fc2.weight)
            module.offset_net.fc2.bias.data = torch.tensor(logits)
    return made


def reading_images(model):
    """Return the kinds of operations that read (batch, channels, height, width)."""
    inner = [one for one in model.get_ordered_ops() if one.get_input_size()]
    return {one.get_type_name() for one in inner if len(one.get_input_partial_shape(0)) == 4}


# offsets of two frames, of parts of one, of none; groups of less than a vector's channels, and of 16 in the last stage
@pytest.mark.parametrize(("logits", "width"), [((900.0, -900.0), 16), ((0.0, 0.3), 16), ((-9.0, 0.5), 64)])
def test_a_rewritten_graph_gives_the_networks_logits_for_one_clip_and_for_two(logits, width):
    tin = network(logits, width=width)
    model = process_core().read_model(onnx_graph(tin, SHAPE))
    assert lay_channels_last(model) == 8  # the blocks of depth 18
    assert lay_channels_last(model) == 0
    assert not {"Slice", "ReduceMean"} & reading_images(model)
    clips = torch.randn(2, *SHAPE)
    for count in (1, 2):
        model.reshape([count, *SHAPE])
        run = process_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        with torch.inference_mode():
            expected = tin(clips[:count])
        torch.testing.assert_close(torch.from_numpy(run(clips[:count].numpy())[0]), expected, rtol=1e-4, atol=1e-5)


def graph(build_outputs, *shapes):
    """Return OpenVINO's model of some outputs from inputs of these shapes."""
    inputs = [ops.parameter(shape, np.float32) for shape in shapes]
    return Model(build_outputs(*inputs), inputs)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: ops.slice(x, [0], [2], [1], [1]),  # the first channels: picked
        lambda x: ops.slice(x, [2], [4], [1], [1]),
        lambda x: ops.slice(x, [0], [4], [2], [1]),
        lambda x: ops.slice(x, [0], [4], [1], [2]),
        lambda x: ops.reduce_mean(x, [2, 3]),  # over pixels: pooled
        lambda x: ops.reduce_mean(x, [1, 2]),
        lambda x: ops.reduce_mean(x, [2, 3], keep_dims=True),
    ],
)
def test_what_is_cut_or_averaged_elsewhere_keeps_its_meaning(operation):
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 6)).astype(np.float32)
    model = graph(lambda given: [operation(given)], x.shape)
    expected = process_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]
    assert lay_channels_last(model) == 0
    found = process_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda a, b: [ops.reshape(ops.matmul(a, b, False, False), [-1], False)], "a Parameter in the place of a Mult"),
        (lambda a, b: [ops.relu(ops.matmul(ops.multiply(a, a), b, False, False))], "no reshape behind a product"),
    ],
)
def test_a_product_that_is_no_interlacings_is_refused(outputs, message):
    model = graph(outputs, (1, 20, 20), (1, 20, 8))
    with pytest.raises(WeightsError, match=rf"not one that Alnus knows \({message}.*: take engine onnx or eager"):
        lay_channels_last(model)


def test_only_a_network_that_interlaces_is_laid_out_anew():
    assert interlaces(network((0.0, 0.0)))
    assert not interlaces(build("image", depth=18, width=16))
    assert not interlaces(build("r2plus1d", depth=18, width=4))
