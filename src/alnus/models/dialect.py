"""How somebody names a network's tensors: what each table of dialects is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from alnus.models.folding import Pixels
from alnus.models.layout import Layout

Family = Literal["image", "tsm", "tin", "resnet3d", "r2plus1d", "x3d", "mvit"]
Renames = tuple[tuple[str, str], ...]

FAMILY_TITLES: dict[Family, str] = {
    "image": "2-D ResNet",
    "tsm": "TSM-ResNet",
    "tin": "TIN-ResNet",
    "resnet3d": "ResNet-3D",
    "r2plus1d": "R(2+1)D",
    "x3d": "X3D",
    "mvit": "MViTv2",
}


@dataclass(frozen=True)
class Dialect:
    """How somebody names a network's tensors.

    sign: a key that only this dialect has, without its prefix. ndim: of the first block's first kernel, where the sign
    alone does not tell planes from space and time. renames: (pattern, replacement), applied in order to every key.
    layout: of its 3-D network. pixels: how its publisher normalises pictures, where that is known and other than by
    ImageNet's statistics. unstated: what the file does not say of it, in words.
    """

    origin: str
    family: Family
    sign: re.Pattern[str]
    renames: Renames = ()
    ndim: int | None = None
    layout: Layout | None = None
    pixels: Pixels | None = None
    unstated: str = ""
