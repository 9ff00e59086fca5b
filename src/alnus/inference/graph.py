"""A network as an ONNX graph, of any number of clips at once."""

from __future__ import annotations

import logging
import warnings

import torch
from torch import Tensor, nn

from alnus.errors import WeightsError
from alnus.inference.engines import require
from alnus.inference.folding import folded
from alnus.models.video_resnet import TemporalConvolution

CLIP, LOGITS = "clip", "logits"
MOST_CLIPS = 1024  # at once


class LastStage(nn.Module):
    """A network up to its last stage, which Grad-CAM explains it by."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        """Return the last stage: (batch, channels, frames', height', width')."""
        features: Tensor = self.network.features(clip)  # type: ignore[operator] # every network's method
        return features


def onnx_graph(network: nn.Module, shape: tuple[int, int, int, int], *, last_stage: bool = False) -> bytes:
    """Return the ONNX file of a network with folded normalisations: (batch, *shape) float32 -> (batch, classes) logits.

    shape: (channels, frames, height, width). last_stage: give the last stage instead of the logits. Raises WeightsError
    where the network has an operation that ONNX has not.
    """
    require("onnx", conversion=True)
    made = plain(folded(network).cpu().float())
    for parameter in made.parameters():
        # graphs are traced in this order, whichever the network was trained in
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    program = _traced(LastStage(made).eval() if last_stage else made, torch.zeros(2, *shape))
    graph: bytes = program.model_proto.SerializeToString()
    return graph


def plain(network: nn.Module) -> nn.Module:
    """Write each T x 1 x 1 convolution as a 3-D one again: what is slow in PyTorch on a CPU is quick in the engines."""
    for holder in list(network.modules()):
        for name, child in list(holder.named_children()):
            if isinstance(child, TemporalConvolution):
                setattr(holder, name, _plain(child))
    return network


def _plain(conv: TemporalConvolution) -> nn.Conv3d:
    frames, before, stride = conv.kernel_size[0], int(conv.padding[0]), conv.stride[0]
    sizes = (conv.in_channels, conv.out_channels, (frames, 1, 1), (stride, 1, 1), (before, 0, 0))
    made = nn.Conv3d(*sizes, bias=conv.bias is not None)
    made.weight, made.bias = conv.weight, conv.bias
    return made


def _traced(network: nn.Module, clips: Tensor) -> torch.onnx.ONNXProgram:
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    try:
        exporter.setLevel(logging.ERROR)  # it warns of torchvision's absence
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its own deprecated parts
            program = torch.onnx.export(
                network,
                (clips,),
                input_names=[CLIP],
                output_names=[LOGITS],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=MOST_CLIPS)},),
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"the network cannot be written as an ONNX graph: {reason}") from None
    finally:
        exporter.setLevel(level)
    assert program is not None  # the exporter of torch.export returns the program
    shape = program.model.graph.inputs[0].shape
    if shape is None or isinstance(shape[0], int):
        raise WeightsError("the network cannot be written for any number of clips: it holds its batch fixed")
    return program
