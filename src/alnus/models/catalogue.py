"""What `alnus models` prints: each network at its published size, its cost, and the weights that it takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from alnus.models.architectures import build
from alnus.models.registry import NAMES, facts


@dataclass(frozen=True)
class Description:
    """One network at one depth. gflops: of one clip, a multiplication and an addition counted as two."""

    name: str
    title: str
    depth: int
    input_shape: tuple[int, int, int, int]
    parameters: int
    gflops: float
    accepts: tuple[str, ...]


def describe(*, in_channels: int = 3, num_classes: int = 2) -> list[Description]:
    """Return every network at every depth, without computing or holding a weight."""
    pairs = [(name, depth) for name in NAMES for depth in sorted(facts(name).depths)]
    return [_described(name, depth, in_channels, num_classes) for name, depth in pairs]


def _described(name: str, depth: int, in_channels: int, num_classes: int) -> Description:
    known = facts(name)
    shape = (in_channels, known.frames, known.side_px, known.side_px)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build(name, depth=depth, in_channels=in_channels, num_classes=num_classes).eval()
        network(torch.empty(1, *shape))
    return Description(
        name=name,
        title=f"{known.title}-{depth}",
        depth=depth,
        input_shape=shape,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        gflops=counter.get_total_flops() / 1e9,
        accepts=known.accepts,
    )
