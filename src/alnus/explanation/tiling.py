"""Clips of the kind that a network scores, so many that every frame of a cine lies in one."""

from __future__ import annotations

import numpy as np

from alnus.clips import evaluation_indices
from alnus.clips.sample import FrameIndices
from alnus.config import ClipConfig


def tiles(n_frames: int, clip: ClipConfig) -> list[FrameIndices]:
    """Return the frames of each clip, (clip.frames,), never decreasing; together they hold every frame of the cine.

    segments: as many clips as that takes, side by side in each segment. dense: clips at the network's own stride,
    interleaved; where the last of them would reach beyond the end it begins earlier, and a cine that is too short for
    one clip repeats its last frame, as in scoring. keyframe: each frame alone.
    """
    if clip.sampling == "keyframe":
        return [np.array([frame]) for frame in range(n_frames)]
    if clip.sampling == "segments":
        return evaluation_indices(n_frames, clip, -(-n_frames // clip.frames))
    stride = max(1, min(clip.stride, (n_frames - 1) // max(1, clip.frames - 1)))
    return [tile for phase in range(stride) for tile in _in_turn(np.arange(phase, n_frames, stride), clip.frames)]


def _in_turn(frames: FrameIndices, length: int) -> list[FrameIndices]:
    """Cut frames into clips of `length`; the last one overlaps the one before it, or repeats the last frame."""
    last = max(0, len(frames) - length)
    starts = np.unique(np.minimum(np.arange(0, len(frames), length), last))
    return [frames[np.minimum(start + np.arange(length), len(frames) - 1)] for start in starts]
