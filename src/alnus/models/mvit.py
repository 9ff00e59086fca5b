"""MViTv2: a video transformer whose tokens grow coarser and wider from stage to stage.

Source: Fan et al., "Multiscale Vision Transformers", ICCV 2021; Li et al., "MViTv2", CVPR 2022, sections 3.1 and 4.1
and table 1: depth 16 at width 96 is its MViTv2-S, 10 MViTv2-T, 24 MViTv2-B. Arithmetic and initial values are those of
torchvision's `mvit_v2_s`.
Departures: `width` scales every stage, at one, two, four and eight heads. Clips of any size: the tables of relative
positions are interpolated where the tokens are not those of `Layout.grid`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from alnus.models.class_token import joined, parted
from alnus.models.layout import Layout
from alnus.models.relative_positions import Grid, RelativePositions, places

BLOCKS = {10: (1, 2, 5, 2), 16: (1, 2, 11, 2), 24: (2, 3, 16, 3)}
EPSILON = 1e-6
KEY_STRIDE = 8  # over rows and columns in the first stage, halved with each stage
SPREAD = 0.02  # of the initial weights


class Pooling(nn.Module):
    """A depthwise 3 x 3 x 3 convolution over the tokens of each head, normalised; the class token is not convolved."""

    def __init__(self, features: int, stride: int) -> None:
        super().__init__()
        strides = (1, stride, stride)
        self.conv = nn.Conv3d(features, features, 3, strides, padding=1, groups=features, bias=False)
        self.norm = nn.LayerNorm(features, eps=EPSILON)

    def forward(self, tokens: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """(batch, heads, 1 + tokens, features) -> the same, fewer tokens, and their grid."""
        batch = tokens.shape[0]
        patches = tokens[:, :, 1:].reshape(-1, *grid, tokens.shape[3]).permute(0, 4, 1, 2, 3)  # channels innermost
        pooled = self.conv(patches)
        coarse = (pooled.shape[2], pooled.shape[3], pooled.shape[4])
        pooled = pooled.flatten(2).transpose(1, 2).unflatten(0, (batch, -1))
        return self.norm(torch.cat([tokens[:, :, :1], pooled], 2)), coarse


class Attention(nn.Module):
    """Attention of pooled queries over pooled keys and values, to which the queries themselves are added."""

    def __init__(self, inputs: int, outputs: int, *, heads: int, stride_q: int, stride_kv: int, grid: Grid) -> None:
        super().__init__()
        self.heads = heads
        features = outputs // heads
        self.qkv = nn.Linear(inputs, 3 * outputs)
        self.pool_q = Pooling(features, stride_q)
        self.pool_k = Pooling(features, stride_kv)
        self.pool_v = Pooling(features, stride_kv)
        self.positions = RelativePositions(features, grid, stride_q, stride_kv)
        self.proj = nn.Linear(outputs, outputs)

    def forward(self, tokens: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """(batch, 1 + tokens, inputs) -> (batch, 1 + coarser tokens, outputs) and their grid."""
        split = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, q_grid = self.pool_q(split[0], grid)
        key, k_grid = self.pool_k(split[1], grid)
        value, _ = self.pool_v(split[2], grid)
        # what depends on places is a product too: so many features more, and none for the class token
        said = functional.pad(self.positions(query[:, :, 1:], q_grid, k_grid), (0, 0, 1, 0))
        own = functional.pad(places(k_grid, key), (0, 0, 1, 0)).expand(*key.shape[:2], -1, -1)
        scale = query.shape[-1] ** -0.5
        answer = functional.scaled_dot_product_attention(
            torch.cat([query * scale, said], -1), torch.cat([key, own], -1), value, scale=1.0
        )
        answer = torch.cat([answer[:, :, :1], answer[:, :, 1:] + query[:, :, 1:]], 2)
        return self.proj(answer.transpose(1, 2).flatten(2)), q_grid


class Block(nn.Module):
    """Attention and two dense layers, each beside a shortcut; the first of a stage widens and pools."""

    def __init__(
        self, inputs: int, outputs: int, *, heads: int, stride_q: int, stride_kv: int, grid: Grid, skipped: float
    ) -> None:
        super().__init__()
        self.stride = stride_q
        self.skipped = skipped
        self.norm1 = nn.LayerNorm(inputs, eps=EPSILON)
        self.attn = Attention(inputs, outputs, heads=heads, stride_q=stride_q, stride_kv=stride_kv, grid=grid)
        self.norm2 = nn.LayerNorm(outputs, eps=EPSILON)
        self.mlp = nn.Sequential(nn.Linear(outputs, 4 * outputs), nn.GELU(), nn.Linear(4 * outputs, outputs))
        self.widen = None if inputs == outputs else nn.Linear(inputs, outputs)

    def forward(self, tokens: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """(batch, 1 + tokens, inputs) -> (batch, 1 + coarser tokens, outputs) and their grid."""
        normed = self.norm1(tokens)
        answer, coarse = self.attn(normed, grid)
        residual = tokens if self.widen is None else self.widen(normed)
        if self.stride > 1:
            residual = _highest(residual, grid, self.stride)
        tokens = residual + self._kept(answer)
        return tokens + self._kept(self.mlp(self.norm2(tokens))), coarse

    def _kept(self, branch: Tensor) -> Tensor:
        """Leave a branch out for a random share of the clips in training, and raise it for the others."""
        if not self.training or self.skipped == 0:
            return branch
        kept = branch.new_empty(len(branch), 1, 1).bernoulli_(1 - self.skipped)
        return branch * kept / (1 - self.skipped)


def _highest(tokens: Tensor, grid: Grid, stride: int) -> Tensor:
    """Return each feature's maximum over neighbouring rows and columns; the class token stays."""
    placed = tokens[:, 1:].transpose(1, 2).reshape(tokens.shape[0], -1, *grid)
    kernel, padding = (1, stride + 1, stride + 1), (0, (stride + 1) // 2, (stride + 1) // 2)
    pooled = functional.max_pool3d(placed, kernel, (1, stride, stride), padding)
    return torch.cat([tokens[:, :1], pooled.flatten(2).transpose(1, 2)], 1)


class MultiscaleTransformer(nn.Module):
    """MViTv2 over a whole clip, its answer read from the class token.

    Shape: (batch, channels, frames, height, width) -> (batch, num_classes). Any number of frames, of which the last
    stage has a half, and any height and width, of which it has a thirty-second, rounded up.
    stochastic_depth: share of the last block's branches left out in training; in the blocks before it less, in the
    first none. layout None: tables of relative positions for 16 x 224 x 224, until weights with others are loaded.
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
        stochastic_depth: float = 0.0,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        self.depth = depth
        self.layout_is_given = layout is not None
        self.layout = layout = Layout() if layout is None else layout
        self.sizes = {"num_classes": num_classes, "in_channels": in_channels, "width": width}
        self.stochastic_depth = stochastic_depth
        self.patches = nn.Conv3d(in_channels, width, (3, 7, 7), (2, 4, 4), padding=(1, 3, 3))
        self.class_token = nn.Parameter(torch.empty(width))
        self.blocks = nn.ModuleList(_blocks(depth, width, layout.grid, stochastic_depth))
        self.norm = nn.LayerNorm(8 * width, eps=EPSILON)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width, num_classes)
        _initialise(self)

    @property
    def title(self) -> str:
        """What this is, with its depth."""
        return f"MViTv2-{self.depth}"

    def in_layout(self, layout: Layout) -> MultiscaleTransformer:
        """Return a network of the same sizes in another layout, with random weights."""
        return MultiscaleTransformer(
            self.depth, **self.sizes, dropout=self.dropout.p, stochastic_depth=self.stochastic_depth, layout=layout
        )

    def features(self, clip: Tensor) -> Tensor:
        """Return what enters the last block: (batch, 2 * channels, frames / 2, height / 32, width / 32).

        The first half of the channels are the tokens of the clip's places, the second the class token's
        (`class_token.py`). After the last block the places say nothing more: the answer is the class token's alone.
        """
        return joined(*self._before_last(clip))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits: the last block, and the class token's dense layer."""
        return self._answer(*parted(features))

    def forward(self, clip: Tensor) -> Tensor:
        """Return the logits of each clip."""
        return self._answer(*self._before_last(clip))

    def _before_last(self, clip: Tensor) -> tuple[Tensor, Grid]:
        patches = self.patches(clip)
        grid = (patches.shape[2], patches.shape[3], patches.shape[4])
        token = self.class_token.expand(clip.shape[0], 1, -1)
        tokens = torch.cat([token, patches.flatten(2).transpose(1, 2)], 1)  # (batch, 1 + tokens, width)
        for block in list(self.blocks)[:-1]:
            tokens, grid = block(tokens, grid)
        return tokens, grid

    def _answer(self, tokens: Tensor, grid: Grid) -> Tensor:
        tokens, _ = self.blocks[-1](tokens, grid)
        logits: Tensor = self.fc(self.dropout(self.norm(tokens[:, 0])))
        return logits


def _blocks(depth: int, width: int, grid: Grid, stochastic_depth: float) -> list[Block]:
    """Return the blocks of the four stages; the first of each later stage doubles the width and halves the grid."""
    made: list[Block] = []
    inputs = width
    for stage, count in enumerate(BLOCKS[depth]):
        for index in range(count):
            stride_q = 2 if stage and index == 0 else 1
            made.append(
                Block(
                    inputs,
                    2**stage * width,
                    heads=2**stage,
                    stride_q=stride_q,
                    stride_kv=KEY_STRIDE // 2**stage,
                    grid=grid,
                    skipped=stochastic_depth * len(made) / (depth - 1),
                )
            )
            inputs = 2**stage * width
            grid = (grid[0], grid[1] // stride_q, grid[2] // stride_q)
    return made


def _initialise(network: MultiscaleTransformer) -> None:
    nn.init.trunc_normal_(network.class_token, std=SPREAD)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=SPREAD)
            nn.init.zeros_(module.bias)
        elif isinstance(module, RelativePositions):
            for table in module.parameters():
                nn.init.trunc_normal_(table, std=SPREAD)
