"""Whose network a checkpoint holds, told by its keys and shapes, and its tensors under our keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from torch import Tensor

from alnus.models import layout, mvit, x3d
from alnus.models.checkpoints import State
from alnus.models.dialect import FAMILY_TITLES, Dialect, Family, Renames
from alnus.models.folding import ECHOPRIME, Pixels
from alnus.models.layout import Layout
from alnus.models.mvit_dialects import MVITS
from alnus.models.resnet_dialects import RESNETS
from alnus.models.x3d_dialects import X3DS

DIALECTS = (*X3DS, *MVITS, *RESNETS)
DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {  # blocks of the four stages, whether they are bottlenecks
    ((1, 1, 1, 1), False): 10,
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
    ((3, 24, 36, 3), True): 200,
}
FIRST_BLOCK = re.compile(
    r"^(.*?)\b(layer1\.0\.|blocks\.0\.(attn\.pool_q\.|conv\.conv_t\.)|s1\.pathway0_stem\.conv_xy\.)"
)
HEADS = {"cls_head.fc_cls": "fc", "cls_head.new_fc": "fc", "new_fc": "fc", "fc": "fc"}  # beside a backbone
X3D_HEADS = {"cls_head.fc1": "projection", "cls_head.fc2": "fc"}
ECHOPRIME_SIZE = 512  # outputs of its encoder, otherwise torchvision's mvit_v2_s
FLAT = {"class_token": 1, "projection.weight": 2}  # their dimensions, which some code bases fill up with axes of 1


@dataclass(frozen=True)
class Found:
    """What a checkpoint holds: a network's tensors under our keys, and the keys that are none of the network's.

    depth: None where its blocks are those of no network here. layout: of a network over space and time, as far as the
    file tells.
    """

    origin: str
    family: Family
    depth: int | None
    state: State
    left: tuple[str, ...]
    layout: Layout | None
    pixels: Pixels | None
    unstated: str

    @property
    def title(self) -> str:
        """What this is, with its depth and whose it is."""
        return f"{FAMILY_TITLES[self.family]}-{self.depth or '?'} checkpoint of {self.origin}"


def prefixes(state: State) -> tuple[str, ...]:
    """Return what stands before the keys of each network of a file."""
    found = (FIRST_BLOCK.match(key) for key in state)
    return tuple(dict.fromkeys(match[1] for match in found if match))


def recognise(state: State, prefix: str) -> Found | None:
    """Return whose network stands behind a prefix, the most particular first; None where nobody's we know."""
    body, left = _taken_apart(state, prefix)
    dialect = next((dialect for dialect in DIALECTS if _speaks(dialect, body)), None)
    if dialect is None:
        return None
    state = {
        key: value.flatten(FLAT[key] - 1) if key in FLAT and value.ndim > FLAT[key] else value
        for key, value in renamed(body, dialect.renames).items()
    }
    told = None if dialect.layout is None else _TOLD.get(dialect.family, _told_by_shapes)(dialect.layout, state)
    origin = _publisher(dialect, prefix, state, told)
    return Found(
        origin=origin,
        family=dialect.family,
        depth=_depth(dialect.family, state),
        state=state,
        left=left,
        layout=told,
        pixels=ECHOPRIME if origin == "EchoPrime" else dialect.pixels,
        unstated=dialect.unstated,
    )


def _publisher(dialect: Dialect, prefix: str, state: State, told: Layout | None) -> str:
    """Return whose a file is, where more than the names tells: what stands before them, the layout, the last layer."""
    if prefix.endswith("base_model.") and dialect.family == "image":
        return "X-Temporal"
    if told == layout.IG65M:
        return "ig65m-pytorch"
    last = state.get("fc.weight")
    if (dialect.origin, dialect.family) == ("torchvision", "mvit") and last is not None and len(last) == ECHOPRIME_SIZE:
        return "EchoPrime"
    return dialect.origin


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
    heads = {f"{root}{theirs}.": f"{ours}." for theirs, ours in (HEADS | X3D_HEADS).items() if prefix}
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


def _depth(family: Family, state: State) -> int | None:
    if family == "mvit":
        count = _count(r"^blocks\.(\d+)\.", state)
        return count if count in mvit.BLOCKS else None
    counts = tuple(_count(rf"^layer{stage}\.(\d+)\.", state) for stage in range(1, 5))
    if family == "x3d":
        return next((depth for depth, blocks in x3d.BLOCKS.items() if blocks == counts), None)
    return DEPTHS.get((counts, any(key.startswith("layer1.0.conv3.") for key in state)))


def _count(pattern: str, state: State) -> int:
    """Return how many different numbers stand where the pattern has a group."""
    return len({match[1] for match in (re.match(pattern, key) for key in state) if match})


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


def _shortcut_told(base: Layout, state: State) -> Layout:
    return replace(base, bare_shortcut="layer1.0.downsample.1.weight" not in state)


def _grid_told(base: Layout, state: State) -> Layout:
    """Return the grid for which MViT's tables were made; of rows and columns they know the larger."""
    tables = [state.get(f"blocks.0.attn.positions.{axis}") for axis in ("frames", "rows", "columns")]
    frames, rows, columns = (0 if table is None else (len(table) + 1) // 2 for table in tables)
    return replace(base, grid=(frames, rows, columns)) if frames and rows and columns else base


_TOLD = {"x3d": _shortcut_told, "mvit": _grid_told}
