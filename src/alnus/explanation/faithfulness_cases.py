"""All that is measured of one network's heatmap of one cine: against its lesion's masks, and against its own score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from alnus.clips.sample import GreyFrames
from alnus.explanation.faithfulness import (
    Masks,
    area_below,
    centre_maps,
    energy,
    lesion_in_view,
    pointing,
    rank_correlation,
    uniform_maps,
)
from alnus.explanation.faithfulness_network import Curves, curves
from alnus.explanation.heat import every_frame, on_frame
from alnus.models import ModelCard, Network

MOST_FRAMES = 64  # of a cine laid over its masks at once, evenly spread: a bound of memory
Measures = dict[str, float | None]


def lesion_measures(
    model: Network, card: ModelCard, frames: GreyFrames, masks: Masks | None, known: NDArray[np.bool_] | None
) -> Measures:
    """Return how the maps of every frame (T, height, width) lie on the lesion, beside maps that know nothing.

    masks: (T, height, width). known: (T,), the frames whose mask is one: all, or the keyframe alone. The frames'
    weights are compared with the lesion's area in view where every mask is known. A measure that cannot be taken, as in
    a cine without evidence, is None.
    """
    cells, evidence, _ = every_frame(model, card, frames)
    found: Measures = {"evidence": float(cells.sum())}
    if masks is None or known is None or not masks.any():
        return found
    some = np.flatnonzero(known)
    some = some[np.unique(np.linspace(0, len(some) - 1, min(len(some), MOST_FRAMES)).round().astype(np.int64))]
    maps = {
        "": on_frame(cells[some], (frames.shape[1], frames.shape[2]), card.network.clip),
        "_uniform": uniform_maps((len(some), *masks.shape[1:])),
        "_centre": centre_maps((len(some), *masks.shape[1:])),
    }
    if not maps[""].any():
        return found
    for name, each in maps.items():
        found[f"pointing{name}"] = pointing(each, masks[some])
        found[f"energy{name}"] = energy(each, masks[some])
    return found | (frame_measures(evidence, masks) if known.all() and evidence.any() else {})


def frame_measures(evidence: NDArray[np.float64], masks: Masks) -> Measures:
    """Return how much of the lesion the heaviest frame shows, as a share of the most that any frame shows.

    Beside it what a frame at random and the middle frame show, and the rank correlation of weight and area.
    """
    areas = lesion_in_view(masks)
    return {
        "frame_lesion": float(areas[int(evidence.argmax())]),
        "frame_lesion_random": float(areas.mean()),
        "frame_lesion_middle": float(areas[len(areas) // 2]),
        "frame_correlation": rank_correlation(evidence, areas),
    }


def perturbation_measures(
    model: Network, clips: Tensor, *, steps: int, generator: np.random.Generator, batch_size: int
) -> tuple[Measures, Curves]:
    """Return the areas below the deletion and insertion curves of each order, and the curves."""
    made = curves(model, clips, steps=steps, generator=generator, batch_size=batch_size)
    found: Measures = {}
    for measure, by_order in (("deletion", made.deletion), ("insertion", made.insertion)):
        for order, scores in by_order.items():
            found[measure if order == "heat" else f"{measure}_{order}"] = area_below(made.shares, scores)
    return found, made
