"""A network whose stages OpenVINO computes and whose head PyTorch does: a heatmap at the engine's speed.

Grad-CAM needs the gradient from the logits back to the last stage only, so everything below may be an engine's.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from alnus.errors import UsageError
from alnus.inference.engines import Precision, default_device, installed, require
from alnus.inference.graph import onnx_graph
from alnus.inference.graph_engines import OpenVinoEngine
from alnus.inference.openvino_layout import interlaces
from alnus.models import ModelCard, Network, load_for_inference


def open_for_heat(directory: Path, *, engine: str = "auto") -> tuple[EngineStages | Network, ModelCard]:
    """Return what explains a trained network fastest here, for a process that explains many cines.

    engine: as in `open_predictor`; "auto" and "openvino" take OpenVINO's stages on a CPU where it is installed and the
    network's last stage keeps frames apart, else PyTorch's. Raises WeightsError.
    """
    device = default_device()
    network, card = load_for_inference(directory, device=device)
    usable = device == "cpu" and installed("openvino") and installed("onnx")
    if engine not in ("auto", "openvino") or not usable or network.merges_frames:
        return network, card
    return EngineStages(network, card), card


class EngineStages(nn.Module):
    """`features` by OpenVINO, `head` by PyTorch: what `alnus.explanation` takes for a network.

    Of networks whose last stage keeps every frame apart: TIN, X3D and the image network.
    """

    merges_frames = False

    def __init__(self, network: Network, card: ModelCard, *, precision: Precision = "float32") -> None:
        """Convert a trained network. precision: of the stages. Raises UsageError, WeightsError."""
        super().__init__()
        require("openvino", conversion=True)
        if network.merges_frames:
            raise UsageError(f"{card.source}: a heatmap by OpenVINO needs a last stage that keeps frames apart")
        clip = card.network.clip
        self.precision = precision
        shape = (clip.channels, clip.frames, clip.side_px, clip.side_px)
        graph = onnx_graph(network, shape, last_stage=True)
        self._engine = OpenVinoEngine(
            graph, origin=card.source, precision=self.precision, interlaced=interlaces(network)
        )
        self._network = [network]  # its head only: a module's own layers are its attributes
        self.fc = network.fc
        self.eval()

    def features(self, clip: Tensor) -> Tensor:
        """Return the last stage: (batch, channels, frames, height', width')."""
        return self._engine.outputs(clip.detach().cpu().contiguous())

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of the last stage."""
        return self._network[0].head(features)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the logits of each clip."""
        return self.head(self.features(clip))
