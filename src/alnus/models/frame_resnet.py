"""The 2-D ResNet over the frames of a clip: the image network, and with interlacing before each block the TIN.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; Shao et al., "Temporal Interlacing
Network", AAAI 2020. Keys and initial values are those of torchvision's `resnet18` and `resnet50`.
Departures: `width` scales every stage. The clip's logits are the mean of its frames' logits.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from alnus.models.interlacing import TemporalInterlace

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def _norm_of(conv: nn.Conv2d) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(conv.out_channels)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if inputs == outputs and stride == 1:
        return None
    conv = _conv(inputs, outputs, 1, stride)
    return nn.Sequential(conv, _norm_of(conv))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; `interlace`, where there is one, precedes the first."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, interlace: TemporalInterlace | None) -> None:
        super().__init__()
        self.interlace = interlace
        self.conv1 = _conv(inputs, planes, 3, stride)
        self.bn1 = _norm_of(self.conv1)
        self.conv2 = _conv(planes, planes, 3)
        self.bn2 = _norm_of(self.conv2)
        self.downsample = _shortcut(inputs, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(frames, inputs, height, width) -> (frames, planes, height / stride, width / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = x if self.interlace is None else self.interlace(x)
        out = functional.relu(self.bn1(self.conv1(out)), inplace=True)
        return functional.relu(self.bn2(self.conv2(out)).add_(residual), inplace=True)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut; the 3 x 3 carries the stride, as in torchvision."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, interlace: TemporalInterlace | None) -> None:
        super().__init__()
        self.interlace = interlace
        self.conv1 = _conv(inputs, planes, 1)
        self.bn1 = _norm_of(self.conv1)
        self.conv2 = _conv(planes, planes, 3, stride)
        self.bn2 = _norm_of(self.conv2)
        self.conv3 = _conv(planes, planes * self.expansion, 1)
        self.bn3 = _norm_of(self.conv3)
        self.downsample = _shortcut(inputs, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(frames, inputs, height, width) -> (frames, 4 * planes, height / stride, width / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = x if self.interlace is None else self.interlace(x)
        out = functional.relu(self.bn1(self.conv1(out)), inplace=True)
        out = functional.relu(self.bn2(self.conv2(out)), inplace=True)
        return functional.relu(self.bn3(self.conv3(out)).add_(residual), inplace=True)


class FrameResNet(nn.Module):
    """A ResNet that sees each frame, and a clip as the mean of its frames' logits.

    Shape: (batch, channels, frames, height, width) -> (batch, num_classes).
    interlaced_frames None: the image network, any number of frames, none of which sees another. T: TIN, for clips of
    exactly T frames. With offsets of 0 and weights of 1, TIN is the image network applied to each frame.
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
        interlaced_frames: int | None,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.frames = interlaced_frames
        block = BasicBlock if depth == 18 else Bottleneck
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = _norm_of(self.conv1)
        one, two, three, four = BLOCKS[depth]
        grown = width * block.expansion
        self.layer1 = _stage(block, one, width, width, 1, interlaced_frames)
        self.layer2 = _stage(block, two, grown, 2 * width, 2, interlaced_frames)
        self.layer3 = _stage(block, three, 2 * grown, 4 * width, 2, interlaced_frames)
        self.layer4 = _stage(block, four, 4 * grown, 8 * width, 2, interlaced_frames)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * grown, num_classes)
        _initialise(self)

    @property
    def title(self) -> str:
        """What this is, with its depth."""
        return f"{'image' if self.frames is None else 'TIN'}-ResNet-{self.depth}"

    def features(self, clip: Tensor) -> Tensor:
        """Return the last stage of each frame: (batch, channels, frames, height / 32, width / 32)."""
        frames = clip.shape[2]
        if self.frames not in (None, frames):
            raise ValueError(f"this TIN was built for clips of {self.frames} frames, not {frames}")
        x = clip.transpose(1, 2).flatten(0, 1)  # (batch * frames, channels, height, width)
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x)), inplace=True), 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.reshape(-1, frames, *x.shape[1:]).transpose(1, 2)

    def head(self, features: Tensor) -> Tensor:
        """Return the logits: the mean over the frames of each frame's."""
        pooled = features.mean((3, 4)).transpose(1, 2)  # (batch, frames, channels)
        logits: Tensor = self.fc(self.dropout(pooled)).mean(1)
        return logits

    def forward(self, clip: Tensor) -> Tensor:
        """Return the logits of each clip."""
        return self.head(self.features(clip))


def _stage(
    block: type[BasicBlock] | type[Bottleneck], count: int, inputs: int, planes: int, stride: int, frames: int | None
) -> nn.Sequential:
    blocks = []
    for index in range(count):
        interlace = None if frames is None else TemporalInterlace(inputs, frames)
        blocks.append(block(inputs, planes, stride if index == 0 else 1, interlace))
        inputs = planes * block.expansion
    return nn.Sequential(*blocks)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
