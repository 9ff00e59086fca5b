"""The heat of a whole cine: the map of every frame, laid back on the stored pixels, and how much each frame says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from alnus.clips import ClipGeometry, clip_tensor, evaluation_indices, keyframe_index
from alnus.clips.sample import FrameIndices, GreyFrames
from alnus.config import ClipConfig
from alnus.explanation.attribution import ClipExplanation, Explainable, explain_clip, shares
from alnus.explanation.tiling import tiles
from alnus.inference import predict_cine
from alnus.models import ModelCard, Network

Map = NDArray[np.float32]  # (height, width)


@dataclass(frozen=True)
class CineHeat:
    """Evidence for metastasis over a cine (T, height, width).

    probability: the score, the mean over the evaluation clips. cells: (T, height', width'), the Grad-CAM of every frame
    at the last stage's resolution, logit's unit; a frame that lies in several clips has their mean. evidence: (T,), how
    much each frame says, and measure what that is. scored: the frames of which the score was made.
    answered: the frame that alone gave an image network's score; None for the others.
    still: (height', width'), the cells of the sonographer's still, where that alone gave the score; still_size of it.
    """

    probability: float
    cells: NDArray[np.float32]
    evidence: NDArray[np.float64]
    measure: str
    size: tuple[int, int]
    clip: ClipConfig
    scored: FrameIndices
    answered: int | None = None
    still: Map | None = None
    still_size: tuple[int, int] | None = None

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Each frame's share of the evidence, (T,); all 0 where there is none."""
        weights: NDArray[np.float64] = shares(torch.from_numpy(self.evidence)).numpy()
        return weights

    @cached_property
    def maximum(self) -> float:
        """The largest cell of any frame or the still; 0 where the network found no evidence."""
        return float(max(self.cells.max(), 0.0 if self.still is None else self.still.max()))

    @property
    def heaviest(self) -> int:
        """The frame that the network weighs most."""
        return int(self.weights.argmax())

    @property
    def fineness(self) -> str:
        """The heat's own resolution, such as "2 x 2", before it is laid on the frame."""
        return f"{self.cells.shape[1]} x {self.cells.shape[2]}"

    def title(self, frame: int) -> str:
        """Name a frame, and say so where it did not enter the score."""
        return f"frame {frame}" if frame in self.scored else f"frame {frame} (not scored)"

    def at(self, frame: int) -> Map:
        """Return the heat on a frame, (height, width), 0 to 1: as a share of the video's maximum."""
        return self._scaled(self.cells[frame], self.size)

    def on_still(self) -> Map:
        """Return the heat on the still, (height, width), 0 to 1."""
        assert self.still is not None  # asked for only where the still was scored
        assert self.still_size is not None
        return self._scaled(self.still, self.still_size)

    def _scaled(self, cells: Map, size: tuple[int, int]) -> Map:
        if self.maximum <= 0:
            return np.zeros(size, np.float32)
        heat: Map = on_frame(cells[None], size, self.clip)[0] / np.float32(self.maximum)
        return heat


def cine_heat(
    model: Network,
    card: ModelCard,
    frames: GreyFrames,
    *,
    keyframe: int | None = None,
    image: NDArray[np.uint8] | None = None,
) -> CineHeat:
    """Explain a network on every frame of one cine (T, H, W), in clips that tile it.

    The score is that of the evaluation clips, as `alnus.inference.predict_cine` gives it: of the still or the keyframe,
    for an image network. Raises CohortError for a keyframe that the cine does not have.
    """
    if keyframe is not None:
        keyframe_index(len(frames), keyframe)
    clip = card.network.clip
    probability = predict_cine(model, card, frames, keyframe=keyframe, image=image)
    cells, evidence, measure = every_frame(model, card, frames)
    is_still = clip.sampling == "keyframe" and image is not None
    count = card.network.inference.clips_per_video
    chosen = [] if is_still else evaluation_indices(len(frames), clip, count, keyframe=keyframe)
    scored = np.unique(np.concatenate(chosen)) if chosen else np.array([], np.int64)
    heat = CineHeat(probability, cells, evidence, measure, (frames.shape[1], frames.shape[2]), clip, scored)
    if clip.sampling != "keyframe":
        return heat
    if image is None:
        return replace(heat, answered=int(scored[0]))
    found = explain_clip(model, _moved(clip_tensor(image[None], clip)[None], model))
    return replace(heat, still=found.cells[0, 0].cpu().numpy(), still_size=(image.shape[0], image.shape[1]))


def every_frame(
    model: Explainable, card: ModelCard, frames: GreyFrames
) -> tuple[NDArray[np.float32], NDArray[np.float64], str]:
    """Return the cells of every frame (T, height', width'), the evidence of every frame (T,), and what that is."""
    clip = card.network.clip
    tiled = tiles(len(frames), clip)
    found = list(_explained(model, frames, tiled, clip, batch_size=card.network.inference.batch_size))
    place = torch.from_numpy(np.concatenate(tiled))
    cells = _averaged(torch.cat([each.frame_cells.flatten(0, 1).cpu() for each in found]), place)
    evidence = _averaged(torch.cat([_known(each.evidence).flatten().double().cpu() for each in found]), place)
    return cells.numpy(), evidence.numpy(), found[0].measure


def on_frame(cells: NDArray[np.float32], size: tuple[int, int], clip: ClipConfig) -> NDArray[np.float32]:
    """Lay the cells (n, height', width') of frames of a size on their pixels: (n, height, width), linear between."""
    side = (clip.side_px, clip.side_px)
    seen = functional.interpolate(torch.from_numpy(cells)[None], side, mode="bilinear", align_corners=False)[0]
    laid: NDArray[np.float32] = ClipGeometry(*size, clip).to_frame(seen).numpy()
    return laid


def _explained(
    model: Explainable, frames: GreyFrames, tiled: Sequence[FrameIndices], clip: ClipConfig, *, batch_size: int
) -> Iterator[ClipExplanation]:
    """Explain the clips, a batch at a time, so that a long cine is never held as a whole."""
    coming = iter(tiled)
    while some := list(islice(coming, batch_size)):
        clips = torch.stack([clip_tensor(np.asarray(frames[indices]), clip) for indices in some])
        yield explain_clip(model, _moved(clips, model), with_evidence=True)


def _moved(clips: Tensor, model: Explainable) -> Tensor:
    return clips.to(next(model.parameters()).device)


def _known(evidence: Tensor | None) -> Tensor:
    assert evidence is not None  # it was asked for
    return evidence


def _averaged(values: Tensor, place: Tensor) -> Tensor:
    """Average the rows (m, ...) that have the same place: (places, ...)."""
    counts = torch.bincount(place).to(values.dtype)
    total = torch.zeros(len(counts), *values.shape[1:], dtype=values.dtype).index_add_(0, place, values)
    return total / counts.reshape(-1, *[1] * (values.ndim - 1))
