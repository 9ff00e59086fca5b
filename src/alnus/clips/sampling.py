"""Which frames of a cine a clip holds.

Source: uniform segments as in Wang et al., "Temporal Segment Networks", ECCV 2016, section 3.1; X-Temporal's TIN takes
eight. Departures: a dense clip longer than its cine first shortens its stride, then repeats the last frame; X-Temporal
loops, which would jump from the end of a probe's sweep back to its start.
"""

from __future__ import annotations

import numpy as np

from alnus.clips.sample import FrameIndices
from alnus.config import ClipConfig
from alnus.errors import CohortError

MOST_CLIPS = 16  # that a dense network sees of a cine where `clips_per_video` is less: bounds the cost of a long one


def training_indices(
    n_frames: int, clip: ClipConfig, generator: np.random.Generator, *, keyframe: int | None = None
) -> FrameIndices:
    """Draw the frames of one training clip: (clip.frames,), never decreasing, within 0..n_frames-1.

    segments: one frame at a random place in each of `clip.frames` equal parts; dense: a random start;
    keyframe: `keyframe`, else the middle frame (nothing is drawn).
    """
    if clip.sampling == "keyframe":
        return np.array([keyframe_index(n_frames, keyframe)])
    if clip.sampling == "segments":
        return _in_segments(n_frames, clip.frames, generator.random(clip.frames))
    stride = _stride_that_fits(n_frames, clip)
    start = int(generator.integers(0, _last_start(n_frames, clip.frames, stride) + 1))
    return _dense(n_frames, clip.frames, start, stride)


def evaluation_indices(
    n_frames: int, clip: ClipConfig, clips_per_video: int, *, keyframe: int | None = None
) -> list[FrameIndices]:
    """Return the frames of each clip that stands for the whole cine; nothing is random.

    segments: clip j of k takes the frame at (j + 1/2) / k of every part, so one clip takes the centres.
    dense: k starts, evenly spread from the first possible to the last; one clip lies in the middle.
    How many clips k are is `clip_count`'s answer.
    """
    if clip.sampling == "keyframe":
        return [np.array([keyframe_index(n_frames, keyframe)])]
    count = clip_count(n_frames, clip, clips_per_video)
    places = (np.arange(count) + 0.5) / count
    if clip.sampling == "segments":
        return [_in_segments(n_frames, clip.frames, np.full(clip.frames, place)) for place in places]
    stride = _stride_that_fits(n_frames, clip)
    last = _last_start(n_frames, clip.frames, stride)
    starts = np.linspace(0, last, count) if count > 1 else np.array([last / 2])
    return [_dense(n_frames, clip.frames, int(start + 0.5), stride) for start in starts]


def clip_count(n_frames: int, clip: ClipConfig, clips_per_video: int) -> int:
    """Return how many clips stand for a cine: `clips_per_video`, and of a long one, dense, as many as cover it.

    Covered: from one frame seen to the next it is nowhere further than `clip.stride`. A cine that needs more than
    MOST_CLIPS is seen in MOST_CLIPS, with equal gaps between them. keyframe: always one clip.
    """
    if clip.sampling == "keyframe":
        return 1
    span = clip.frames * clip.stride
    if clip.sampling == "segments" or n_frames <= span:
        return clips_per_video
    covering = 1 - (-_last_start(n_frames, clip.frames, clip.stride) // span)
    return max(clips_per_video, min(covering, MOST_CLIPS))


def keyframe_index(n_frames: int, keyframe: int | None) -> int:
    """Return the sonographer's keyframe, or the middle frame. Raises CohortError where the cine has no such frame."""
    if keyframe is None:
        return n_frames // 2
    if not 0 <= keyframe < n_frames:
        raise CohortError(f"keyframe {keyframe} is not in the cine, whose frames are 0 to {n_frames - 1}: correct it")
    return keyframe


def _in_segments(n_frames: int, segments: int, places: np.ndarray) -> FrameIndices:
    """Return the frame at `places` (0 to 1, one a segment) of each segment; a short cine repeats frames."""
    exact = (np.arange(segments) + places) * (n_frames / segments)
    indices: FrameIndices = np.minimum(exact.astype(np.int64), n_frames - 1)
    return indices


def _stride_that_fits(n_frames: int, clip: ClipConfig) -> int:
    if clip.frames == 1:
        return clip.stride
    return max(1, min(clip.stride, (n_frames - 1) // (clip.frames - 1)))


def _last_start(n_frames: int, frames: int, stride: int) -> int:
    return max(0, n_frames - 1 - (frames - 1) * stride)


def _dense(n_frames: int, frames: int, start: int, stride: int) -> FrameIndices:
    indices: FrameIndices = np.minimum(start + stride * np.arange(frames, dtype=np.int64), n_frames - 1)
    return indices
