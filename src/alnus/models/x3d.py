"""X3D: a 3-D ResNet of depthwise convolutions, thin in channels, that keeps every frame to its last stage.

Source: Feichtenhofer, "X3D: Expanding Architectures for Efficient Video Recognition", CVPR 2020, table 3; depth 26 at
width 24 on 16 x 224 x 224 is its X3D-M (at 13 x 160 x 160 X3D-S), depth 55 its X3D-L.
Departures: `width` scales every stage and the head. The last normalisation of a block does not begin at zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from alnus.models.layout import Layout

BLOCKS = {11: (1, 2, 5, 3), 26: (3, 5, 11, 7), 55: (5, 10, 25, 15)}
WIDTH = 24  # published
INNER = 2.25  # channels inside a block for one outside
HIDDEN = 2048  # of the head, at the published width
GATED_SHARE = 1 / 16  # of the channels, between the two layers of a gate


class Gate(nn.Module):
    """Weigh each channel by what the whole clip holds of every channel.

    Source: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, section 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = gate_channels(channels)
        self.narrow = nn.Conv3d(channels, narrow, 1)
        self.widen = nn.Conv3d(narrow, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames, height, width) -> the same."""
        pooled = x.mean((2, 3, 4), keepdim=True)
        weighed: Tensor = x * self.widen(functional.relu(self.narrow(pooled))).sigmoid()
        return weighed


def gate_channels(channels: int) -> int:
    """Return a sixteenth of the channels as a multiple of 8, not more than a tenth below it, as the source rounds."""
    wanted = channels * GATED_SHARE
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


class Block(nn.Module):
    """A point, a depthwise 3 x 3 x 3, gated in every other block, and a point, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, gated: bool, bare: bool) -> None:
        super().__init__()
        inner = int(INNER * outputs)
        strides = (1, stride, stride)
        self.conv1 = nn.Conv3d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = nn.Conv3d(inner, inner, 3, strides, padding=1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm3d(inner)
        self.gate = Gate(inner) if gated else None
        self.conv3 = nn.Conv3d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            conv = nn.Conv3d(inputs, outputs, 1, strides, bias=False)
            self.downsample = nn.Sequential(conv) if bare else nn.Sequential(conv, nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, frames, height, width) -> (batch, outputs, frames, height / stride, width / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        out = functional.silu(out if self.gate is None else self.gate(out), inplace=True)
        return functional.relu(self.bn3(self.conv3(out)).add_(residual), inplace=True)


class Stem(nn.Module):
    """A 1 x 3 x 3 convolution at half the resolution, then each channel's own five frames."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.space = nn.Conv3d(in_channels, width, (1, 3, 3), (1, 2, 2), padding=(0, 1, 1), bias=False)
        self.time = nn.Conv3d(width, width, (5, 1, 1), padding=(2, 0, 0), groups=width, bias=False)
        self.norm = nn.BatchNorm3d(width)

    def forward(self, clip: Tensor) -> Tensor:
        """(batch, in_channels, frames, height, width) -> (batch, width, frames, height / 2, width / 2)."""
        return functional.relu(self.norm(self.time(self.space(clip))), inplace=True)


class X3D(nn.Module):
    """X3D over a whole clip.

    Shape: (batch, channels, frames, height, width) -> (batch, num_classes). Any number of frames, all of which reach
    the last stage; it has a thirty-second of the height and width, rounded up.
    layout None: the paper's, until weights of another layout are loaded.
    """

    merges_frames = False

    def __init__(
        self,
        depth: int,
        *,
        num_classes: int,
        in_channels: int,
        width: int,
        dropout: float,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.layout_is_given = layout is not None
        self.layout = layout = Layout() if layout is None else layout
        self.sizes = {"num_classes": num_classes, "in_channels": in_channels, "width": width}
        self.stem = Stem(in_channels, width)
        one, two, three, four = BLOCKS[depth]
        self.layer1 = _stage(one, width, width, bare=layout.bare_shortcut)
        self.layer2 = _stage(two, width, 2 * width)
        self.layer3 = _stage(three, 2 * width, 4 * width)
        self.layer4 = _stage(four, 4 * width, 8 * width)
        wide = int(INNER * 8 * width)
        self.last = nn.Sequential(nn.Conv3d(8 * width, wide, 1, bias=False), nn.BatchNorm3d(wide), nn.ReLU())
        hidden = round(HIDDEN * width / WIDTH)
        self.projection = nn.Linear(wide, hidden, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden, num_classes)
        _initialise(self)

    @property
    def title(self) -> str:
        """What this is, with its depth."""
        return f"X3D-{self.depth}"

    def in_layout(self, layout: Layout) -> X3D:
        """Return a network of the same sizes in another layout, with random weights."""
        return X3D(self.depth, **self.sizes, dropout=self.dropout.p, layout=layout)

    def features(self, clip: Tensor) -> Tensor:
        """Return the last convolution: (batch, channels, frames, height / 32, width / 32)."""
        # channels innermost: depthwise kernels then run over neighbours in memory, ten times as fast in training
        x: Tensor = self.stem(clip.contiguous(memory_format=torch.channels_last_3d))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4, self.last):
            x = stage(x)
        return x

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of the features' mean over time and space."""
        hidden = functional.relu(self.projection(features.mean((2, 3, 4))))
        logits: Tensor = self.fc(self.dropout(hidden))
        return logits

    def forward(self, clip: Tensor) -> Tensor:
        """Return the logits of each clip."""
        return self.head(self.features(clip))


def _stage(count: int, inputs: int, outputs: int, *, bare: bool = False) -> nn.Sequential:
    """Return blocks of which the first halves the picture and every other one, from the first, is gated."""
    blocks = [
        Block(
            inputs if index == 0 else outputs,
            outputs,
            stride=2 if index == 0 else 1,
            gated=index % 2 == 0,
            bare=bare,
        )
        for index in range(count)
    ]
    return nn.Sequential(*blocks)


def _initialise(network: X3D) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.kaiming_normal_(network.projection.weight, nonlinearity="relu")
    nn.init.normal_(network.fc.weight, 0.0, 0.01)
    nn.init.zeros_(network.fc.bias)
