"""Where in a cine a network looked: Grad-CAM heatmaps, the keyframe, and the pictures and videos that show them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.explanation.attribution import ClipExplanation, explain_clip, frame_weights, grad_cam
    from alnus.explanation.cine import Explanation, explain_video
    from alnus.explanation.heat import CineHeat, cine_heat, every_frame

_HOMES = {
    "CineHeat": "heat",
    "ClipExplanation": "attribution",
    "Explanation": "cine",
    "cine_heat": "heat",
    "every_frame": "heat",
    "explain_clip": "attribution",
    "explain_video": "cine",
    "frame_weights": "attribution",
    "grad_cam": "attribution",
}

__all__ = [
    "CineHeat",
    "ClipExplanation",
    "Explanation",
    "cine_heat",
    "every_frame",
    "explain_clip",
    "explain_video",
    "frame_weights",
    "grad_cam",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
