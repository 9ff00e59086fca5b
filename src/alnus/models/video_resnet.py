"""ResNet-3D and R(2+1)D: one trunk, two interchangeable convolutions.

Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018; the bottleneck
of depth 50 as in Hara et al., CVPR 2018. Keys and initial values are those of torchvision's `VideoResNet`.
Departures: `width` scales every stage, and with it the 45 middle channels of R(2+1)D's stem. `layout` makes the
network that of another code base, so that its weights give its numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from alnus.models.layout import TORCHVISION, Layout

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
STEM_MIDDLE = 45  # torchvision's R(2+1)D at width 64
COLOURS = 3  # of which the paper's formula counts the stem's middle channels, also for a grey network

Stride = tuple[int, int]  # over frames, over rows and columns
Convolution = Callable[[int, int, int, Stride], nn.Module]  # inputs, outputs, middle, stride


class TemporalConvolution(nn.Conv3d):
    """A T x 1 x 1 convolution, computed as a plane's T x 1 one over (frames, pixels).

    The same numbers from the same weights; on a CPU a training step of it takes 0.4 of Conv3d's time, which falls back
    to a slow path for such kernels (torch 2.13: 279 against 646 ms for 144 to 64 channels at 2 x 16 x 56 x 56).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, frames: int = 3) -> None:
        super().__init__(inputs, outputs, (frames, 1, 1), (stride, 1, 1), padding=(frames // 2, 0, 0), bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name is Conv3d's)
        """Convolve (batch, channels, frames, height, width) in time."""
        rows, columns = input.shape[3:]
        pixels = input.flatten(3)  # (batch, channels, frames, height * width)
        stride, before = self.stride[0], int(self.padding[0])
        weight = self.weight.squeeze(-1)
        moved = functional.conv2d(pixels, weight, self.bias, stride=(stride, 1), padding=(before, 0))
        return moved.reshape(*moved.shape[:3], rows, columns)


class ZeroPaddedShortcut(nn.Module):
    """The strided input, with channels of zeros behind its own: He's shortcut A, which has no weights.

    Source: Hara's 3D-ResNets-PyTorch, `_downsample_basic_block`.
    """

    def __init__(self, outputs: int, stride: Stride) -> None:
        super().__init__()
        self.outputs = outputs
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, frames, height, width) -> (batch, outputs, each / stride)."""
        frames, pixels = self.stride
        kept = x[:, :, ::frames, ::pixels, ::pixels]
        return functional.pad(kept, (0, 0, 0, 0, 0, 0, 0, self.outputs - x.shape[1]))


def full_convolution(inputs: int, outputs: int, middle: int, stride: Stride) -> nn.Module:
    """Return a 3 x 3 x 3 convolution; `middle` is R(2+1)D's."""
    del middle
    return nn.Conv3d(inputs, outputs, 3, (stride[0], stride[1], stride[1]), padding=1, bias=False)


def plane_convolution(inputs: int, outputs: int, middle: int, stride: Stride) -> nn.Module:
    """Return a 1 x 3 x 3 convolution; `middle` is R(2+1)D's."""
    del middle
    strides = (stride[0], stride[1], stride[1])
    return nn.Conv3d(inputs, outputs, (1, 3, 3), strides, padding=(0, 1, 1), bias=False)


def factorised_convolution(
    inputs: int, outputs: int, middle: int, stride: Stride, *, epsilon: float = 1e-5
) -> nn.Module:
    """Return a 1 x 3 x 3 convolution in space, then a 3 x 1 x 1 convolution in time."""
    return nn.Sequential(
        nn.Conv3d(inputs, middle, (1, 3, 3), (1, stride[1], stride[1]), padding=(0, 1, 1), bias=False),
        nn.BatchNorm3d(middle, eps=epsilon),
        nn.ReLU(inplace=True),
        TemporalConvolution(middle, outputs, stride[0]),
    )


def middle_channels(inputs: int, planes: int, *, frames: int = 3, pixels: int = 3) -> int:
    """Return the middle channels that give a factorised convolution the parameters of the full one.

    The full kernel spans frames x pixels x pixels. Source: Tran et al., section 3.5.
    """
    area = pixels * pixels
    return (frames * area * inputs * planes) // (area * inputs + frames * planes)


def _unit(convolution: nn.Module, outputs: int, layout: Layout) -> nn.Sequential:
    """Convolution and batch normalisation under torchvision's keys 0 and 1."""
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs, eps=layout.epsilon))


