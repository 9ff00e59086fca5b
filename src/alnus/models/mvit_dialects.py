"""The dialects of MViTv2.

Source: torchvision 0.28's `mvit.py`, MMAction2 1.2's `mvit.py` and `mvit_head.py`, PySlowFast's `attention.py` and
`video_model_builder.py`, whose keys these tables translate.
"""

from __future__ import annotations

import re

from alnus.models.dialect import Dialect, Renames
from alnus.models.folding import KINETICS
from alnus.models.layout import Layout

_POSITIONS: Renames = (
    (r"\.attn\.rel_pos_t$", ".attn.positions.frames"),
    (r"\.attn\.rel_pos_h$", ".attn.positions.rows"),
    (r"\.attn\.rel_pos_w$", ".attn.positions.columns"),
)
_TORCHVISION: Renames = (
    *_POSITIONS,
    (r"^conv_proj\.", "patches."),
    (r"^pos_encoding\.class_token$", "class_token"),
    (r"\.attn\.pool_([qkv])\.pool\.", r".attn.pool_\1.conv."),
    (r"\.attn\.pool_([qkv])\.norm_act\.0\.", r".attn.pool_\1.norm."),
    (r"\.attn\.project\.0\.", ".attn.proj."),
    (r"\.mlp\.3\.", ".mlp.2."),
    (r"^(blocks\.\d+)\.project\.", r"\1.widen."),
    (r"^head\.1\.", "fc."),
)
_PYSLOWFAST: Renames = (
    *_POSITIONS,
    (r"^patch_embed\.proj(ection)?\.", "patches."),
    (r"^cls_token$", "class_token"),
    (r"\.attn\.pool_([qkv])\.weight$", r".attn.pool_\1.conv.weight"),
    (r"\.attn\.norm_([qkv])\.", r".attn.pool_\1.norm."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
    (r"^(blocks\.\d+)\.proj\.", r"\1.widen."),
    (r"^norm3\.", "norm."),
    (r"^head\.projection\.", "fc."),
)

MVITS = (
    Dialect(
        "torchvision",
        "mvit",
        re.compile(r"^blocks\.0\.attn\.pool_q\.pool\."),
        _TORCHVISION,
        layout=Layout(),
        pixels=KINETICS,
    ),
    Dialect("MMAction2", "mvit", re.compile(r"^patch_embed\.projection\."), _PYSLOWFAST, layout=Layout()),
    Dialect("PySlowFast", "mvit", re.compile(r"^patch_embed\.proj\."), _PYSLOWFAST, layout=Layout(), pixels=KINETICS),
    Dialect("Alnus", "mvit", re.compile(r"^blocks\.0\.attn\.pool_q\.conv\."), layout=Layout()),
)
