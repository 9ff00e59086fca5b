"""The networks, others' weights for them, and the directory in which a trained one is kept.

`NAMES` and `facts` need no torch: everything else is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alnus.models.registry import NAMES, NetworkFacts, facts

_LAZY = {
    "build": "alnus.models.architectures",
    "build_from_config": "alnus.models.architectures",
    "FrameResNet": "alnus.models.frame_resnet",
    "VideoResNet": "alnus.models.video_resnet",
    "load_weights": "alnus.models.weights",
    "LoadReport": "alnus.models.weights",
    "ModelCard": "alnus.models.directory",
    "save_model": "alnus.models.directory",
    "load_model": "alnus.models.directory",
    "write_card": "alnus.models.directory",
    "describe": "alnus.models.catalogue",
    "Description": "alnus.models.catalogue",
}

__all__ = ["NAMES", "NetworkFacts", "facts", *_LAZY]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'alnus.models' has no attribute '{name}'")
