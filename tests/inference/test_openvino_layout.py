"""OpenVINO's graph of a TIN, rewritten, gives the network's logits; nothing of the product is left."""

import pytest
import torch

from alnus.inference.graph import onnx_graph
from alnus.inference.openvino_layout import interlaces, lay_channels_last
from alnus.models import build
from alnus.models.interlacing import TemporalInterlace

pytest.importorskip("onnx", reason="the engines are not installed")
pytest.importorskip("onnxscript", reason="the engines are not installed")
pytest.importorskip("openvino", reason="the engines are not installed")

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


# offsets of two frames, of parts of one, of none; groups of less than a vector's channels, and of 16 in the last stage
@pytest.mark.parametrize(("logits", "width"), [((900.0, -900.0), 16), ((0.0, 0.3), 16), ((-9.0, 0.5), 64)])
def test_a_rewritten_graph_gives_the_networks_logits_for_one_clip_and_for_two(logits, width):
    tin = network(logits, width=width)
    model = process_core().read_model(onnx_graph(tin, SHAPE))
    assert lay_channels_last(model) == 8  # the blocks of depth 18
    assert lay_channels_last(model) == 0
    clips = torch.randn(2, *SHAPE)
    for count in (1, 2):
        model.reshape([count, *SHAPE])
        run = process_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        with torch.inference_mode():
            expected = tin(clips[:count])
        torch.testing.assert_close(torch.from_numpy(run(clips[:count].numpy())[0]), expected, rtol=1e-4, atol=1e-5)


def test_only_a_network_that_interlaces_is_laid_out_anew():
    assert interlaces(network((0.0, 0.0)))
    assert not interlaces(build("image", depth=18, width=16))
    assert not interlaces(build("r2plus1d", depth=18, width=4))
