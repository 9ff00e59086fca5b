"""TIN laid out for inference: what moves in time and what stays are two tensors from the first block to the last.

The same numbers as `FrameResNet` from the same weights. Cutting a quarter of the channels off every block's input and
joining it again copies the whole of it twice a block, which costs more than the interlacing itself; here each
convolution that feeds a block writes the two parts apart, and the first convolution of the block adds up what it makes
of each. Shift, interpolation and weights of all four groups are one (4 T x 4 T) matrix over (frame, group), the order
in which they lie in memory, so that one matrix product needs no transposition. Where the channels come last, runs of
them are picked and weighed instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from alnus.models import FrameResNet
from alnus.models.frame_resnet import BasicBlock, Bottleneck
from alnus.models.interlacing import GROUPS, LARGEST_OFFSET, TemporalInterlace

APART = 1e4  # frames: no hat function reaches from one group to another
Parts = tuple[Tensor, ...]  # (frames, channels, height, width) each: what moves, and what stays


class PartedConvolution(nn.Module):
    """A convolution whose input channels, output channels or both come in parts.

    inputs, outputs: channels of each part, in the order of the whole.
    """

    def __init__(self, whole: nn.Conv2d, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        rows = torch.split(whole.weight.detach(), list(outputs), 0)
        weights = [torch.split(row, list(inputs), 1) for row in rows]
        bias = None if whole.bias is None else torch.split(whole.bias.detach(), list(outputs), 0)
        for number, row in enumerate(weights):
            made = nn.ModuleList(_like(whole, weight) for weight in row)
            if bias is not None:
                made[-1].bias = nn.Parameter(bias[number].clone())
            self.convolutions.append(made)

    def forward(self, *parts: Tensor) -> Parts:
        """Return each part of the output."""
        return tuple(_summed(list(row.children()), parts) for row in self.convolutions)


def _like(whole: nn.Conv2d, weight: Tensor) -> nn.Conv2d:
    size, stride, padding = whole.kernel_size[0], whole.stride[0], int(whole.padding[0])
    made = nn.Conv2d(weight.shape[1], weight.shape[0], size, stride, padding, bias=False)
    made.weight = nn.Parameter(weight.clone(memory_format=torch.contiguous_format))
    return made


def _summed(convolutions: list[nn.Module], parts: Parts) -> Tensor:
    made = [convolution(part) for convolution, part in zip(convolutions, parts, strict=True)]
    total: Tensor = made[0]
    for further in made[1:]:
        total = total.add_(further)
    return total


class PlannedInterlace(nn.Module):
    """`TemporalInterlace` of the moving channels alone, without a gather, a transposition of pixels or a linear layer.

    Shape: (batch * frames, channels that move, height, width) -> the same.
    """

    lag: Tensor

    def __init__(self, interlace: TemporalInterlace) -> None:
        super().__init__()
        self.frames = frames = interlace.frames
        offset, weight = interlace.offset_net, interlace.weight_net
        # one convolution over time for both nets: the offsets' channel, then a weight for each group (w1, w2, w1, w2)
        self.conv = nn.Conv1d(interlace.shifted, 1 + GROUPS, 3, padding=1)
        rows = [offset.conv.weight, weight.conv.weight, weight.conv.weight]
        self.conv.weight = nn.Parameter(torch.cat([row.detach() for row in rows]))
        self.conv.bias = nn.Parameter(torch.cat([_bias(offset.conv), _bias(weight.conv), _bias(weight.conv)]))
        self.hidden, self.hidden_bias = _frozen(offset.fc1.weight), _frozen(offset.fc1.bias[:, None] / frames)
        # the group of each row (frame, group); their offsets are o1, o2, -o1, -o2
        groups = torch.arange(GROUPS, device=interlace.lag.device).repeat(frames)
        sign = torch.where(groups < GROUPS // 2, 1.0, -1.0)[:, None].to(offset.fc2.weight)
        self.out = _frozen(offset.fc2.weight[groups % 2] * sign)  # (4 T, T); 2 sigmoid - 1 is odd
        self.out_bias = _frozen(offset.fc2.bias[groups % 2, None] * sign / frames)
        self.rows = GROUPS * frames
        lag = interlace.lag.repeat_interleave(GROUPS, 0).repeat_interleave(GROUPS, 1)
        self.register_buffer("lag", lag.masked_fill(groups[:, None] != groups[None, :], APART))

    def matrix(self, pooled: Tensor) -> Tensor:
        """Return the (batch, 4 T, 4 T) matrices over (frame, group) from each channel's means (batch, channels, T)."""
        read = self.conv(pooled)  # (batch, 5, T)
        # Each bias stands within its sum, a T-th in each term: OpenVINO 2026.4 joins what follows a sum to it, and from
        # two clips on takes the wrong element of what differs from row to row.
        hidden = functional.relu((read[:, :1] * self.hidden + self.hidden_bias).sum(2, keepdim=True))  # (batch, T, 1)
        logit = (hidden.transpose(1, 2) * self.out + self.out_bias).sum(2, keepdim=True)  # (batch, 4 T, 1)
        offset = LARGEST_OFFSET * (2 * torch.sigmoid(logit) - 1)
        weight = 2 * torch.sigmoid(read[:, 1:]).transpose(1, 2).reshape(-1, self.rows, 1)
        return functional.relu(1 - (self.lag - offset).abs()) * weight

    def forward(self, moving: Tensor) -> Tensor:
        """Interlace the frames of every clip of the batch."""
        means = moving.mean((2, 3)).reshape(-1, self.frames, moving.shape[1])
        matrix = self.matrix(means.transpose(1, 2))
        if moving.stride(1) == 1 and moving.stride(3) != 1:
            return self._channels_last(matrix, moving)
        rows = moving.reshape(-1, self.rows, moving[0].numel() // GROUPS)
        return torch.matmul(matrix, rows).reshape(moving.shape)

    def _channels_last(self, matrix: Tensor, moving: Tensor) -> Tensor:
        """Interlace where the channels of a pixel are neighbours.

        A group's channels of one pixel are a run of memory. Each becomes the weighted sum of two others, from the two
        frames that its offset lies between: a bag of two embeddings, so that nothing is transposed.
        """
        frames, (channels, height, width) = self.frames, moving.shape[1:]
        pixels, device = height * width, moving.device
        each = matrix.reshape(-1, frames, GROUPS, frames, GROUPS).diagonal(dim1=2, dim2=4).transpose(2, 3)
        weight, source = each.topk(min(2, frames), 3)  # (batch, T, groups, 2): no more than two of a row are not zero
        clip = torch.arange(len(each), device=device)[:, None, None, None]
        group = torch.arange(GROUPS, device=device)[:, None]
        first = (clip * frames + source) * pixels * GROUPS + group  # the run of the source's first pixel
        pixel = torch.arange(pixels, device=device)[:, None, None] * GROUPS
        runs = (first[:, :, None] + pixel).flatten(0, 3)
        weights = weight[:, :, None].expand(-1, -1, pixels, -1, -1).reshape(runs.shape).to(moving.dtype)
        table = moving.permute(0, 2, 3, 1).reshape(-1, channels // GROUPS)
        moved = functional.embedding_bag(runs, table, mode="sum", per_sample_weights=weights)
        return moved.reshape(-1, height, width, channels).permute(0, 3, 1, 2)


def _bias(conv: nn.Conv1d) -> Tensor:
    assert conv.bias is not None  # both nets' convolutions have one
    return conv.bias.detach()


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone())


class PartedBlock(nn.Module):
    """A residual block between parted tensors.

    whole: the input comes in one part, as the stem leaves it. The first convolution then reads all of it, without a
    weight for what moves, and that apart, moved.
    """

    def __init__(self, block: BasicBlock | Bottleneck, outputs: tuple[int, ...], *, whole: bool = False) -> None:
        super().__init__()
        channels, self.moving = block.conv1.in_channels, _interlace(block).shifted
        inputs = (self.moving, channels - self.moving)
        self.interlace = PlannedInterlace(_interlace(block))
        first = _twice(block.conv1, self.moving) if whole else block.conv1
        self.first = PartedConvolution(first, (self.moving, channels) if whole else inputs, (first.out_channels,))
        self.middle = block.conv2 if isinstance(block, Bottleneck) else nn.Identity()
        last = block.conv3 if isinstance(block, Bottleneck) else block.conv2
        self.last = PartedConvolution(last, (last.in_channels,), outputs)
        self.shortcut: nn.Module | None = None
        self.stride = 1
        if block.downsample is not None:
            conv = block.downsample[0]
            assert isinstance(conv, nn.Conv2d)  # before its normalisation
            self.stride = conv.stride[0]
            self.shortcut = PartedConvolution(_unstrided(conv), (channels,), outputs)
        self.outputs = list(outputs)

    def forward(self, *parts: Tensor) -> Parts:
        """Return the parts of the block's output."""
        residual = self._residual(parts)
        moving, staying = parts if len(parts) > 1 else (parts[0][:, : self.moving], parts[0])
        (out,) = self.first(self.interlace(moving), staying)
        out = functional.relu(out, inplace=True)
        if not isinstance(self.middle, nn.Identity):
            out = functional.relu(self.middle(out), inplace=True)
        made = zip(self.last(out), residual, strict=True)
        return tuple(functional.relu(part.add_(kept), inplace=True) for part, kept in made)

    def _residual(self, parts: Parts) -> Parts:
        if self.shortcut is not None:
            kept = [self._picked(part) if self.stride > 1 else part for part in parts]
            made: Parts = self.shortcut(torch.cat(kept, 1) if len(kept) > 1 else kept[0])
            return made
        return parts if len(parts) > 1 else torch.split(parts[0], self.outputs, 1)

    def _picked(self, part: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            # Each maximum is of one pixel: OpenVINO's quantiser lets 8 bits pass through it, and not through a slice.
            return functional.max_pool2d(part, 1, self.stride)
        return part[:, :, :: self.stride, :: self.stride]


def _unstrided(conv: nn.Conv2d) -> nn.Conv2d:
    """Return a 1 x 1 convolution for pixels that were picked before: every one that it gets."""
    made = _like(conv, conv.weight.detach())
    made.stride, made.bias = (1, 1), conv.bias
    return made


def _twice(conv: nn.Conv2d, moving: int) -> nn.Conv2d:
    """Return a convolution that reads the first channels apart, and all of them again with no weight for the first."""
    weight = conv.weight.detach()
    first, rest = weight[:, :moving], weight[:, moving:]
    made = _like(conv, torch.cat([first, torch.zeros_like(first), rest], 1))
    made.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())
    return made


class InterlacedResNet(nn.Module):
    """A TIN of which the convolutions are folded, laid out in parts.

    Shape: (batch, channels, frames, height, width) -> (batch, num_classes).
    """

    def __init__(self, network: FrameResNet) -> None:
        super().__init__()
        assert network.frames is not None  # a TIN
        self.frames = network.frames
        blocks = _blocks(network)
        moving = [_interlace(block).shifted for block in blocks]
        channels = [block.conv1.in_channels for block in blocks]
        self.stem = network.conv1
        following = [(part, whole - part) for part, whole in zip(moving[1:], channels[1:], strict=True)]
        last = network.fc.in_features
        outputs = [*following, (moving[-1], last - moving[-1])]
        self.blocks = nn.ModuleList(
            PartedBlock(block, parts, whole=block is blocks[0]) for block, parts in zip(blocks, outputs, strict=True)
        )
        self.fc = network.fc

    def _last_stage(self, clip: Tensor) -> Parts:
        x = clip.transpose(1, 2).flatten(0, 1)  # (batch * frames, channels, height, width)
        parts: Parts = (functional.max_pool2d(functional.relu(self.stem(x), inplace=True), 3, 2, 1),)
        for block in self.blocks:
            parts = block(*parts)
        return parts  # (batch * frames, channels, height / 32, width / 32) each

    def features(self, clip: Tensor) -> Tensor:
        """Return the last stage of each frame: (batch, channels, frames, height / 32, width / 32)."""
        last = torch.cat(self._last_stage(clip), 1)
        return last.reshape(-1, self.frames, *last.shape[1:]).transpose(1, 2)

    def head(self, features: Tensor) -> Tensor:
        """Return the logits: the mean over the frames of each frame's."""
        logits: Tensor = self.fc(features.mean((2, 3, 4)))
        return logits

    def forward(self, clip: Tensor) -> Tensor:
        """Return the logits of each clip."""
        pooled = torch.cat([part.mean((2, 3)) for part in self._last_stage(clip)], 1)  # no transposition of pixels
        logits: Tensor = self.fc(pooled.reshape(-1, self.frames, pooled.shape[1]).mean(1))
        return logits


def _blocks(network: FrameResNet) -> list[BasicBlock | Bottleneck]:
    stages = (network.layer1, network.layer2, network.layer3, network.layer4)
    return [block for stage in stages for block in stage if isinstance(block, BasicBlock | Bottleneck)]


def _interlace(block: BasicBlock | Bottleneck) -> TemporalInterlace:
    assert block.interlace is not None  # a TIN's block
    return block.interlace
