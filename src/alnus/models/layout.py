"""What two video networks of the same name and depth may still differ in.

Source: torchvision's `VideoResNet`; Hara's 3D-ResNets-PyTorch, `resnet.py` and `resnet2p1d.py`; X-Temporal's
`resnet3D.py` and `stresnet.py` with its experiments' settings; MMAction2's `ResNet3d` and `ResNet2Plus1d` with its
`r2plus1d_r34` settings; ig65m-pytorch's `models.py`, which brings the paper's own weights to torchvision's modules;
PyTorchVideo's `x3d.py`; torchvision's `mvit.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import TypeAdapter

MOST_FRAMES = 63  # of a first kernel; 7 is the longest in use
MOST_TOKENS = 1024  # along one axis


@dataclass(frozen=True)
class Layout:
    """How a video network is laid out, where public code bases differ; the default is torchvision's, X3D's the paper's.

    Of ResNet-3D and R(2+1)D: stem_frames: frames that the first kernel spans. stem_pool: the maximum after the stem,
    over nothing, 3 x 3 pixels, or 3 x 3 x 3 voxels, each at stride 2. pool_after_first: the maximum of two frames after
    the first stage. temporal_stride: of the stages two to four. middle (R(2+1)D): whether the channels between space
    and time are counted once a block (45 in the stem) or for each convolution, as the paper's formula says (83 in the
    stem, or 45). bottleneck: the kernels of its first two convolutions, 1 x 1 x 1 and 3 x 3 x 3, or 3 x 1 x 1 and
    1 x 3 x 3. shortcut: where a block changes its shape, a 1 x 1 x 1 convolution, the strided input padded with zero
    channels, or the convolution split into space and time too. epsilon: of the normalisation after each whole
    convolution; inner_epsilon: of that between space and time.
    Of X3D: bare_shortcut: whether the first stage's shortcut goes without normalisation.
    Of MViT: grid: the tokens (frames, rows, columns) for which its tables of relative positions are made.
    """

    stem_frames: int = 3
    stem_pool: Literal["none", "space", "voxels"] = "none"
    pool_after_first: bool = False
    temporal_stride: Literal[1, 2] = 2
    middle: Literal["block", "convolution", "convolution but stem"] = "block"
    bottleneck: Literal["3x3x3", "3x1x1"] = "3x3x3"
    shortcut: Literal["projection", "zeros", "factorised"] = "projection"
    epsilon: float = 1e-5
    inner_epsilon: float = 1e-5
    bare_shortcut: bool = False
    grid: tuple[int, int, int] = (8, 56, 56)

    def __post_init__(self) -> None:
        """Refuse what no network has: a file may state a layout, and a large one would fill the memory."""
        if not 1 <= self.stem_frames <= MOST_FRAMES:
            raise ValueError(f"layout: stem_frames must lie in 1 to {MOST_FRAMES}, not {self.stem_frames}")
        if not all(1 <= size <= MOST_TOKENS for size in self.grid):
            raise ValueError(f"layout: each side of grid must lie in 1 to {MOST_TOKENS}, not {self.grid}")
        if not (0 < self.epsilon < 1 and 0 < self.inner_epsilon < 1):
            raise ValueError(f"layout: epsilons must lie between 0 and 1, not {self.epsilon}, {self.inner_epsilon}")


def layout_of(values: Any) -> Layout:
    """Return the layout of a file's plain values. Raises ValueError for a name, type or value that it cannot have."""
    if not isinstance(values, dict) or values.keys() - {field.name for field in fields(Layout)}:
        raise ValueError("layout: not the names of a layout")
    return TypeAdapter(Layout).validate_python(values)


TORCHVISION = Layout()
HARA = Layout(stem_frames=7, stem_pool="voxels", middle="convolution")
X_TEMPORAL_R2PLUS1D = Layout(stem_pool="space", middle="convolution")
MMACTION_R2PLUS1D = Layout(stem_pool="space", middle="convolution", shortcut="factorised", epsilon=1e-3)
IG65M = Layout(middle="convolution but stem", epsilon=1e-3, inner_epsilon=1e-3)
MMACTION_RESNET3D = Layout(stem_pool="space", pool_after_first=True, temporal_stride=1)
