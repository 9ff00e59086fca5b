"""What `alnus models` prints: each network at its published size, its cost, and the weights that it takes.

Parameters and operations are counted on the network itself, not typed in: torch's counter of floating-point operations
watches one clip pass, without computing it. It counts convolutions, dense layers and attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from alnus.models.architectures import build
from alnus.models.registry import NAMES, facts


@dataclass(frozen=True)
class Description:
    """One network at one depth, for `num_classes` classes.

    input_shape: of one clip, (channels, frames, height, width). gflops: of one clip, a multiplication and an addition
    counted as two; papers that count the pair as one print half. default: the depth that `build` takes.
    """

    name: str
    title: str
    depth: int
    default: bool
    width: int
    input_shape: tuple[int, int, int, int]
    parameters: int
    gflops: float
    accepts: tuple[str, ...]


def describe(*, in_channels: int = 3, num_classes: int = 2) -> list[Description]:
    """Return every network at every depth, without computing or holding a weight."""
    pairs = [(name, depth) for name in NAMES for depth in sorted(facts(name).depths)]
    return [_described(name, depth, in_channels, num_classes) for name, depth in pairs]


@cache
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
        default=depth == known.depths[0],
        width=known.width,
        input_shape=shape,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        gflops=counter.get_total_flops() / 1e9,
        accepts=known.accepts,
    )


def table(networks: Sequence[Description]) -> str:
    """Return the networks as text: a line each, then the weights that each starts from."""
    header = f"{'network':10}{'':32}{'depth':>6}  {'clip':16}{'parameters':>12}{'GFLOP a clip':>14}"
    lines = [header, *map(_line, networks)]
    notes = [
        "* the default depth (X3D, MViTv2: blocks). Parameters for two classes. A multiplication and an addition are",
        "two operations; papers that count the pair as one print half.",
        "",
        "Starts from (networks.<name>.weights; docs/how-to/pretrained-weights.md):",
        *(f"{name:10}{'; '.join(accepts)}" for name, accepts in {net.name: net.accepts for net in networks}.items()),
    ]
    return "\n".join([*lines, *notes])


def _line(network: Description) -> str:
    title = network.title.removesuffix(f"-{network.depth}")
    clip = "\u00d7".join(map(str, network.input_shape))
    depth = f"{network.depth}{'*' if network.default else ' '}"
    return (
        f"{network.name:10}{title:32}{depth:>6}  {clip:16}{network.parameters / 1e6:10.1f} M{network.gflops:14.1f}"
    ).rstrip()
