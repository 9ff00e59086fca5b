"""Whose network a checkpoint holds, told by its keys and shapes, and its tensors under our keys.

Source: the modules of torchvision's `resnet.py` and `video/resnet.py`, MMAction2 1.2's `resnet_tin.py`,
`resnet_tsm.py`, `resnet3d.py` and `conv2plus1d.py`, X-Temporal's `tin.py`, `tsm.py`, `stresnet.py` and `resnet3D.py`,
and Hara's `resnet.py` and `resnet2p1d.py`, whose keys these tables translate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from alnus.models import layout
from alnus.models.checkpoints import State
from alnus.models.layout import Layout

Family = Literal["image", "tsm", "tin", "resnet3d", "r2plus1d"]
Renames = tuple[tuple[str, str], ...]

FAMILY_TITLES: dict[Family, str] = {
    "image": "2-D ResNet",
    "tsm": "TSM-ResNet",
    "tin": "TIN-ResNet",
    "resnet3d": "ResNet-3D",
    "r2plus1d": "R(2+1)D",
}
DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {  # blocks of the four stages, whether they are bottlenecks
    ((1, 1, 1, 1), False): 10,
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
    ((3, 24, 36, 3), True): 200,
}
FIRST_BLOCK = re.compile(r"^(.*?)\blayer1\.0\.")


@dataclass(frozen=True)
class Dialect:
    """How somebody names a network's tensors.

    sign: a key that only this dialect has, without its prefix. ndim: of the first block's first kernel, where the sign
    alone does not tell planes from space and time. renames: (pattern, replacement), applied in order to every key.
    layout: of its 3-D network. unstated: what the file does not say of it, in words.
    """

    origin: str
    family: Family
    sign: re.Pattern[str]
    renames: Renames = ()
    ndim: int | None = None
    layout: Layout | None = None
    unstated: str = ""


_MMACTION_FRAMES: Renames = (
    (r"\.conv(\d)\.conv\.net1\.", ".interlace."),
    (r"(^|\.)conv(\d)\.conv\.(net2\.|net\.)?", r"\1conv\2."),
    (r"(^|\.)conv(\d)\.bn\.", r"\1bn\2."),
    (r"\.downsample\.conv\.", ".downsample.0."),
    (r"\.downsample\.bn\.", ".downsample.1."),
)
_X_TEMPORAL_FRAMES: Renames = (
    (r"\.conv1\.net1\.biasnet\.net\.conv\.", ".interlace.offset_net.conv."),
    (r"\.conv1\.net1\.biasnet\.net\.fc\.", ".interlace.offset_net.fc1."),
    (r"\.conv1\.net1\.biasnet\.net\.lastlayer\.", ".interlace.offset_net.fc2."),
    (r"\.conv1\.net1\.weightnet\.net\.lastlayer\.", ".interlace.weight_net.conv."),
    (r"\.conv1\.net(2)?\.", ".conv1."),
)
_MMACTION_R2PLUS1D: Renames = (
    (r"^conv1\.conv\.conv_s\.", "stem.0."),
    (r"^conv1\.conv\.bn_s\.", "stem.1."),
    (r"^conv1\.conv\.conv_t\.", "stem.3."),
    (r"^conv1\.bn\.", "stem.4."),
    (r"\.conv\.conv_s\.", ".0.0."),
    (r"\.conv\.bn_s\.", ".0.1."),
    (r"\.conv\.conv_t\.", ".0.3."),
    (r"\.(conv\d|downsample)\.bn\.", r".\1.1."),
)
_MMACTION_RESNET3D: Renames = (
    (r"^conv1\.conv\.", "stem.0."),
    (r"^conv1\.bn\.", "stem.1."),
    (r"\.(conv\d|downsample)\.conv\.", r".\1.0."),
    (r"\.(conv\d|downsample)\.bn\.", r".\1.1."),
)
_BLOCKS_3D: Renames = (
    (r"\.conv(\d)\.weight$", r".conv\1.0.weight"),
    (r"\.bn(\d)\.", r".conv\1.1."),
)
PLAIN_TO_3D: Renames = ((r"^conv1\.", "stem.0."), (r"^bn1\.", "stem.1."), *_BLOCKS_3D)
_X_TEMPORAL_R2PLUS1D: Renames = (
    (r"^conv1\.spatial_conv\.", "stem.0."),
    (r"^conv1\.bn\.", "stem.1."),
    (r"^conv1\.temporal_conv\.", "stem.3."),
    (r"^bn1\.", "stem.4."),
    (r"\.(conv\d)\.spatial_conv\.", r".\1.0.0."),
    (r"\.(conv\d)\.bn\.", r".\1.0.1."),
    (r"\.(conv\d)\.temporal_conv\.", r".\1.0.3."),
    *_BLOCKS_3D,
)
_HARA_R2PLUS1D: Renames = (
    (r"^conv1_s\.", "stem.0."),
    (r"^bn1_s\.", "stem.1."),
    (r"^conv1_t\.", "stem.3."),
    (r"^bn1_t\.", "stem.4."),
    (r"\.(conv\d)_s\.", r".\1.0.0."),
    (r"\.bn(\d)_s\.", r".conv\1.0.1."),
    (r"\.(conv\d)_t\.", r".\1.0.3."),
    (r"\.bn(\d)_t\.", r".conv\1.1."),
    *_BLOCKS_3D,
)
_MMACTION_UNSTATED = (
    "strides and poolings are ResNet3d's defaults, which the file does not state: every frame kept, 3 x 3 pixels "
    "pooled after the stem and two frames after the first stage"
)
_HARA_UNSTATED = "the pooling after the stem is the code's default, which the file does not state"
_X_TEMPORAL_UNSTATED = "the pooling after the stem is that of X-Temporal's settings, which the file does not state"

DIALECTS = (
    Dialect("X-Temporal", "tin", re.compile(r"\.net1\.biasnet\."), _X_TEMPORAL_FRAMES),
    Dialect("MMAction2", "tin", re.compile(r"\.net1\.offset_net\."), _MMACTION_FRAMES),
    Dialect("Alnus", "tin", re.compile(r"^layer1\.0\.interlace\.")),
    Dialect("MMAction2", "tsm", re.compile(r"^layer1\.0\.conv1\.conv\.net\."), _MMACTION_FRAMES),
    Dialect("X-Temporal", "tsm", re.compile(r"^layer1\.0\.conv1\.net\."), _X_TEMPORAL_FRAMES),
    Dialect(
        "MMAction2",
        "r2plus1d",
        re.compile(r"^layer1\.0\.conv2\.conv\.conv_s\."),
        _MMACTION_R2PLUS1D,
        layout=layout.MMACTION_R2PLUS1D,
        unstated="the pooling and the normalisation's epsilon are those of MMAction2's settings, which the file does "
        "not state",
    ),
    Dialect("MMAction2", "image", re.compile(r"^layer1\.0\.conv1\.conv\.weight$"), _MMACTION_FRAMES, ndim=4),
    Dialect(
        "MMAction2",
        "resnet3d",
        re.compile(r"^layer1\.0\.conv1\.conv\.weight$"),
        _MMACTION_RESNET3D,
        ndim=5,
        layout=layout.MMACTION_RESNET3D,
        unstated=_MMACTION_UNSTATED,
    ),
    Dialect(
        "X-Temporal",
        "r2plus1d",
        re.compile(r"^layer1\.0\.conv2\.spatial_conv\."),
        _X_TEMPORAL_R2PLUS1D,
        layout=layout.X_TEMPORAL_R2PLUS1D,
        unstated=_X_TEMPORAL_UNSTATED,
    ),
    Dialect(
        "3D-ResNets-PyTorch",
        "r2plus1d",
        re.compile(r"^layer1\.0\.conv2_s\."),
        _HARA_R2PLUS1D,
        layout=layout.HARA,
        unstated=_HARA_UNSTATED,
    ),
    Dialect("torchvision or Alnus", "r2plus1d", re.compile(r"^layer1\.0\.conv2\.0\.3\."), layout=layout.TORCHVISION),
    Dialect(
        "torchvision or Alnus", "resnet3d", re.compile(r"^layer1\.0\.conv2\.0\.weight$"), layout=layout.TORCHVISION
    ),
    Dialect(
        "3D-ResNets-PyTorch or X-Temporal",
        "resnet3d",
        re.compile(r"^layer1\.0\.conv1\.weight$"),
        PLAIN_TO_3D,
        ndim=5,
        layout=layout.HARA,
        unstated=_HARA_UNSTATED,
    ),
    Dialect("torchvision or Alnus", "image", re.compile(r"^layer1\.0\.conv1\.weight$"), ndim=4),
)


@dataclass(frozen=True)
class Found:
    """What a checkpoint holds: a network's tensors under our keys, and the keys that are none of the network's.

    depth: None where its blocks are those of no ResNet. layout: of a 3-D network, as far as the file tells.
    """

    origin: str
    family: Family
    depth: int | None
    state: State
    left: tuple[str, ...]
    layout: Layout | None
    unstated: str

    @property
    def title(self) -> str:
        """What this is, with its depth and whose it is."""
        return f"{FAMILY_TITLES[self.family]}-{self.depth or '?'} checkpoint of {self.origin}"


def prefixes(state: State) -> tuple[str, ...]:
    """Return what stands before the keys of each ResNet of a file."""
    found = (FIRST_BLOCK.match(key) for key in state)
    return tuple(dict.fromkeys(match[1] for match in found if match))


def recognise(state: State, prefix: str) -> Found | None:
    """Return whose network stands behind a prefix, the most particular first; None where nobody's we know."""
    body, left = _taken_apart(state, prefix)
    dialect = next((dialect for dialect in DIALECTS if _speaks(dialect, body)), None)
    if dialect is None:
        return None
    state = renamed(body, dialect.renames)
    told = None if dialect.layout is None else _told_by_shapes(dialect.layout, state)
    in_x_temporal = prefix.endswith("base_model.") and dialect.family == "image"
    return Found(
        origin="X-Temporal" if in_x_temporal else "ig65m-pytorch" if told == layout.IG65M else dialect.origin,
        family=dialect.family,
        depth=_depth(state),
        state=state,
        left=left,
        layout=told,
        unstated=dialect.unstated,
    )


