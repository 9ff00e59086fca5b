"""Where a token stands to another, as an addition to the attention between them.

Source: Li et al., "MViTv2: Improved Multiscale Vision Transformers for Classification and Detection", CVPR 2022,
section 4.1, equation 4: a table each for time, rows and columns, read at the distance between query and key.
Departures: the addition is a part of the product of query and key, which lets any kernel of attention compute it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

Grid = tuple[int, int, int]  # tokens over frames, rows, columns


class RelativePositions(nn.Module):
    """Tables of relative positions for one attention.

    grid: of the tokens before pooling; stride_q, stride_kv: of their pooling over rows and columns. Tokens of another
    grid read the tables interpolated.
    """

    def __init__(self, features: int, grid: Grid, stride_q: int, stride_kv: int) -> None:
        super().__init__()
        frames, side = grid[0], max(grid[1:])
        across = 2 * max(side // stride_q, side // stride_kv) - 1
        self.frames = nn.Parameter(torch.empty(2 * frames - 1, features))
        self.rows = nn.Parameter(torch.empty(across, features))
        self.columns = nn.Parameter(torch.empty(across, features))

    def forward(self, query: Tensor, q_grid: Grid, k_grid: Grid) -> Tensor:
        """Return what each query says of each frame, row and column of the keys.

        query: (batch, heads, tokens, features) -> (batch, heads, tokens, k_frames + k_rows + k_columns).
        """
        frames, rows, columns = (
            at_distances(table, q_size, k_size)
            for table, q_size, k_size in zip((self.frames, self.rows, self.columns), q_grid, k_grid, strict=True)
        )
        placed = query.reshape(*query.shape[:2], *q_grid, -1)  # (batch, heads, frames, rows, columns, features)
        said = (
            torch.einsum("bntrcf,tkf->bntrck", placed, frames),
            torch.einsum("bntrcf,rkf->bntrck", placed, rows),
            torch.einsum("bntrcf,ckf->bntrck", placed, columns),
        )
        return torch.cat(said, -1).flatten(2, 4)


def at_distances(table: Tensor, q_size: int, k_size: int) -> Tensor:
    """Return the table's entries at the distance of each query from each key: (q_size, k_size, features).

    Where one of the two is coarser, a step of it counts as several of the other. Entries are those of whole distances.
    """
    length = 2 * max(q_size, k_size) - 1
    if len(table) != length:
        table = functional.interpolate(table.T[None], size=length, mode="linear")[0].T
    q_step, k_step = max(k_size / q_size, 1.0), max(q_size / k_size, 1.0)
    queries = torch.arange(q_size, device=table.device)[:, None] * q_step
    keys = (torch.arange(k_size, device=table.device)[None] + (1.0 - k_size)) * k_step
    return table[(queries - keys).long()]


def places(grid: Grid, like: Tensor) -> Tensor:
    """Return for each token which frame, row and column is its own, as ones among zeros.

    (tokens, frames + rows + columns): the product of what `RelativePositions` returns with it is equation 4's sum.
    """
    ones = [torch.eye(size, dtype=like.dtype, device=like.device) for size in grid]
    frames, rows, columns = (
        own.reshape(*(size if axis == place else 1 for place, size in enumerate(grid)), grid[axis])
        for axis, own in enumerate(ones)
    )
    parts = (frames.expand(*grid, -1), rows.expand(*grid, -1), columns.expand(*grid, -1))
    return torch.cat(parts, -1).flatten(0, 2)
