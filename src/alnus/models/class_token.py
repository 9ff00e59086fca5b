"""A transformer's class token and its grid of tokens as one map, so that Grad-CAM finds the grid and only the grid.

Grad-CAM weighs each channel by the mean of its gradient over the grid. The class token stands in channels of its own,
as the height of a wave whose mean over the grid is zero: the gradient that reaches them has mean zero too, and they
have no weight. The two halves come apart again without loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

from alnus.models.relative_positions import Grid


def joined(tokens: Tensor, grid: Grid) -> Tensor:
    """(batch, 1 + frames * rows * columns, features) -> (batch, 2 * features, frames, rows, columns)."""
    token, patches = tokens[:, 0], tokens[:, 1:]
    placed = patches.transpose(1, 2).reshape(patches.shape[0], -1, *grid)
    return torch.cat([placed, token[:, :, None, None, None] * _wave(grid, tokens)], 1)


def parted(features: Tensor) -> tuple[Tensor, Grid]:
    """Return the tokens that `joined` was given, class token first, and their grid."""
    frames, rows, columns = features.shape[2:]
    grid = (frames, rows, columns)
    placed, carried = features.chunk(2, 1)
    wave = _wave(grid, features)
    token = (carried * wave).sum((2, 3, 4)) / wave.square().sum()
    return torch.cat([token[:, None], placed.flatten(2).transpose(1, 2)], 1), grid


def _wave(grid: Grid, like: Tensor) -> Tensor:
    """Return 1, -1, 1, -1, ... over the grid, and 0 last where their number is odd; a single token's is 1."""
    count = grid[0] * grid[1] * grid[2]
    wave = 1.0 - 2.0 * (torch.arange(count, device=like.device) % 2)
    if count % 2 and count > 1:
        wave = wave * (torch.arange(count, device=like.device) < count - 1)
    return wave.to(like.dtype).reshape(grid)