def renamed(state: State, renames: Renames) -> State:
    """Return the tensors under keys in which each pattern is replaced, in order."""
    out = {}
    for key, value in state.items():
        for pattern, replacement in renames:
            key = re.sub(pattern, replacement, key)
        out[key] = value
    return out


def _taken_apart(state: State, prefix: str) -> tuple[State, tuple[str, ...]]:
    """Return the network's own tensors without their prefix, its last layer as `fc`, and the other keys."""
    root = re.sub(r"[^.]+\.$", "", prefix)  # where a head stands beside its backbone
    heads = {f"{root}{name}.": "fc." for name in ("cls_head.fc_cls", "cls_head.new_fc", "new_fc", "fc") if prefix}
    body, left = {}, []
    for key, value in state.items():
        head = next((theirs for theirs in heads if key.startswith(theirs)), None)
        if head is not None:
            body[heads[head] + key.removeprefix(head)] = value
        elif key.startswith(prefix):
            body[key.removeprefix(prefix)] = value
        else:
            left.append(key)
    return body, tuple(left)


def _speaks(dialect: Dialect, body: State) -> bool:
    signed = next((value for key, value in body.items() if dialect.sign.search(key)), None)
    return signed is not None and dialect.ndim in (None, signed.ndim)


def _depth(state: State) -> int | None:
    counts = []
    for stage in range(1, 5):
        pattern = re.compile(rf"^layer{stage}\.(\d+)\.")
        counts.append(len({match[1] for match in map(pattern.match, state) if match}))
    return DEPTHS.get((tuple(counts), any(key.startswith("layer1.0.conv3.") for key in state)))


