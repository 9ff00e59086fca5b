"""Cine -> model input: which frames a network sees, how they are changed in training, and the datasets.

The names below are imported on first use, so that a command that only needs `Sample` does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.clips.augmentation import Augmentation, augment, draw_augmentation
    from alnus.clips.dataset import ClipDataset, EvaluationClips, cine_clips
    from alnus.clips.frame_cache import ResizedFrames
    from alnus.clips.geometry import ClipGeometry, clip_tensor, normalised, squares
    from alnus.clips.sample import CineSource, Sample
    from alnus.clips.sampler import EpochSampler, EvaluationSampler
    from alnus.clips.sampling import evaluation_indices, keyframe_index, training_indices

_HOMES = {
    "Augmentation": "augmentation",
    "augment": "augmentation",
    "draw_augmentation": "augmentation",
    "ClipDataset": "dataset",
    "EvaluationClips": "dataset",
    "cine_clips": "dataset",
    "ResizedFrames": "frame_cache",
    "ClipGeometry": "geometry",
    "clip_tensor": "geometry",
    "normalised": "geometry",
    "squares": "geometry",
    "CineSource": "sample",
    "Sample": "sample",
    "EpochSampler": "sampler",
    "EvaluationSampler": "sampler",
    "evaluation_indices": "sampling",
    "keyframe_index": "sampling",
    "training_indices": "sampling",
}

__all__ = [
    "Augmentation",
    "CineSource",
    "ClipDataset",
    "ClipGeometry",
    "EpochSampler",
    "EvaluationClips",
    "EvaluationSampler",
    "ResizedFrames",
    "Sample",
    "augment",
    "cine_clips",
    "clip_tensor",
    "draw_augmentation",
    "evaluation_indices",
    "keyframe_index",
    "normalised",
    "squares",
    "training_indices",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