def _pointwise(inputs: int, outputs: int, layout: Layout, stride: Stride = (1, 1)) -> nn.Sequential:
    return _unit(nn.Conv3d(inputs, outputs, 1, (stride[0], stride[1], stride[1]), bias=False), outputs, layout)


def _factorised_pointwise(inputs: int, outputs: int, layout: Layout, stride: Stride) -> nn.Sequential:
    """Return MMAction2's shortcut of R(2+1)D: a point in space, normalised and rectified, then a point in time.

    Its count of middle channels takes three frames, though the kernel spans one.
    """
    middle = middle_channels(inputs, outputs, pixels=1)
    split = nn.Sequential(
        nn.Conv3d(inputs, middle, 1, (1, stride[1], stride[1]), bias=False),
        nn.BatchNorm3d(middle, eps=layout.inner_epsilon),
        nn.ReLU(inplace=True),
        nn.Conv3d(middle, outputs, 1, (stride[0], 1, 1), bias=False),
    )
    return _unit(split, outputs, layout)


def _shortcut(inputs: int, outputs: int, stride: Stride, layout: Layout) -> nn.Module | None:
    if inputs == outputs and stride == (1, 1):
        return None
    if layout.shortcut == "zeros":
        return ZeroPaddedShortcut(outputs, stride)
    if layout.shortcut == "factorised":
        return _factorised_pointwise(inputs, outputs, layout, stride)
    return _pointwise(inputs, outputs, layout, stride)


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: Stride, convolution: Convolution, layout: Layout) -> None:
        super().__init__()
        first = middle_channels(inputs, planes)
        second = first if layout.middle == "block" else middle_channels(planes, planes)
        self.conv1 = _unit(convolution(inputs, planes, first, stride), planes, layout)
        self.conv2 = _unit(convolution(planes, planes, second, (1, 1)), planes, layout)
        self.downsample = _shortcut(inputs, planes, stride, layout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, frames, height, width) -> (batch, planes, each / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = self.conv2(functional.relu(self.conv1(x), inplace=True))
        return functional.relu(out.add_(residual), inplace=True)


class Bottleneck(nn.Module):
    """1 x 1 x 1, the convolution, and 1 x 1 x 1 beside a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: Stride, convolution: Convolution, layout: Layout) -> None:
        super().__init__()
        outputs = planes * self.expansion
        if layout.bottleneck == "3x1x1":
            convolution = plane_convolution
            self.conv1 = _unit(TemporalConvolution(inputs, planes), planes, layout)
        else:
            self.conv1 = _pointwise(inputs, planes, layout)
        self.conv2 = _unit(convolution(planes, planes, middle_channels(planes, planes), stride), planes, layout)
        self.conv3 = _pointwise(planes, outputs, layout)
        self.downsample = _shortcut(inputs, outputs, stride, layout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, frames, height, width) -> (batch, 4 * planes, each / stride)."""
        residual = x if self.downsample is None else self.downsample(x)
        out = functional.relu(self.conv1(x), inplace=True)
        out = functional.relu(self.conv2(out), inplace=True)
        return functional.relu(self.conv3(out).add_(residual), inplace=True)


def _stem_pool(layout: Layout) -> list[nn.Module]:
    if layout.stem_pool == "voxels":
        return [nn.MaxPool3d(3, 2, padding=1)]
    if layout.stem_pool == "space":
        return [nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1))]
    return []


