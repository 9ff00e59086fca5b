"""The same cines with their motion taken away: shuffled, reversed, frozen to the keyframe, cut to one frame.

Each alteration is made of the clips that the score is made of, so that nothing else changes: shuffled and reversed
clips hold the same frames as the intact ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alnus.clips import CineSource, Sample, cine_clips, clip_tensor, keyframe_index
from alnus.clips.sample import GreyFrames
from alnus.config import NetworkConfig
from alnus.errors import AlnusError, WeightsError
from alnus.models import ModelCard, load_for_inference, read_card

ALTERATIONS = ("shuffled", "reversed", "frozen", "single")
COLUMNS = ("patient_id", "video", "split", "label", "source", "altered", "score")
POSITIVE = 1  # the class whose probability is the score: metastasis


def predict_altered(
    directories: Sequence[Path],
    samples: Sequence[Sample],
    store: CineSource,
    *,
    seed: int,
    splits: Mapping[str, str],
    progress: Callable[[int, int], None] | None = None,
    device: str | None = None,
) -> pd.DataFrame:
    """Return the scores of some videos by some video networks, one row a network, video and alteration.

    An image network, which sees one frame, gets no rows. A video that cannot be read gets none either: the intact
    prediction has said why. The same seed gives the same shuffles, whatever other videos are there.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    rows: list[dict[str, Any]] = []
    moving = [each for each in directories if read_card(each).network.clip.sampling != "keyframe"]
    for number, directory in enumerate(moving):
        network, card = load_for_inference(directory, device=device)
        for done, sample in enumerate(samples, start=number * len(samples) + 1):
            rows += _rows(network, card, sample, store, seed=seed, splits=splits)
            if progress is not None:
                progress(done, len(moving) * len(samples))
    columns = [*COLUMNS, "fold"] if any("fold" in row for row in rows) else [*COLUMNS]
    return pd.DataFrame(rows, columns=columns)


def altered_scores(
    network: nn.Module,
    config: NetworkConfig,
    frames: GreyFrames,
    *,
    generator: np.random.Generator,
    keyframe: int | None = None,
    image: NDArray[np.uint8] | None = None,
) -> dict[str, float]:
    """Return the score of one cine (T, H, W) under each alteration.

    shuffled: each clip's frames in a random order. reversed: each clip backwards. frozen: every frame is the picture
    that an image network sees, the sonographer's still, else the keyframe, else the middle frame. single: that picture
    in the middle of a clip whose other frames are blank (the input's zero). A cine cut to one frame and read as any
    other would have that frame repeated, which is the frozen cine.
    Raises CohortError for a keyframe that the cine does not have.
    """
    clips, _ = cine_clips(frames, config.clip, config.inference.clips_per_video)
    shown = frames[keyframe_index(len(frames), keyframe)] if image is None else image
    picture = clip_tensor(np.asarray(shown)[None], config.clip)  # (channels, 1, side, side)
    altered = {
        "shuffled": shuffled(clips, generator),
        "reversed": clips.flip(2),
        "frozen": picture.expand(-1, clips.shape[2], -1, -1)[None],
        "single": alone(picture, clips.shape[2])[None],
    }
    found = iter(_probabilities(network, torch.cat(list(altered.values())), config.inference.batch_size))
    return {how: float(np.mean([next(found) for _ in range(len(part))])) for how, part in altered.items()}


def shuffled(clips: Tensor, generator: np.random.Generator) -> Tensor:
    """Return clips (clips, channels, frames, height, width), the frames of each in an order of its own."""
    return torch.stack([clip[:, torch.from_numpy(generator.permutation(clip.shape[1]))] for clip in clips])


def alone(picture: Tensor, frames: int) -> Tensor:
    """Return a clip (channels, frames, height, width) of zeros with the picture (channels, 1, ...) in its middle."""
    clip = picture.new_zeros(picture.shape[0], frames, *picture.shape[2:])
    clip[:, frames // 2] = picture[:, 0]
    return clip


def _rows(
    network: nn.Module, card: ModelCard, sample: Sample, store: CineSource, *, seed: int, splits: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    generator = np.random.default_rng([seed, zlib.crc32(sample.video.encode())])
    try:
        frames, image = store.frames(sample.video), store.image(sample.video)
        scores = altered_scores(
            network, card.network, frames, generator=generator, keyframe=sample.keyframe, image=image
        )
    except WeightsError:
        raise
    except (AlnusError, OSError, ValueError, KeyError):  # as in `predict`, which has named the video
        return
    fold = {} if card.fold is None else {"fold": card.fold}
    for how, score in scores.items():
        yield {
            "patient_id": sample.patient_id,
            "video": sample.video,
            "split": splits.get(sample.patient_id),
            "label": sample.label,
            "source": card.source,
            "altered": how,
            "score": score,
        } | fold


@torch.inference_mode()
def _probabilities(network: nn.Module, clips: Tensor, batch_size: int) -> list[float]:
    """Return each clip's probability of metastasis."""
    device = next(network.parameters()).device
    logits = torch.cat([network(part.to(device)).double().cpu() for part in torch.split(clips, batch_size)])
    if not bool(torch.isfinite(logits).all()):
        raise WeightsError("the network's output is not finite: its weights are damaged; train it again")
    probabilities: list[float] = logits.softmax(1)[:, POSITIVE].tolist()
    return probabilities
