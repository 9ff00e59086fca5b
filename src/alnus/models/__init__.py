"""The networks, others' weights for them, and the directory in which a trained one is kept.

`NAMES` and `facts` need no torch: everything else is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alnus.models.registry import NAMES, NetworkFacts, facts

if TYPE_CHECKING:
    from alnus.models.architectures import Network, build, build_from_config
    from alnus.models.catalogue import Description, describe
    from alnus.models.directory import (
        ModelCard,
        Start,
        load_for_inference,
        load_model,
        read_card,
        save_model,
        write_card,
    )
    from alnus.models.frame_resnet import FrameResNet
    from alnus.models.layout import Layout
    from alnus.models.memory_format import lay_for_device, lay_kernels_channels_last
    from alnus.models.mvit import MultiscaleTransformer
    from alnus.models.video_resnet import VideoResNet
    from alnus.models.weights import LoadReport, load_weights
    from alnus.models.x3d import X3D

_HOMES = {
    "Network": "architectures",
    "build": "architectures",
    "build_from_config": "architectures",
    "Description": "catalogue",
    "describe": "catalogue",
    "ModelCard": "directory",
    "Start": "directory",
    "load_for_inference": "directory",
    "load_model": "directory",
    "read_card": "directory",
    "save_model": "directory",
    "write_card": "directory",
    "FrameResNet": "frame_resnet",
    "Layout": "layout",
    "lay_for_device": "memory_format",
    "lay_kernels_channels_last": "memory_format",
    "MultiscaleTransformer": "mvit",
    "VideoResNet": "video_resnet",
    "LoadReport": "weights",
    "load_weights": "weights",
    "X3D": "x3d",
}

__all__ = [
    "NAMES",
    "X3D",
    "Description",
    "FrameResNet",
    "Layout",
    "LoadReport",
    "ModelCard",
    "MultiscaleTransformer",
    "Network",
    "NetworkFacts",
    "Start",
    "VideoResNet",
    "build",
    "build_from_config",
    "describe",
    "facts",
    "lay_for_device",
    "lay_kernels_channels_last",
    "load_for_inference",
    "load_model",
    "load_weights",
    "read_card",
    "save_model",
    "write_card",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
