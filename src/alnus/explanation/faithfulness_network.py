"""What a network does when its heatmap is taken at its word: parts removed or shown in order, weights made random."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from alnus.explanation.attribution import METASTASIS, ClipExplanation, explain_clip
from alnus.explanation.faithfulness import centre_maps, rank_correlation, ranks
from alnus.models import ModelCard, Network, build_from_config

ORDERS = ("heat", "random", "centre")
BLUR_SHARE = 0.125  # of the side: the standard deviation of what stands in for a removed part; no edge survives it
DRAWS = 4  # random networks a cine is explained by
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Scores of one cine as parts go or come, by order: (shares,) each. shares: 0 to 1, of all pixels of all frames."""

    shares: Scores
    deletion: dict[str, Scores]
    insertion: dict[str, Scores]


def curves(model: Network, clips: Tensor, *, steps: int, generator: np.random.Generator, batch_size: int) -> Curves:
    """Remove the strongest pixels first, or show them first, in the order of the heat, at random and from the centre.

    clips: (clips, channels, frames, side, side), all that the score is made of; it is averaged over them. What is
    removed, or not yet shown, is a strong blur of the frame. The random order is as coarse as the heat.
    """
    found = explain_clip(model, clips)
    maps = {"heat": found.cam.cpu().numpy(), "random": _random_maps(found, generator)}
    frames = (clips.shape[0] * clips.shape[2], clips.shape[3], clips.shape[4])
    maps["centre"] = centre_maps(frames).reshape(maps["heat"].shape)
    shares = np.linspace(0, 1, steps + 1)
    blur = blurred(clips)
    whole, nothing = (_score(model, part, batch_size) for part in (clips, blur))
    deletion, insertion = {}, {}
    for order in ORDERS:
        gone, come = [whole], [nothing]
        places = torch.stack([torch.from_numpy(ranks(each, generator)) for each in maps[order]]).to(clips.device)
        for share in shares[1:-1]:
            marked = (places < round(share * places[0].numel()))[:, None]  # (clips, 1, frames, side, side)
            gone.append(_score(model, torch.where(marked, blur, clips), batch_size))
            come.append(_score(model, torch.where(marked, clips, blur), batch_size))
        deletion[order], insertion[order] = np.array([*gone, nothing]), np.array([*come, whole])
    return Curves(shares, deletion, insertion)


def blurred(clips: Tensor) -> Tensor:
    """Return each frame of (clips, channels, frames, side, side) blurred in space; its mean grey stays."""
    sigma = BLUR_SHARE * clips.shape[-1]
    reach = int(3 * sigma)
    at = torch.arange(-reach, reach + 1, dtype=clips.dtype, device=clips.device)
    kernel = torch.exp(-(at**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    count, channels, frames, height, width = clips.shape
    planes = clips.transpose(1, 2).reshape(-1, 1, height, width)
    across = functional.conv2d(functional.pad(planes, (reach, reach, 0, 0), "replicate"), kernel[None, None, None])
    down = functional.pad(across, (0, 0, reach, reach), "replicate")
    both = functional.conv2d(down, kernel[None, None, :, None])
    return both.reshape(count, frames, channels, height, width).transpose(1, 2)


def randomised(model: Network, card: ModelCard, clips: Tensor, *, seed: int, draws: int = DRAWS) -> dict[str, float]:
    """Make the weights random from the last part to the first, one part more each time; return the similarity by part.

    clips: of one cine. A similarity is the rank correlation of the map, at the last stage's resolution, with that of
    the trained network: 1 the same, 0 nothing in common; the mean over so many random networks, because the sign of a
    random answer turns a map round. Random weights are those of an untrained network.
    """
    before = explain_clip(model, clips).cells.cpu().numpy()
    found: dict[str, list[float]] = {}
    for draw in range(draws):
        for part, altered in _cascade(model, card, seed=seed + draw):
            after = explain_clip(altered, clips).cells.cpu().numpy()
            found.setdefault(part, []).append(rank_correlation(before, after))
    return {part: float(np.mean(similar)) for part, similar in found.items()}


def _cascade(model: Network, card: ModelCard, *, seed: int) -> Iterator[tuple[str, Network]]:
    """Yield a copy of the network with its last part random, then with the one before it too, to the first."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = build_from_config(card.name, card.network, num_classes=len(card.classes), layout=card.layout)
    altered, random = copy.deepcopy(model), fresh.state_dict()
    parts = dict.fromkeys(key.split(".")[0] for key in altered.state_dict())  # the first one first
    for part in reversed(list(parts)):
        mine = {key: value for key, value in random.items() if key.split(".")[0] == part}
        altered.load_state_dict(mine, strict=False)
        yield part, altered


def _random_maps(found: ClipExplanation, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return maps with random cells, laid over the frames as the heat's are."""
    cells = torch.from_numpy(generator.random(found.cells.shape, dtype=np.float32))
    laid: NDArray[np.float32] = ClipExplanation(found.probability, cells, found.size, None, "").cam.numpy()
    return laid


@torch.no_grad()
def _score(model: Network, clips: Tensor, batch_size: int) -> float:
    logits = torch.cat([model(part).double() for part in torch.split(clips, batch_size)])
    return float(logits.softmax(1)[:, METASTASIS].mean())
