"""The networks of other code bases, written anew from their sources: their keys, their arithmetic, any width.

Source: MMAction2 1.2.0 `backbones/resnet.py`, `resnet_tsm.py`, `resnet_tin.py`, `resnet3d.py`, `resnet2plus1d.py`,
`common/conv2plus1d.py`, `heads/tsm_head.py`, `tsn_head.py`, `i3d_head.py`, `configs/_base_/models/tin_r50.py`,
`r2plus1d_r34.py`; X-Temporal `core/models.py`, `core/tin.py`, `core/tsm.py`, `models/resnet.py`, `models/stresnet.py`,
`models/resnet3D.py`, `experiments/*/default.yaml`; Hara's 3D-ResNets-PyTorch `models/resnet.py`, `resnet2p1d.py`.
Departures: the CUDA shift is a loop over clips, groups and frames. tests/models/test_rivals.py names who was compared.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def shift(data, offsets):
    """out[:, s + b] += data[:, s] for each group's whole offset b; (N, T, C, P) and (N, groups)."""
    out = torch.zeros_like(data)
    n, t, c, _ = data.shape
    per = c // offsets.shape[1]
    for clip in range(n):
        for group in range(offsets.shape[1]):
            b, channels = int(offsets[clip, group]), slice(group * per, (group + 1) * per)
            for s in range(t):
                if 0 <= s + b < t:
                    out[clip, s + b, channels] += data[clip, s, channels]
    return out


