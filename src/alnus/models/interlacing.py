"""Temporal interlacing: the first quarter of the channels moves in time, each group by its own fraction of a frame.

Source: Shao et al., "Temporal Interlacing Network", AAAI 2020, section 3; X-Temporal's public code for what the
paper leaves open (two offsets and their negatives, the initial values, zeros outside the clip).
Departures: no gather kernel. Shift, interpolation and the learned weights are one T x T matrix for each group, so one
batched matrix product does it all, on any device, in both directions and in an exported graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SHIFT_DIV = 4  # one quarter of the channels is shifted
GROUPS = 4  # offsets o1, o2, -o1, -o2
LARGEST_OFFSET = 2.0  # frames: 4 * (sigmoid - 0.5)
INITIAL_OFFSET_LOGIT = 0.5108  # sigmoid 0.625: the offsets start near 0.5 frames


def shift_matrix(offsets: Tensor, lag: Tensor) -> Tensor:
    """Return the matrices that move content from frame s to s + offset, linearly interpolated.

    offsets: (batch, groups), frames. lag: (T, T), entry [t, s] = t - s. Returns (batch, groups, T, T), entries
    max(0, 1 - |t - s - offset|): what leaves the clip is lost, what enters is zero. At a whole offset the slope is that
    of the longer shift, as in X-Temporal's floor and floor + 1: an offset of zero can still learn.
    """
    below = offsets.floor()
    share = (offsets - below)[:, :, None, None]
    steps = lag - below[:, :, None, None]  # 0 where the floor's shift goes, 1 where the next one does
    return (steps == 0) * (1.0 - share) + (steps == 1) * share


def frame_lag(frames: int) -> Tensor:
    """Return the (frames, frames) matrix of t - s."""
    time = torch.arange(frames, dtype=torch.get_default_dtype())
    return time[:, None] - time[None, :]


class OffsetNet(nn.Module):
    """Two offsets for a clip, in frames, within ±2.

    Shape: (batch, channels, frames) -> (batch, 2).
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, 1, 3, padding=1)
        self.fc1 = nn.Linear(frames, frames)
        self.fc2 = nn.Linear(frames, GROUPS // 2)
        nn.init.constant_(self.fc2.bias, INITIAL_OFFSET_LOGIT)

    def forward(self, pooled: Tensor) -> Tensor:
        """Read the pooled channels over time."""
        hidden = functional.relu(self.fc1(self.conv(pooled).flatten(1)))
        offsets: Tensor = 2 * LARGEST_OFFSET * (torch.sigmoid(self.fc2(hidden)) - 0.5)
        return offsets


class WeightNet(nn.Module):
    """Two weights for each frame, within (0, 2), near 1 at first.

    Shape: (batch, channels, frames) -> (batch, 2, frames).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, GROUPS // 2, 3, padding=1)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type] # a convolution with a bias

    def forward(self, pooled: Tensor) -> Tensor:
        """Read the pooled channels over time."""
        weights: Tensor = 2 * torch.sigmoid(self.conv(pooled))
        return weights


class TemporalInterlace(nn.Module):
    """Move the first quarter of the channels in time, as the clip itself asks.

    Shape: (batch * frames, channels, height, width) -> the same. The frames of a clip are neighbours.
    """

    lag: Tensor

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.shifted = channels // SHIFT_DIV
        self.offset_net = OffsetNet(self.shifted, frames)
        self.weight_net = WeightNet(self.shifted)
        self.register_buffer("lag", frame_lag(frames), persistent=False)

    @torch.no_grad()
    def stand_still(self) -> None:
        """Let no offset shift and no weight scale, whatever the clip: the start from weights that know no time."""
        for parameter in (*self.offset_net.fc2.parameters(), *self.weight_net.parameters()):
            parameter.zero_()

    def matrices(self, moving: Tensor) -> Tensor:
        """Return each group's matrix, with its weights over the output's time.

        moving: (batch, frames, shifted channels, height, width) -> (batch, 4, frames, frames).
        """
        pooled = moving.mean((3, 4)).transpose(1, 2)  # (batch, shifted, frames)
        offsets = self.offset_net(pooled)  # (batch, 2): o1, o2
        weights = self.weight_net(pooled)  # (batch, 2, frames): w1, w2
        shift = shift_matrix(torch.cat([offsets, -offsets], 1), self.lag)
        return shift * torch.cat([weights, weights], 1)[..., None]  # groups take w1, w2, w1, w2

    def forward(self, x: Tensor) -> Tensor:
        """Interlace the frames of every clip of the batch; the memory format of x stays."""
        # a split, not two slices: the gradient is joined once, where each slice's would be padded with zeros and added
        moving, staying = torch.split(x, [self.shifted, x.shape[1] - self.shifted], 1)
        matrices = self.matrices(moving.reshape(-1, self.frames, *moving.shape[1:]))
        if x.is_contiguous() or not x.is_contiguous(memory_format=torch.channels_last):
            grouped = moving.reshape(-1, self.frames, GROUPS, moving[0].numel() // GROUPS).transpose(1, 2)
            moved = torch.matmul(matrices, grouped)  # (batch, 4, frames, features)
            return torch.cat([moved.transpose(1, 2).reshape(moving.shape), staying], 1)
        last = self._channels_last(matrices, moving.permute(0, 2, 3, 1))
        return torch.cat([last, staying.permute(0, 2, 3, 1)], 3).permute(0, 3, 1, 2)

    def _channels_last(self, matrices: Tensor, moving: Tensor) -> Tensor:
        """Move (batch * frames, height, width, shifted) -> the same: a group's channels are copied in whole runs."""
        run = self.shifted // GROUPS
        pixels = moving.reshape(-1, self.frames, moving.shape[1] * moving.shape[2], GROUPS, run)
        grouped = pixels.permute(0, 3, 1, 2, 4).flatten(3)  # (batch, 4, frames, pixels * run)
        moved = torch.matmul(matrices, grouped).reshape(*grouped.shape[:3], -1, run)
        return moved.permute(0, 2, 3, 1, 4).reshape(moving.shape)
