"""A network whose stages OpenVINO computes and whose head PyTorch does: a heatmap at the engine's speed.

Grad-CAM needs the gradient from the logits back to the last stage only, so everything below may be an engine's.
"""

from __future__ import annotations

from torch import Tensor, nn

from alnus.errors import UsageError
from alnus.inference.engines import Precision, require
from alnus.inference.graph import onnx_graph
from alnus.inference.graph_engines import OpenVinoEngine, native_bf16
from alnus.models import FrameResNet, ModelCard


class EngineStages(nn.Module):
    """`features` by OpenVINO, `head` by PyTorch: what `alnus.explanation` takes for a network.

    Of TIN and the image network, whose last stage keeps every frame apart.
    """

    def __init__(self, network: FrameResNet, card: ModelCard, *, precision: Precision | None = None) -> None:
        """Convert a trained network. precision: None is bf16 where the processor has it. Raises UsageError."""
        super().__init__()
        require("openvino", conversion=True)
        if not isinstance(network, FrameResNet):
            raise UsageError(
                "a heatmap by OpenVINO is of tin and image: the others need a gradient to their first stage"
            )
        clip = card.network.clip
        self.precision: Precision = precision or ("bf16" if native_bf16() else "float32")
        graph = onnx_graph(network, (clip.channels, clip.frames, clip.side_px, clip.side_px), last_stage=True)
        self._engine = OpenVinoEngine(graph, origin=card.source, precision=self.precision)
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