def full_stem(in_channels: int, width: int, layout: Layout) -> nn.Sequential:
    """Return a T x 7 x 7 convolution at half the resolution in space, and what the layout pools after it."""
    frames = layout.stem_frames
    conv = nn.Conv3d(in_channels, width, (frames, 7, 7), (1, 2, 2), padding=(frames // 2, 3, 3), bias=False)
    norm = nn.BatchNorm3d(width, eps=layout.epsilon)
    return nn.Sequential(conv, norm, nn.ReLU(inplace=True), *_stem_pool(layout))


def factorised_stem(in_channels: int, width: int, layout: Layout) -> nn.Sequential:
    """Return a 1 x 7 x 7 convolution in space at half the resolution, then T x 1 x 1 in time, and the pooling."""
    middle = max(1, round(STEM_MIDDLE * width / 64))
    if layout.middle == "convolution":
        middle = middle_channels(COLOURS, width, frames=layout.stem_frames, pixels=7)
    return nn.Sequential(
        nn.Conv3d(in_channels, middle, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
        nn.BatchNorm3d(middle, eps=layout.inner_epsilon),
        nn.ReLU(inplace=True),
        TemporalConvolution(middle, width, frames=layout.stem_frames),
        nn.BatchNorm3d(width, eps=layout.epsilon),
        nn.ReLU(inplace=True),
        *_stem_pool(layout),
    )


class VideoResNet(nn.Module):
    """A ResNet whose convolutions see space and time together (factorised: one after the other).

    Shape: (batch, channels, frames, height, width) -> (batch, num_classes). Any number of frames; in torchvision's
    layout the last stage has an eighth of them and a sixteenth of the height and width, rounded up.
    layout None: torchvision's, until weights of another layout are loaded.
    """

    merges_frames = True

    def __init__(
        self,
        depth: int,
        *,
        num_classes: int,
        in_channels: int,
        width: int,
        dropout: float,
        factorised: bool,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.factorised = factorised
        self.layout_is_given = layout is not None
        self.layout = layout = TORCHVISION if layout is None else layout
        self.sizes = {"num_classes": num_classes, "in_channels": in_channels, "width": width}
        block = Bottleneck if depth == 50 else BasicBlock
        split = partial(factorised_convolution, epsilon=layout.inner_epsilon)
        convolution = split if factorised else full_convolution
        self.stem = (factorised_stem if factorised else full_stem)(in_channels, width, layout)
        grown = width * block.expansion
        inputs = (width, grown, 2 * grown, 4 * grown)
        strides = ((1, 1), *(((layout.temporal_stride, 2),) * 3))
        stages = [
            _stage(block, BLOCKS[depth][k], inputs[k], 2**k * width, strides[k], convolution, layout) for k in range(4)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * grown, num_classes)
        _initialise(self)

    @property
    def title(self) -> str:
        """What this is, with its depth."""
        return f"{'R(2+1)D' if self.factorised else 'ResNet-3D'}-{self.depth}"

    def in_layout(self, layout: Layout) -> VideoResNet:
        """Return a network of the same sizes in another layout, with random weights."""
        return VideoResNet(self.depth, **self.sizes, dropout=self.dropout.p, factorised=self.factorised, layout=layout)

    def features(self, clip: Tensor) -> Tensor:
        """Return the last stage: (batch, channels, frames / 8, height / 16, width / 16) in torchvision's layout."""
        x: Tensor = self.layer1(self.stem(clip))
        if self.layout.pool_after_first:
            x = functional.max_pool3d(x, (2, 1, 1), (2, 1, 1))
        for stage in (self.layer2, self.layer3, self.layer4):
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
    stride: Stride,
    convolution: Convolution,
    layout: Layout,
) -> nn.Sequential:
    blocks = []
    for index in range(count):
        blocks.append(block(inputs, planes, stride if index == 0 else (1, 1), convolution, layout))
        inputs = planes * block.expansion
    return nn.Sequential(*blocks)


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)
