"""Clips of a whole cine become a video's score; trained networks and a store become the predictions table."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.inference.prediction import predict as predict
    from alnus.inference.prediction import predict_cine as predict_cine
    from alnus.inference.prediction import video_scores as video_scores

_NAMES = ("predict", "predict_cine", "video_scores")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: torch takes seconds."""
    if name in _NAMES:
        return getattr(import_module("alnus.inference.prediction"), name)
    raise AttributeError(f"module 'alnus.inference' has no attribute '{name}'")
