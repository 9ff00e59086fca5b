"""Between the room and its networks: a cine in, its probability or every frame's heat out.

Here is where another engine, or another explanation, takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alnus.clips import keyframe_index
from alnus.explanation.heat import CineHeat, every_frame
from alnus.inference import predict_cine
from alnus.media import CineStore
from alnus.serve.networks import ServedModel
from alnus.serve.work.ingesting import NAME

HEAT_SIDE_PX = 96  # the longer side of the heat that is kept; the network's own cells are far larger


@dataclass(frozen=True)
class Look:
    """Where in a cine of T frames a network looked.

    heat: (T, height, width) uint8, 255 = most of this video, at most HEAT_SIDE_PX a side. importance: (T,), each
    frame's share of the evidence, all 0 where there is none; measure: what it is.
    """

    heat: NDArray[np.uint8]
    importance: list[float]
    measure: str
    keyframe: int


def probability_of(model: ServedModel, store: CineStore) -> tuple[float, str]:
    """Return a cine's probability for metastasis, and the engine that gave it."""
    predictor = model.predictor
    with model.scoring:
        score = predict_cine(predictor, model.card, store.frames(NAME))
    return score, f"{predictor.answer.engine}, {predictor.answer.precision}"


def prepare(model: ServedModel) -> None:
    """Do once what the first cine would have to wait for: read the network, convert it, compute a clip."""
    predictor, explainer, clip = model.predictor, model.explainer, model.card.network.clip
    frames = np.zeros((max(clip.frames, 2), clip.side_px, clip.side_px), np.uint8)
    with model.scoring:
        predict_cine(predictor, model.card, frames)
    with model.explaining:
        every_frame(explainer, model.card, frames)


def look_at(model: ServedModel, store: CineStore) -> Look:
    """Return where in a cine a network looked."""
    explainer, frames, clip = model.explainer, store.frames(NAME), model.card.network.clip
    with model.explaining:
        cells, evidence, measure = every_frame(explainer, model.card, frames)
    size = _reduced((frames.shape[1], frames.shape[2]))
    heat = CineHeat(0.0, cells, evidence, measure, size, clip, np.array([], np.int64))
    is_still = clip.sampling == "keyframe"  # such a network scored the middle frame alone
    return Look(
        np.stack([_levels(heat, frame) for frame in range(len(frames))]),
        [round(float(share), 6) for share in heat.weights],
        measure,
        keyframe_index(len(frames), None) if is_still else heat.heaviest,
    )


def _levels(heat: CineHeat, frame: int) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(np.clip(heat.at(frame), 0, 1) * 255).astype(np.uint8)
    return levels


def _reduced(size: tuple[int, int]) -> tuple[int, int]:
    """Return a frame's (height, width) with the longer side at most HEAT_SIDE_PX."""
    scale = min(1.0, HEAT_SIDE_PX / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
