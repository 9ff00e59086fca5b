"""A network from its name and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alnus.errors import ConfigError
from alnus.models.frame_resnet import FrameResNet
from alnus.models.interlacing import GROUPS, SHIFT_DIV
from alnus.models.mvit import MultiscaleTransformer
from alnus.models.registry import NetworkFacts, facts
from alnus.models.video_resnet import VideoResNet
from alnus.models.x3d import X3D

if TYPE_CHECKING:
    from alnus.config import NetworkConfig
    from alnus.models.layout import Layout

Network = FrameResNet | VideoResNet | X3D | MultiscaleTransformer


def build(
    name: str,
    *,
    num_classes: int = 2,
    in_channels: int = 3,
    depth: int | None = None,
    num_segments: int = 8,
    width: int | None = None,
    dropout: float = 0.0,
    stochastic_depth: float = 0.0,
    layout: Layout | None = None,
) -> Network:
    """Return a network with random weights: (batch, in_channels, frames, height, width) -> (batch, num_classes) logits.

    depth: None takes the network's default. num_segments: TIN's frames; the others take any number, image 1.
    width: channels of the first stage; None is the published size. dropout: before the last layer.
    stochastic_depth: of mvit, the share of the last block's branches that training leaves out.
    layout: of the networks that see space and time together; None is the default, until `load_weights` meets another.
    A given one stays.
    Raises ConfigError for a name, depth or width that cannot be built.
    """
    known = facts(name)
    depth = known.depths[0] if depth is None else depth
    width = known.width if width is None else width
    sizes = {"num_classes": num_classes, "in_channels": in_channels, "width": width}
    _check(known, depth, sizes | {"num_segments": num_segments})
    _check_options(name, width, stochastic_depth, layout)
    if name in ("resnet3d", "r2plus1d"):
        return VideoResNet(depth, **sizes, dropout=dropout, factorised=name == "r2plus1d", layout=layout)
    if name == "x3d":
        return X3D(depth, **sizes, dropout=dropout, layout=layout)
    if name == "mvit":
        return MultiscaleTransformer(depth, **sizes, dropout=dropout, stochastic_depth=stochastic_depth, layout=layout)
    return FrameResNet(depth, **sizes, dropout=dropout, interlaced_frames=num_segments if name == "tin" else None)


def _check(known: NetworkFacts, depth: int, sizes: dict[str, int]) -> None:
    if depth not in known.depths:
        raise ConfigError(f"{known.name}: depth {depth} is not one of {', '.join(map(str, sorted(known.depths)))}")
    for key, value in sizes.items():
        if value < 1:
            raise ConfigError(f"{known.name}: {key} must be at least 1, not {value}")


def _check_options(name: str, width: int, stochastic_depth: float, layout: Layout | None) -> None:
    """Refuse what this network has not."""
    if layout is not None and name in ("image", "tin"):
        raise ConfigError(f"{name}: layout is of the networks over space and time: mvit, r2plus1d, resnet3d and x3d")
    if stochastic_depth and name != "mvit":
        raise ConfigError(f"{name}: stochastic_depth is of mvit; set it to 0")
    if name == "tin" and width % (SHIFT_DIV * GROUPS):
        raise ConfigError(f"tin: width must be a multiple of {SHIFT_DIV * GROUPS} (a quarter, in four groups): {width}")


def build_from_config(
    name: str, network: NetworkConfig, *, num_classes: int = 2, layout: Layout | None = None
) -> Network:
    """Return the network that a study's configuration describes, with random weights. Raises ConfigError."""
    return build(
        name,
        num_classes=num_classes,
        in_channels=network.clip.channels,
        depth=network.depth,
        num_segments=network.clip.frames,
        width=network.width,
        dropout=network.dropout,
        stochastic_depth=network.stochastic_depth,
        layout=layout,
    )
