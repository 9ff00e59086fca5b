"""ResNet-3D and R(2+1)D: one trunk, two interchangeable convolutions.

Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018; the bottleneck
of depth 50 as in Hara et al., CVPR 2018. Keys and initial values are those of torchvision's `VideoResNet`.
Departures: `width` scales every stage, and with it the 45 middle channels of R(2+1)D's stem.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
STEM_MIDDLE = 45  # torchvision's R(2+1)D at width 64

Convolution = Callable[[int, int, int, int], nn.Module]  # inputs, outputs, middle, stride


class TemporalConvolution(nn.Conv3d):
    """A 3 x 1 x 1 convolution, computed as a plane's 3 x 1 one over (frames, pixels).

    The same numbers from the same weights; on a CPU a training step of it takes 0.4 of Conv3d's time, which falls back
    to a slow path for such kernels (torch 2.13: 279 against 646 ms for 144 to 64 channels at 2 x 16 x 56 x 56).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, (3, 1, 1), (stride, 1, 1), padding=(1, 0, 0), bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name is Conv3d's)
        """Convolve (batch, channels, frames, height, width) in time."""
        rows, columns = input.shape[3:]
        pixels = input.flatten(3)  # (batch, channels, frames, height * width)
        stride = self.stride[0]
        moved = functional.conv2d(pixels, self.weight.squeeze(-1), stride=(stride, 1), padding=(1, 0))
        return moved.reshape(*moved.shape[:3], rows, columns)


def full_convolution(inputs: int, outputs: int, middle: int, stride: int) -> nn.Module:
    """Return a 3 x 3 x 3 convolution; `middle` is R(2+1)D's."""
    del middle
    return nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False)


def factorised_convolution(inputs: int, outputs: int, middle: int, stride: int) -> nn.Module:
    """Return a 1 x 3 x 3 convolution in space, then a 3 x 1 x 1 convolution in time."""
    return nn.Sequential(
        nn.Conv3d(inputs, middle, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        TemporalConvolution(middle, outputs, stride),
    )


def middle_channels(inputs: int, planes: int) -> int:
    """Return the middle channels that give a factorised convolution the parameters of the full one.

    Source: Tran et al., section 3.5.
    """
    return (inputs * planes * 3 * 3 * 3) // (inputs * 3 * 3 + 3 * planes)


def _unit(convolution: nn.Module, outputs: int) -> nn.Sequential:
    """Convolution and batch normalisation under torchvision's keys 0 and 1."""
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs))


def _pointwise(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return _unit(nn.Conv3d(inputs, outputs, 1, stride, bias=False), outputs)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    return None if inputs == outputs and stride == 1 else _pointwise(inputs, outputs, stride)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, convolution: Convolution) -> None:
        super().__init__()
        middle = middle_channels(inputs, planes)  # of the block's input for both, as in torchvision
        self.conv1 = _unit(convolution(inputs, planes, middle, stride), planes)
        self.conv2 = _unit(convolution(planes, planes, middle, 1), planes)
        self.downsample = _shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, frames, height, width) -> (batch, planes, each / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.conv2(functional.relu(self.conv1(x))) + residual)


class Bottleneck(nn.Module):
    """1 x 1 x 1, the convolution, and 1 x 1 x 1 beside a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, convolution: Convolution) -> None:
        super().__init__()
        outputs = planes * self.expansion
        self.conv1 = _pointwise(inputs, planes)
        self.conv2 = _unit(convolution(planes, planes, middle_channels(inputs, planes), stride), planes)
        self.conv3 = _pointwise(planes, outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, frames, height, width) -> (batch, 4 * planes, each / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = functional.relu(self.conv1(x))
        out = functional.relu(self.conv2(out))
        return functional.relu(self.conv3(out) + residual)


def full_stem(in_channels: int, width: int) -> nn.Sequential:
    """Return a 3 x 7 x 7 convolution at half the resolution in space."""
    conv = nn.Conv3d(in_channels, width, (3, 7, 7), (1, 2, 2), padding=(1, 3, 3), bias=False)
    return nn.Sequential(conv, nn.BatchNorm3d(width), nn.ReLU(inplace=True))


def factorised_stem(in_channels: int, width: int) -> nn.Sequential:
    """Return a 1 x 7 x 7 convolution in space at half the resolution, then 3 x 1 x 1 in time."""
    middle = max(1, round(STEM_MIDDLE * width / 64))
    return nn.Sequential(
        nn.Conv3d(in_channels, middle, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
        nn.BatchNorm3d(middle),
        nn.ReLU(inplace=True),
        TemporalConvolution(middle, width),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
    )


class VideoResNet(nn.Module):
    """A ResNet whose convolutions see space and time together (factorised: one after the other).

    Shape: (batch, channels, frames, height, width) -> (batch, num_classes). Any number of frames; the last stage has
    an eighth of them and a sixteenth of the height and width, rounded up.
    """

    def __init__(
        self, depth: int, *, num_classes: int, in_channels: int, width: int, dropout: float, factorised: bool
    ) -> None:
        super().__init__()
        block = Bottleneck if depth == 50 else BasicBlock
        convolution = factorised_convolution if factorised else full_convolution
        self.stem = (factorised_stem if factorised else full_stem)(in_channels, width)
        one, two, three, four = BLOCKS[depth]
        grown = width * block.expansion
        self.layer1 = _stage(block, one, width, width, 1, convolution)
        self.layer2 = _stage(block, two, grown, 2 * width, 2, convolution)
        self.layer3 = _stage(block, three, 2 * grown, 4 * width, 2, convolution)
        self.layer4 = _stage(block, four, 4 * grown, 8 * width, 2, convolution)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * grown, num_classes)
        _initialise(self)

    def features(self, clip: Tensor) -> Tensor:
        """Return the last stage: (batch, channels, frames / 8, height / 16, width / 16)."""
        x: Tensor = self.stem(clip)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x

    def head(self, features: Tensor) -> Tensor:
        """Return the logits of the features' mean over time and space."""
        logits: Tensor = self.fc(self.dropout(features.mean((2, 3, 4))))
        return logits

    def forward(self, clip: Tensor) -> Tensor:
        """Return the logits of each clip."""
        return self.head(self.features(clip))


def _stage(
    block: type[BasicBlock] | type[Bottleneck],
    count: int,
    inputs: int,
    planes: int,
    stride: int,
    convolution: Convolution,
) -> nn.Sequential:
    blocks = []
    for index in range(count):
        blocks.append(block(inputs, planes, stride if index == 0 else 1, convolution))
        inputs = planes * block.expansion
    return nn.Sequential(*blocks)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)
