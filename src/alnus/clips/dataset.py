"""Samples and their store as torch datasets: random clips for training, fixed clips for evaluation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from alnus.clips.augmentation import augment, draw_augmentation
from alnus.clips.frame_cache import ResizedFrames
from alnus.clips.geometry import central_crop, clip_tensor, normalised
from alnus.clips.sample import CineSource, FrameIndices, GreyFrames, Sample
from alnus.clips.sampling import clip_count, evaluation_indices, training_indices
from alnus.config import AugmentationConfig, ClipConfig
from alnus.errors import CohortError

NO_LABEL = -1  # stands for an unknown label within a batch


class ClipDataset(Dataset[tuple[Tensor, int, int]]):
    """Training clips, keyed by (epoch, index of the sample): the same key gives the same clip in any process.

    An item is (clip (channels, frames, side, side) float32, label, index).
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        store: CineSource,
        clip: ClipConfig,
        *,
        augmentation: AugmentationConfig | None,
        seed: int,
    ) -> None:
        self._samples = samples
        self._clip = clip
        self._augmentation = augmentation
        self._seed = seed
        self._frames = ResizedFrames(store, clip.resize_px)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int, int]:
        epoch, index = key
        sample = self._samples[index]
        generator = np.random.default_rng([self._seed, epoch, index])
        square = self._chosen(sample, generator)
        if self._augmentation is None:
            grey = central_crop(square, self._clip.side_px).float() / 255
        else:
            grey = augment(square, self._clip, draw_augmentation(self._augmentation, self._clip, generator))
        return normalised(grey, self._clip.channels), NO_LABEL if sample.label is None else sample.label, index

    def _chosen(self, sample: Sample, generator: np.random.Generator) -> Tensor:
        still = self._frames.still(sample.video) if self._clip.sampling == "keyframe" else None
        if still is not None:
            return still
        length = self._frames.length(sample.video)
        with _named(sample):
            indices = training_indices(length, self._clip, generator, keyframe=sample.keyframe)
        return self._frames.frames(sample.video, indices)


class EvaluationClips(Dataset[tuple[Tensor, int]]):
    """The clips that stand for whole cines, `counts[i]` of sample i (a long cine has more), sample by sample.

    An item is (clip, place), place counting through the clips of all samples.
    """

    def __init__(self, samples: Sequence[Sample], store: CineSource, clip: ClipConfig, *, clips_per_video: int) -> None:
        self._samples = samples
        self._clip = clip
        self._clips_per_video = clips_per_video
        self._frames = ResizedFrames(store, clip.resize_px)
        lengths = [self._frames.length(sample.video) for sample in samples]
        self.counts = np.array([clip_count(length, clip, clips_per_video) for length in lengths], np.int64)
        self._ends = self.counts.cumsum()

    def __len__(self) -> int:
        return int(self.counts.sum())

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        index = int(np.searchsorted(self._ends, place, side="right"))
        number = place - int(self._ends[index] - self.counts[index])
        square = self._chosen(self._samples[index], number)
        grey = central_crop(square, self._clip.side_px).float() / 255
        return normalised(grey, self._clip.channels), place

    def _chosen(self, sample: Sample, number: int) -> Tensor:
        still = self._frames.still(sample.video) if self._clip.sampling == "keyframe" else None
        if still is not None:
            return still
        length = self._frames.length(sample.video)
        with _named(sample):
            clips = evaluation_indices(length, self._clip, self._clips_per_video, keyframe=sample.keyframe)
        return self._frames.frames(sample.video, clips[number])


def cine_clips(
    frames: GreyFrames,
    clip: ClipConfig,
    clips_per_video: int,
    *,
    keyframe: int | None = None,
    image: NDArray[np.uint8] | None = None,
) -> tuple[Tensor, list[FrameIndices | None]]:
    """Return all evaluation clips (clips, channels, frames, side, side) of one cine (T, H, W) and their frames.

    image: the still (H, W), which stands in for the keyframe; its indices are None. Raises CohortError for a keyframe
    that the cine does not have.
    """
    if clip.sampling == "keyframe" and image is not None:
        return clip_tensor(image[None], clip)[None], [None]
    chosen = evaluation_indices(len(frames), clip, clips_per_video, keyframe=keyframe)
    clips = torch.stack([clip_tensor(np.asarray(frames[indices]), clip) for indices in chosen])
    return clips, list(chosen)


@contextlib.contextmanager
def _named(sample: Sample) -> Iterator[None]:
    """Put the patient and video before the message of a CohortError."""
    try:
        yield
    except CohortError as error:
        raise CohortError(f"patient {sample.patient_id}, video {sample.video}: {error}") from None
