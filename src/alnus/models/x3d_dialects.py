"""The dialects of X3D.

Source: PyTorchVideo 0.1.5's `x3d.py`, `resnet.py` and `head.py`, MMAction2 1.2's `x3d.py` and `x3d_head.py`, and
PySlowFast's `resnet_helper.py`, `stem_helper.py`, `head_helper.py` and `operators.py`, whose keys these tables
translate.
"""

from __future__ import annotations

import re

from alnus.models import layout
from alnus.models.dialect import Dialect, Renames
from alnus.models.folding import KINETICS

_PYTORCHVIDEO: Renames = (
    (r"^blocks\.0\.conv\.conv_t\.", "stem.space."),  # so named there: the plane's
    (r"^blocks\.0\.conv\.conv_xy\.", "stem.time."),
    (r"^blocks\.0\.norm\.", "stem.norm."),
    (r"^blocks\.([1-4])\.res_blocks\.", r"layer\1."),
    (r"\.branch1_conv\.", ".downsample.0."),
    (r"\.branch1_norm\.", ".downsample.1."),
    (r"\.branch2\.conv_a\.", ".conv1."),
    (r"\.branch2\.conv_b\.", ".conv2."),
    (r"\.branch2\.conv_c\.", ".conv3."),
    (r"\.branch2\.norm_a\.", ".bn1."),
    (r"\.branch2\.norm_b\.0\.", ".bn2."),
    (r"\.branch2\.norm_b\.1\.block\.0\.", ".gate.narrow."),
    (r"\.branch2\.norm_b\.1\.block\.2\.", ".gate.widen."),
    (r"\.branch2\.norm_c\.", ".bn3."),
    (r"^blocks\.5\.pool\.pre_conv\.", "last.0."),
    (r"^blocks\.5\.pool\.pre_norm\.", "last.1."),
    (r"^blocks\.5\.pool\.post_conv\.", "projection."),
    (r"^blocks\.5\.proj\.", "fc."),
)
_MMACTION: Renames = (
    (r"^conv1_s\.conv\.", "stem.space."),
    (r"^conv1_t\.conv\.", "stem.time."),
    (r"^conv1_t\.bn\.", "stem.norm."),
    (r"\.conv(\d)\.conv\.", r".conv\1."),
    (r"\.conv(\d)\.bn\.", r".bn\1."),
    (r"\.se_module\.fc1\.", ".gate.narrow."),
    (r"\.se_module\.fc2\.", ".gate.widen."),
    (r"\.downsample\.conv\.", ".downsample.0."),
    (r"\.downsample\.bn\.", ".downsample.1."),
    (r"^conv5\.conv\.", "last.0."),
    (r"^conv5\.bn\.", "last.1."),
)
_PYSLOWFAST: Renames = (
    (r"^s1\.pathway0_stem\.conv_xy\.", "stem.space."),
    (r"^s1\.pathway0_stem\.conv\.", "stem.time."),
    (r"^s1\.pathway0_stem\.bn\.", "stem.norm."),
    (r"^s2\.pathway0_res", "layer1."),
    (r"^s3\.pathway0_res", "layer2."),
    (r"^s4\.pathway0_res", "layer3."),
    (r"^s5\.pathway0_res", "layer4."),
    (r"\.branch1\.", ".downsample.0."),
    (r"\.branch1_bn\.", ".downsample.1."),
    (r"\.branch2\.a\.", ".conv1."),
    (r"\.branch2\.b\.", ".conv2."),
    (r"\.branch2\.c\.", ".conv3."),
    (r"\.branch2\.a_bn\.", ".bn1."),
    (r"\.branch2\.b_bn\.", ".bn2."),
    (r"\.branch2\.c_bn\.", ".bn3."),
    (r"\.branch2\.se\.fc1\.", ".gate.narrow."),
    (r"\.branch2\.se\.fc2\.", ".gate.widen."),
    (r"^head\.conv_5\.", "last.0."),
    (r"^head\.conv_5_bn\.", "last.1."),
    (r"^head\.lin_5\.", "projection."),
    (r"^head\.projection\.", "fc."),
)

X3DS = (
    Dialect(
        "PyTorchVideo",
        "x3d",
        re.compile(r"^blocks\.0\.conv\.conv_t\."),
        _PYTORCHVIDEO,
        layout=layout.Layout(),
        pixels=KINETICS,
    ),
    Dialect("MMAction2", "x3d", re.compile(r"^conv1_s\.conv\."), _MMACTION, layout=layout.Layout(), pixels=KINETICS),
    Dialect(
        "PySlowFast",
        "x3d",
        re.compile(r"^s1\.pathway0_stem\.conv_xy\."),
        _PYSLOWFAST,
        layout=layout.Layout(),
        pixels=KINETICS,
    ),
    Dialect("Alnus", "x3d", re.compile(r"^stem\.space\."), layout=layout.Layout()),
)
