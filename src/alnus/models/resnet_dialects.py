"""The dialects of 2-D and 3-D ResNets.

Source: the modules of torchvision's `resnet.py` and `video/resnet.py`, MMAction2 1.2's `resnet_tin.py`,
`resnet_tsm.py`, `resnet3d.py` and `conv2plus1d.py`, X-Temporal's `tin.py`, `tsm.py`, `stresnet.py` and `resnet3D.py`,
and Hara's `resnet.py` and `resnet2p1d.py`, whose keys these tables translate.
"""

from __future__ import annotations

import re

from alnus.models import layout
from alnus.models.dialect import Dialect, Renames

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

RESNETS = (
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
