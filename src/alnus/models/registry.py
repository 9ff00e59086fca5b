"""What there is to build, as plain facts: a command can list the networks without importing torch."""

from __future__ import annotations

from dataclasses import dataclass

from alnus.errors import ConfigError


@dataclass(frozen=True)
class NetworkFacts:
    """One network of the study.

    depths: the layers (of MViT the blocks) it can have, the default first. width: channels of its first stage, and
    frames, side_px: the clip, of the published size.
    accepts: whose checkpoints `load_weights` converts for it.
    """

    name: str
    title: str
    depths: tuple[int, ...]
    width: int
    frames: int
    side_px: int
    source: str
    accepts: tuple[str, ...]


_FACTS = (
    NetworkFacts(
        name="image",
        title="image ResNet",
        depths=(50, 18),
        width=64,
        frames=1,
        side_px=224,
        source="He et al., CVPR 2016",
        accepts=("Alnus", "torchvision resnet18/50", "MMAction2 TSN/TSM", "X-Temporal TSN/TSM"),
    ),
    NetworkFacts(
        name="mvit",
        title="MViTv2",
        depths=(16, 10, 24),
        width=96,
        frames=16,
        side_px=224,
        source="Li et al., CVPR 2022",
        accepts=("Alnus", "torchvision mvit_v2_s", "EchoPrime's encoder", "MMAction2 MViTv2", "PySlowFast MViTv2"),
    ),
    NetworkFacts(
        name="r2plus1d",
        title="R(2+1)D",
        depths=(18, 34, 50),
        width=64,
        frames=16,
        side_px=112,
        source="Tran et al., CVPR 2018",
        accepts=(
            "Alnus",
            "torchvision r2plus1d_18",
            "ig65m-pytorch R(2+1)D-34",
            "MMAction2 R(2+1)D",
            "X-Temporal R(2+1)D",
            "3D-ResNets-PyTorch r2p1d",
            "torchvision resnet18/50 (inflated)",
        ),
    ),
    NetworkFacts(
        name="resnet3d",
        title="ResNet-3D",
        depths=(18, 34, 50),
        width=64,
        frames=16,
        side_px=112,
        source="Tran et al., CVPR 2018; Hara et al., CVPR 2018",
        accepts=(
            "Alnus",
            "torchvision r3d_18",
            "MMAction2 ResNet3d",
            "X-Temporal ResNet-3D",
            "3D-ResNets-PyTorch r3d",
            "torchvision resnet18/50 (inflated)",
        ),
    ),
    NetworkFacts(
        name="tin",
        title="Temporal Interlacing Network",
        depths=(50, 18),
        width=64,
        frames=8,
        side_px=224,
        source="Shao et al., AAAI 2020",
        accepts=("Alnus", "X-Temporal TIN/TSN/TSM", "MMAction2 TIN/TSN/TSM", "torchvision resnet18/50"),
    ),
    NetworkFacts(
        name="x3d",
        title="X3D",
        depths=(26, 11, 55),
        width=24,
        frames=16,
        side_px=224,
        source="Feichtenhofer, CVPR 2020",
        accepts=("Alnus", "PyTorchVideo x3d_xs/s/m/l", "PySlowFast X3D", "MMAction2 X3D"),
    ),
)

NAMES: tuple[str, ...] = tuple(network.name for network in _FACTS)


def facts(name: str) -> NetworkFacts:
    """Return what is known of a network. Raises ConfigError for a name that is none."""
    for network in _FACTS:
        if network.name == name:
            return network
    raise ConfigError(f"network: '{name}' is not one of {', '.join(NAMES)}")
