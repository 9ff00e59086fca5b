"""The heat of a whole cine: maps of the frames that a network saw, laid back on the stored pixels and in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alnus.clips import ClipGeometry, cine_clips, clip_tensor, keyframe_index
from alnus.clips.sample import FrameIndices, GreyFrames
from alnus.explanation.attribution import explain_clip, frame_evidence, shares
from alnus.models import ModelCard, Network

STILL_FRAMES = 16  # of a cine, shown to an image network for its video
AT_ONCE = 16  # maps laid on the stored frame


@dataclass(frozen=True)
class CineHeat:
    """Evidence for metastasis over a cine.

    probability: mean over the evaluation clips. indices: (n,) frames that the network saw, increasing. weights: (n,),
    each one's share of the evidence. maps: (n, height, width) of those frames at the stored frame's size, logit's unit.
    answered: the frame that alone gave an image network's probability; None for the others.
    still: (height, width), the map of the sonographer's still, where that alone gave the probability.
    """

    probability: float
    indices: FrameIndices
    weights: NDArray[np.float64]
    maps: NDArray[np.float32]
    answered: int | None = None
    still: NDArray[np.float32] | None = None

    @cached_property
    def maximum(self) -> float:
        """The largest value on any frame or the still; 0 where the network found no evidence."""
        return float(max(self.maps.max(), 0.0 if self.still is None else self.still.max()))

    @property
    def heaviest(self) -> int:
        """The frame that the network weighs most."""
        return int(self.indices[int(self.weights.argmax())])

    def title(self, frame: int) -> str:
        """Name a frame, and say so where the network did not see it."""
        if frame in self.indices:
            return f"frame {frame}"
        between = self.indices[0] < frame < self.indices[-1]
        return f"frame {frame} ({'heat interpolated' if between else 'not seen by the network'})"

    def at(self, frame: int) -> NDArray[np.float32]:
        """Return the heat on any frame, 0 to 1: linear between the frames seen, constant before and after them."""
        after = int(np.searchsorted(self.indices, frame))
        if after == len(self.indices) or (after == 0 and frame < self.indices[0]):
            nearest = self.maps[min(after, len(self.indices) - 1)]
            return self.scaled(nearest)
        if self.indices[after] == frame:
            return self.scaled(self.maps[after])
        first, second = self.indices[after - 1], self.indices[after]
        share = np.float32((frame - first) / (second - first))
        return self.scaled((1 - share) * self.maps[after - 1] + share * self.maps[after])

    def scaled(self, heat: NDArray[np.float32]) -> NDArray[np.float32]:
        """Divide by the video's maximum, so that the heats of different frames compare."""
        return heat / np.float32(self.maximum) if self.maximum > 0 else np.zeros_like(heat)


def cine_heat(
    model: Network,
    card: ModelCard,
    frames: GreyFrames,
    *,
    keyframe: int | None = None,
    image: NDArray[np.uint8] | None = None,
) -> CineHeat:
    """Explain a network on the evaluation clips of one cine (T, H, W); a frame in several clips gets their mean.

    An image network answers for the keyframe or still; for the other frames its map is made on up to 16 of them.
    Raises CohortError for a keyframe that the cine does not have.
    """
    if keyframe is not None:
        keyframe_index(len(frames), keyframe)
    network = card.network
    clips, chosen = cine_clips(frames, network.clip, network.inference.clips_per_video, keyframe=keyframe, image=image)
    seen = [_explained(model, clip[None]) for clip in clips]
    probability = float(np.mean([clip.probability for clip in seen]))
    if network.clip.sampling != "keyframe":
        known = [indices for indices in chosen if indices is not None]
        return CineHeat(probability, *_laid_back(known, seen, frames, card))
    others = _with_others(len(frames), chosen[0])
    singles = clip_tensor(np.asarray(frames[others]), network.clip).transpose(0, 1)[:, :, None]  # a batch of frames
    around = _laid_back([others], [_explained(model, singles)], frames, card)
    if image is not None:
        return CineHeat(probability, *around, still=_on_frame(seen[0].cams, image.shape, card)[0])
    return CineHeat(probability, *around, answered=keyframe_index(len(frames), keyframe))


class _Seen(NamedTuple):
    """One pass: its mean probability, and of all its frames in turn the maps (n, side, side) and evidence (n,)."""

    probability: float
    cams: Tensor
    evidence: Tensor


def _explained(model: Network, clips: Tensor) -> _Seen:
    clips = clips.to(next(model.parameters()).device)
    explained = explain_clip(model, clips)
    evidence = frame_evidence(model, clips, cam=explained.cam).flatten().double().cpu()
    return _Seen(float(explained.probability.double().mean()), explained.cam.flatten(0, 1).cpu(), evidence)


def _laid_back(
    chosen: Sequence[FrameIndices], seen: Sequence[_Seen], frames: GreyFrames, card: ModelCard
) -> tuple[FrameIndices, NDArray[np.float64], NDArray[np.float32]]:
    """Return the frames seen, increasing, their shares of the evidence, and their maps on the stored pixels."""
    indices, where = np.unique(np.concatenate(chosen), return_inverse=True)
    place = torch.from_numpy(where.astype(np.int64))
    cams = _averaged(torch.cat([clip.cams for clip in seen]), place)
    evidence = _averaged(torch.cat([clip.evidence for clip in seen]), place)
    return indices.astype(np.int64), shares(evidence).numpy(), _on_frame(cams, frames.shape[1:], card)


def _averaged(values: Tensor, place: Tensor) -> Tensor:
    """Average the rows (m, ...) that have the same place: (places, ...)."""
    counts = torch.bincount(place).to(values.dtype)
    total = torch.zeros(len(counts), *values.shape[1:], dtype=values.dtype).index_add_(0, place, values)
    return total / counts.reshape(-1, *[1] * (values.ndim - 1))


def _with_others(length: int, keyframe: FrameIndices | None) -> FrameIndices:
    """Return up to 16 frames spread over the cine, and the keyframe."""
    spread = np.linspace(0, length - 1, min(length, STILL_FRAMES)).round().astype(np.int64)
    return np.unique(spread if keyframe is None else np.concatenate([spread, keyframe]))


def _on_frame(cams: Tensor, size: tuple[int, ...], card: ModelCard) -> NDArray[np.float32]:
    height, width = size
    geometry = ClipGeometry(height, width, card.network.clip)
    mapped = np.empty((len(cams), height, width), np.float32)
    for first in range(0, len(cams), AT_ONCE):  # a long cine's padded squares are never held all at once
        mapped[first : first + AT_ONCE] = geometry.to_frame(cams[first : first + AT_ONCE]).numpy()
    return mapped
