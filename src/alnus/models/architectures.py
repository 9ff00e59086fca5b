"""A network from its name and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alnus.errors import ConfigError
from alnus.models.frame_resnet import FrameResNet
from alnus.models.interlacing import GROUPS, SHIFT_DIV
from alnus.models.registry import facts
from alnus.models.video_resnet import VideoResNet

if TYPE_CHECKING:
    from alnus.config import NetworkConfig
    from alnus.models.layout import Layout

Network = FrameResNet | VideoResNet


def build(
    name: str,
    *,
    num_classes: int = 2,
    in_channels: int = 3,
    depth: int | None = None,
    num_segments: int = 8,
    width: int = 64,
    dropout: float = 0.0,
    layout: Layout | None = None,
) -> Network:
    """Return a network with random weights: (batch, in_channels, frames, height, width) -> (batch, num_classes) logits.

    depth: None takes the network's default. num_segments: TIN's frames; the others take any number, image 1.
    width: channels of the first stage; 64 is the published size. dropout: before the last layer.
    layout: of the 3-D networks; None is torchvision's, until `load_weights` meets another. A given one stays.
    Raises ConfigError for a name, depth or width that cannot be built.
    """
    known = facts(name)
    depth = known.depths[0] if depth is None else depth
    if depth not in known.depths:
        raise ConfigError(f"{name}: depth {depth} is not one of {', '.join(map(str, sorted(known.depths)))}")
    sizes = {"num_classes": num_classes, "in_channels": in_channels, "num_segments": num_segments, "width": width}
    for key, value in sizes.items():
        if value < 1:
            raise ConfigError(f"{name}: {key} must be at least 1, not {value}")
    if name in ("resnet3d", "r2plus1d"):
        return VideoResNet(
            depth,
            num_classes=num_classes,
            in_channels=in_channels,
            width=width,
            dropout=dropout,
            factorised=name == "r2plus1d",
            layout=layout,
        )
    if layout is not None:
        raise ConfigError(f"{name}: layout is of the 3-D networks, r2plus1d and resnet3d")
    if name == "tin" and width % (SHIFT_DIV * GROUPS):
        raise ConfigError(f"tin: width must be a multiple of {SHIFT_DIV * GROUPS} (a quarter, in four groups): {width}")
    return FrameResNet(
        depth,
        num_classes=num_classes,
        in_channels=in_channels,
        width=width,
        dropout=dropout,
        interlaced_frames=num_segments if name == "tin" else None,
    )


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
        layout=layout,
    )