def _told_by_shapes(base: Layout, state: State) -> Layout:
    """Return the layout with what the tensors themselves tell."""
    if base.middle == "block":
        base = _middle_told(base, state)
    temporal = state.get("stem.3.weight", state.get("stem.0.weight"))
    first = state.get("layer1.0.conv1.0.weight")
    return replace(
        base,
        stem_frames=base.stem_frames if temporal is None else _frames(temporal),
        bottleneck="3x1x1" if first is not None and tuple(first.shape[2:]) == (3, 1, 1) else base.bottleneck,
        shortcut=base.shortcut if any(".downsample." in key for key in state) else "zeros",
    )


def _middle_told(base: Layout, state: State) -> Layout:
    """Tell by R(2+1)D's middle channels whether each convolution has its own count, and then the stem."""
    first, second, stem = (state.get(f"{key}.weight") for key in ("layer2.0.conv1.0.0", "layer2.0.conv2.0.0", "stem.0"))
    if first is None or second is None or stem is None or len(first) == len(second):
        return base
    own_stem = len(stem) == round(45 * len(state["stem.4.weight"]) / 64)  # torchvision's, which the formula has not
    return layout.IG65M if own_stem else replace(base, middle="convolution")


def _frames(kernel: Tensor) -> int:
    return int(kernel.shape[2]) if kernel.ndim == 5 else 0