def interlaced(x, segments, offset_net, weight_net):
    """TIN's step in both code bases: the first quarter of the channels, four groups."""
    quarter = x.shape[1] // 4
    data = x[:, :quarter].reshape(-1, segments, quarter, *x.shape[2:])
    pooled = data.mean(3).mean(3).permute(0, 2, 1)
    offsets = offset_net(pooled).reshape(len(data), -1)
    offsets = torch.cat([offsets, -offsets], 1)
    whole = torch.floor(offsets)
    flat = data.flatten(3)
    second = (offsets - whole).repeat_interleave(quarter // 4, 1)[:, None, :, None]
    moved = (1 - second) * shift(flat, whole.int()) + second * shift(flat, whole.int() + 1)
    weights = weight_net(pooled)[:, :, :, None].repeat(1, 1, 2, quarter // 4).flatten(2)
    moved = (moved * weights[..., None]).reshape(len(x), quarter, *x.shape[2:])
    return torch.cat([moved, x[:, quarter:]], 1)


def shifted(x, segments, div):
    """TSM's step: one part of the channels a frame back, one a frame on."""
    clips = x.reshape(-1, segments, *x.shape[1:])
    fold = x.shape[1] // div
    out = torch.zeros_like(clips)
    out[:, :-1, :fold] = clips[:, 1:, :fold]
    out[:, 1:, fold : 2 * fold] = clips[:, :-1, fold : 2 * fold]
    out[:, :, 2 * fold :] = clips[:, :, 2 * fold :]
    return out.reshape(x.shape)


class MMOffset(nn.Module):
    def __init__(self, channels, segments):
        super().__init__()
        self.conv, self.fc1, self.fc2 = (
            nn.Conv1d(channels, 1, 3, padding=1),
            nn.Linear(segments, segments),
            nn.Linear(segments, 2),
        )

    def forward(self, x):
        x = torch.relu(self.fc1(self.conv(x).flatten(1)))
        return 4 * (torch.sigmoid(self.fc2(x)) - 0.5)


class MMWeight(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(channels, 2, 3, padding=1)

    def forward(self, x):
        return 2 * torch.sigmoid(self.conv(x).permute(0, 2, 1))


class MMInterlace(nn.Module):
    def __init__(self, channels, segments):
        super().__init__()
        self.segments = segments
        self.offset_net, self.weight_net = MMOffset(channels // 4, segments), MMWeight(channels // 4)

    def forward(self, x):
        return interlaced(x, self.segments, self.offset_net, self.weight_net)


class XOffsetInner(nn.Module):
    def __init__(self, channels, segments):
        super().__init__()
        self.conv, self.fc = nn.Conv1d(channels, 1, 3, padding=1), nn.Linear(segments, segments)
        self.lastlayer = nn.Linear(segments, 2)

    def forward(self, x):
        return self.lastlayer(torch.relu(self.fc(self.conv(x).flatten(1))))


class XOffset(nn.Module):
    def __init__(self, channels, segments):
        super().__init__()
        self.net = XOffsetInner(channels, segments)

    def forward(self, x):
        return 4 * (torch.sigmoid(self.net(x)) - 0.5)


class XWeightInner(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.lastlayer = nn.Conv1d(channels, 2, 3, padding=1)

    def forward(self, x):
        return self.lastlayer(x).permute(0, 2, 1)


class XWeight(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.net = XWeightInner(channels)

    def forward(self, x):
        return 2 * torch.sigmoid(self.net(x))


class XInterlace(nn.Module):
    def __init__(self, channels, segments):
        super().__init__()
        self.segments = segments
        self.biasnet, self.weightnet = XOffset(channels // 4, segments), XWeight(channels // 4)

    def forward(self, x):
        return interlaced(x, self.segments, self.biasnet, self.weightnet)


class Pair(nn.Module):
    """`CombineNet` of MMAction2, `CombinNet` of X-Temporal."""

    def __init__(self, net1, net2):
        super().__init__()
        self.net1, self.net2 = net1, net2

    def forward(self, x):
        return self.net2(self.net1(x))


class Shifted(nn.Module):
    """`TemporalShift` of both."""

    def __init__(self, net, segments):
        super().__init__()
        self.net, self.segments = net, segments

    def forward(self, x):
        return self.net(shifted(x, self.segments, 8))


class ConvModule(nn.Module):
    """MMCV's convolution and normalisation; who calls it rectifies."""

    def __init__(self, conv, channels, norm, eps=1e-5):
        super().__init__()
        self.conv, self.bn = conv, norm(channels, eps=eps)

    def forward(self, x):
        return self.bn(self.conv(x))


class MMBlock(nn.Module):
    """`BasicBlock`, `Bottleneck` and their 3-D kin: units one after the other, beside a shortcut."""

    def __init__(self, units, downsample):
        super().__init__()
        for place, unit in enumerate(units, 1):
            setattr(self, f"conv{place}", unit)
        self.units, self.downsample = len(units), downsample

    def forward(self, x):
        out = x
        for place in range(1, self.units + 1):
            out = getattr(self, f"conv{place}")(out)
            out = torch.relu(out) if place < self.units else out
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class PlainBlock(nn.Module):
    """torchvision-like blocks: `conv1`, `bn1`, ... as X-Temporal and Hara have them."""

    def __init__(self, convs, channels, norm, downsample):
        super().__init__()
        for place, (conv, count) in enumerate(zip(convs, channels, strict=True), 1):
            setattr(self, f"conv{place}", conv)
            setattr(self, f"bn{place}", norm(count))
        self.units, self.downsample = len(convs), downsample

    def forward(self, x):
        out = x
        for place in range(1, self.units + 1):
            out = getattr(self, f"bn{place}")(getattr(self, f"conv{place}")(out))
            out = torch.relu(out) if place < self.units else out
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


def stages(depth, width, make):
    """Four stages of blocks: make(inputs, planes, outputs, stride) with stride None where nothing changes."""
    inputs, made = width, []
    for stage, count in enumerate(BLOCKS[depth]):
        planes = width * 2**stage
        outputs = planes * (4 if depth == 50 else 1)
        blocks = []
        for index in range(count):
            stride = 2 if stage and not index else 1
            blocks.append(make(inputs, planes, outputs, stride))
            inputs = outputs
        made.append(nn.Sequential(*blocks))
    return made


def frame_kernels(depth, inputs, planes, outputs, stride):
    if depth == 50:
        return [(inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, outputs, 1, 1)]
    return [(inputs, planes, 3, stride), (planes, outputs, 3, 1)]


def conv2d(inputs, outputs, kernel, stride):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Bare(nn.Module):
    """A holder of named parts."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


class MMFrames(nn.Module):
    """MMAction2's `Recognizer2D` of ResNetTIN, ResNetTSM or ResNet with TSMHead or TSNHead."""

    def __init__(self, kind, depth, width, *, segments=8, classes=5):
        super().__init__()

        def make(inputs, planes, outputs, stride):
            kernels = frame_kernels(depth, inputs, planes, outputs, stride)
            units = [ConvModule(conv2d(*kernel), kernel[1], nn.BatchNorm2d) for kernel in kernels]
            if kind == "tin":
                units[0].conv = Pair(MMInterlace(inputs, segments), units[0].conv)
            if kind == "tsm":
                units[0].conv = Shifted(units[0].conv, segments)
            changes = stride != 1 or inputs != outputs
            return MMBlock(
                units, ConvModule(conv2d(inputs, outputs, 1, stride), outputs, nn.BatchNorm2d) if changes else None
            )

        one, two, three, four = stages(depth, width, make)
        stem = ConvModule(nn.Conv2d(3, width, 7, 2, 3, bias=False), width, nn.BatchNorm2d)
        self.backbone = Bare(conv1=stem, layer1=one, layer2=two, layer3=three, layer4=four)
        self.cls_head = Bare(fc_cls=nn.Linear(width * 8 * (4 if depth == 50 else 1), classes))
        self.kind, self.segments = kind, segments

    def forward(self, clip):
        net = self.backbone
        x = clip.transpose(1, 2).flatten(0, 1)
        x = functional.max_pool2d(torch.relu(net.conv1(x)), 3, 2, 1)
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
        x = x.mean((2, 3)).reshape(-1, self.segments, x.shape[1])
        if self.kind == "tsn":  # TSNHead averages features, TSMHead scores
            return self.cls_head.fc_cls(x.mean(1))
        return self.cls_head.fc_cls(x).mean(1)


class XFrames(nn.Module):
    """X-Temporal's `TSN` over its ResNet, with tin or shift or neither."""

    def __init__(self, kind, depth, width, *, segments=8, classes=5, dropout=0.8):
        super().__init__()

        def make(inputs, planes, outputs, stride):
            kernels = frame_kernels(depth, inputs, planes, outputs, stride)
            convs = [conv2d(*kernel) for kernel in kernels]
            if kind == "tin":
                convs[0] = Pair(XInterlace(inputs, segments), convs[0])
            if kind == "tsm":
                convs[0] = Shifted(convs[0], segments)
            changes = stride != 1 or inputs != outputs
            short = nn.Sequential(conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)) if changes else None
            return PlainBlock(convs, [kernel[1] for kernel in kernels], nn.BatchNorm2d, short)

        one, two, three, four = stages(depth, width, make)
        self.base_model = Bare(
            conv1=nn.Conv2d(3, width, 7, 2, 3, bias=False),
            bn1=nn.BatchNorm2d(width),
            layer1=one,
            layer2=two,
            layer3=three,
            layer4=four,
        )
        last = nn.Linear(width * 8 * (4 if depth == 50 else 1), classes)
        self.new_fc = last if dropout else None
        self.base_model.fc = nn.Dropout(dropout) if dropout else last
        self.segments = segments

    def forward(self, clip):
        net = self.base_model
        x = clip.transpose(1, 2).flatten(0, 1)
        x = functional.max_pool2d(torch.relu(net.bn1(net.conv1(x))), 3, 2, 1)
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
        x = net.fc(x.mean((2, 3)))
        x = x if self.new_fc is None else self.new_fc(x)
        return x.reshape(-1, self.segments, x.shape[1]).mean(1)


def middle(inputs, outputs, t, k):
    return int(t * k * k * inputs * outputs / (k * k * inputs + t * outputs))


def conv3d(inputs, outputs, kernel, stride):
    kernel = (kernel,) * 3 if isinstance(kernel, int) else kernel
    stride = (stride,) * 3 if isinstance(stride, int) else stride
    return nn.Conv3d(inputs, outputs, kernel, stride, tuple(size // 2 for size in kernel), bias=False)


class MM2Plus1d(nn.Module):
    """`Conv2plus1d`: three frames in its count, whatever its kernel."""

    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        (t, k, _), (over_t, over_k, _) = kernel, stride
        self.stride = stride
        between = middle(inputs, outputs, 3, k)
        self.conv_s = conv3d(inputs, between, (1, k, k), (1, over_k, over_k))
        self.bn_s = nn.BatchNorm3d(between)
        self.conv_t = conv3d(between, outputs, (t, 1, 1), (over_t, 1, 1))

    def forward(self, x):
        return self.conv_t(torch.relu(self.bn_s(self.conv_s(x))))


class MMVideo(nn.Module):
    """MMAction2's `Recognizer3D` of ResNet2Plus1d (its r2plus1d settings) or ResNet3d, with I3DHead."""

    def __init__(self, kind, depth, width, *, classes=5, stem_frames=3, style="3x1x1"):
        super().__init__()
        split = kind == "r2plus1d"
        conv, eps, time = (MM2Plus1d, 1e-3, 2) if split else (conv3d, 1e-5, 1)

        def unit(inputs, outputs, kernel, stride):
            return ConvModule(conv(inputs, outputs, kernel, stride), outputs, nn.BatchNorm3d, eps)

        def make(inputs, planes, outputs, stride):
            strides = (time if stride == 2 else 1, stride, stride)
            if depth == 50:
                first, second = ((3, 1, 1), (1, 3, 3)) if style == "3x1x1" else ((1, 1, 1), (3, 3, 3))
                units = [
                    unit(inputs, planes, first, (1, 1, 1)),
                    unit(planes, planes, second, strides),
                    unit(planes, outputs, (1, 1, 1), (1, 1, 1)),
                ]
            else:
                units = [unit(inputs, planes, (3, 3, 3), strides), unit(planes, outputs, (3, 3, 3), (1, 1, 1))]
            changes = stride != 1 or inputs != outputs
            return MMBlock(units, unit(inputs, outputs, (1, 1, 1), strides) if changes else None)

        one, two, three, four = stages(depth, width, make)
        stem = unit(3, width, (stem_frames, 7, 7), (1, 2, 2))
        self.backbone = Bare(conv1=stem, layer1=one, layer2=two, layer3=three, layer4=four)
        self.cls_head = Bare(fc_cls=nn.Linear(width * 8 * (4 if depth == 50 else 1), classes))
        self.split = split

    def forward(self, clip):
        net = self.backbone
        x = functional.max_pool3d(torch.relu(net.conv1(clip)), (1, 3, 3), (1, 2, 2), (0, 1, 1))
        x = net.layer1(x)
        x = x if self.split else functional.max_pool3d(x, (2, 1, 1), (2, 1, 1))
        for stage in (net.layer2, net.layer3, net.layer4):
            x = stage(x)
        return self.cls_head.fc_cls(x.mean((2, 3, 4)))


class SpatioTemporalConv(nn.Module):
    """X-Temporal's factorised convolution."""

    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        (t, k, _), (over_t, over_k, _) = kernel, stride
        between = middle(inputs, outputs, t, k)
        self.spatial_conv = conv3d(inputs, between, (1, k, k), (1, over_k, over_k))
        self.bn = nn.BatchNorm3d(between)
        self.temporal_conv = conv3d(between, outputs, (t, 1, 1), (over_t, 1, 1))

    def forward(self, x):
        return self.temporal_conv(torch.relu(self.bn(self.spatial_conv(x))))


class ZeroPad(nn.Module):
    def __init__(self, planes, stride):
        super().__init__()
        self.planes, self.stride = planes, stride

    def forward(self, x):
        out = functional.avg_pool3d(x, kernel_size=1, stride=self.stride)
        zeros = torch.zeros(len(out), self.planes - out.shape[1], *out.shape[2:], dtype=x.dtype)
        return torch.cat([out, zeros], 1)


class PlainVideo(nn.Module):
    """X-Temporal's `stresnet` (split, its max_pooling), and its and Hara's ResNet-3D (7 x 7 x 7, shortcut A or B)."""

    def __init__(self, kind, depth, width, *, classes=5, shortcut="B", stem_frames=7):
        super().__init__()
        split = kind == "r2plus1d"
        conv = SpatioTemporalConv if split else conv3d

        def make(inputs, planes, outputs, stride):
            strides = (stride,) * 3
            if depth == 50:
                convs = [
                    conv3d(inputs, planes, 1, 1),
                    conv(planes, planes, (3, 3, 3), strides),
                    conv3d(planes, outputs, 1, 1),
                ]
                channels = [planes, planes, outputs]
            else:
                convs = [conv(inputs, planes, (3, 3, 3), strides), conv(planes, outputs, (3, 3, 3), (1, 1, 1))]
                channels = [planes, outputs]
            short = None
            if stride != 1 or inputs != outputs:
                short = nn.Sequential(conv3d(inputs, outputs, 1, stride), nn.BatchNorm3d(outputs))
                short = ZeroPad(outputs, stride) if shortcut == "A" else short
            return PlainBlock(convs, channels, nn.BatchNorm3d, short)

        frames = 3 if split else stem_frames
        self.conv1 = conv(3, width, (frames, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(width)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages(depth, width, make)
        self.fc = nn.Linear(width * 8 * (4 if depth == 50 else 1), classes)
        self.split = split

    def forward(self, clip):
        x = torch.relu(self.bn1(self.conv1(clip)))
        pool = ((1, 3, 3), (1, 2, 2), (0, 1, 1)) if self.split else (3, 2, 1)
        x = functional.max_pool3d(x, *pool)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(x.mean((2, 3, 4)))


class VMZBlock(nn.Module):
    """torchvision's basic block of R(2+1)D, each convolution with its own middle, as ig65m-pytorch amends it."""

    def __init__(self, inputs, planes, stride):
        super().__init__()
        # the amendment is of the second convolution where a stage begins; elsewhere both counts are the same
        self.conv1, self.conv2 = self.unit(inputs, planes, stride), self.unit(planes, planes, 1)
        self.downsample = None
        if stride != 1 or inputs != planes:
            self.downsample = nn.Sequential(conv3d(inputs, planes, 1, stride), nn.BatchNorm3d(planes))

    def unit(self, inputs, planes, stride):
        between = middle(inputs, planes, 3, 3)
        split = nn.Sequential(
            conv3d(inputs, between, (1, 3, 3), (1, stride, stride)),
            nn.BatchNorm3d(between),
            nn.ReLU(),
            conv3d(between, planes, (3, 1, 1), (stride, 1, 1)),
        )
        return nn.Sequential(split, nn.BatchNorm3d(planes))

    def forward(self, x):
        out = self.conv2(torch.relu(self.conv1(x)))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class VMZ(nn.Module):
    """ig65m-pytorch's R(2+1)D-34: a stem of 45 middle channels at width 64, epsilon 1e-3 in every norm."""

    def __init__(self, width, *, classes=5):
        super().__init__()
        between = round(45 * width / 64)
        self.stem = nn.Sequential(
            conv3d(3, between, (1, 7, 7), (1, 2, 2)),
            nn.BatchNorm3d(between),
            nn.ReLU(),
            conv3d(between, width, (3, 1, 1), 1),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        )
        made = stages(34, width, lambda inputs, _planes, outputs, stride: VMZBlock(inputs, outputs, stride))
        self.layer1, self.layer2, self.layer3, self.layer4 = made
        self.fc = nn.Linear(width * 8, classes)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eps = 1e-3

    def forward(self, clip):
        x = self.stem(clip)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(x.mean((2, 3, 4)))


class HaraSplitBlock(nn.Module):
    """`resnet2p1d.py`: every factorised convolution as conv_s, bn_s, conv_t, bn_t."""

    def __init__(self, depth, inputs, planes, outputs, stride):
        super().__init__()
        self.deep = depth == 50
        if self.deep:
            self.conv1, self.bn1 = conv3d(inputs, planes, 1, 1), nn.BatchNorm3d(planes)
            self.conv3, self.bn3 = conv3d(planes, outputs, 1, 1), nn.BatchNorm3d(outputs)
            self.split(2, planes, planes, stride)
        else:
            self.split(1, inputs, planes, stride)
            self.split(2, planes, planes, 1)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv3d(inputs, outputs, 1, stride), nn.BatchNorm3d(outputs))

    def split(self, place, inputs, planes, stride):
        between = middle(inputs, planes, 3, 3)
        setattr(self, f"conv{place}_s", conv3d(inputs, between, (1, 3, 3), (1, stride, stride)))
        setattr(self, f"bn{place}_s", nn.BatchNorm3d(between))
        setattr(self, f"conv{place}_t", conv3d(between, planes, (3, 1, 1), (stride, 1, 1)))
        setattr(self, f"bn{place}_t", nn.BatchNorm3d(planes))

    def apart(self, place, x):
        x = torch.relu(getattr(self, f"bn{place}_s")(getattr(self, f"conv{place}_s")(x)))
        return getattr(self, f"bn{place}_t")(getattr(self, f"conv{place}_t")(x))

    def forward(self, x):
        first = self.bn1(self.conv1(x)) if self.deep else self.apart(1, x)
        out = self.apart(2, torch.relu(first))
        out = self.bn3(self.conv3(torch.relu(out))) if self.deep else out
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class HaraSplit(nn.Module):
    def __init__(self, depth, width, *, classes=5):
        super().__init__()
        between = middle(3, width, 7, 7)
        self.conv1_s, self.bn1_s = conv3d(3, between, (1, 7, 7), (1, 2, 2)), nn.BatchNorm3d(between)
        self.conv1_t, self.bn1_t = conv3d(between, width, (7, 1, 1), 1), nn.BatchNorm3d(width)
        made = stages(depth, width, lambda *sizes: HaraSplitBlock(depth, *sizes))
        self.layer1, self.layer2, self.layer3, self.layer4 = made
        self.fc = nn.Linear(width * 8 * (4 if depth == 50 else 1), classes)

    def forward(self, clip):
        x = torch.relu(self.bn1_s(self.conv1_s(clip)))
        x = functional.max_pool3d(torch.relu(self.bn1_t(self.conv1_t(x))), 3, 2, 1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.fc(x.mean((2, 3, 4)))
