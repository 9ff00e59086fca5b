"""Scores of whole cines: clips spread over a cine, their probabilities averaged; one row a video and network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from alnus.clips import CineSource, Sample, cine_clips
from alnus.clips.sample import GreyFrames
from alnus.config import NetworkConfig
from alnus.errors import AlnusError, MediaError
from alnus.inference.agreement import probabilities
from alnus.inference.engines import TorchEngine
from alnus.inference.exported import card_of
from alnus.inference.opening import Answer, Predictor, open_predictor
from alnus.models import ModelCard

COLUMNS = ("patient_id", "video", "split", "label", "source", "score", "call")
READERS = 2  # threads that shape the next cines' clips while the network works

log = logging.getLogger(__name__)


def predict(
    directories: Sequence[Path],
    samples: Sequence[Sample],
    store: CineSource,
    *,
    splits: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    excluded: list[tuple[str, str]] | None = None,
    device: str | None = None,
    engine: str | None = None,
    precision: str = "auto",
    answers: list[Answer] | None = None,
) -> pd.DataFrame:
    """Return the predictions table of some videos by some trained networks.

    score: the softmax output for metastasis (not calibrated), the mean over the video's clips, in [0, 1]. call is
    empty: it is a patient's and needs a frozen threshold. split comes from `splits` by patient, else it is empty; an
    unknown label is empty.
    A video that cannot be read gets no row: it is logged, and (video, reason) is added to `excluded`.
    device: None takes a GPU where there is one. engine, precision: as `open_predictor`'s; None is what the model's card
    says, PyTorch as in training if nothing. answers: gets which engine answered for each network, in its order.
    Raises WeightsError for a directory that holds no model, UsageError for an engine that cannot be used.
    """
    rows: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    total = len(directories) * len(samples)
    for number, directory in enumerate(directories):
        clips = len(samples) * card_of(directory).network.inference.clips_per_video
        predictor = open_predictor(directory, engine=engine, precision=precision, device=device, clips=clips)
        card = predictor.card
        scored = _scores(predictor, card.network, samples, store)
        for done, (sample, score) in enumerate(scored, start=number * len(samples) + 1):
            if isinstance(score, AlnusError):
                failed.setdefault(sample.video, str(score))
            else:
                rows.append(_row(sample, card, score, splits or {}))
            if progress is not None:
                progress(done, total)
        log.info("%s", predictor.answer)
        if answers is not None:
            answers.append(predictor.answer)
    _report(failed, excluded)
    return _table(rows)


def predict_cine(
    model: nn.Module | Predictor,
    card: ModelCard,
    frames: GreyFrames,
    *,
    keyframe: int | None = None,
    image: NDArray[np.uint8] | None = None,
) -> float:
    """Return the score for metastasis of one cine (T, H, W) uint8 grey by a loaded or opened network.

    keyframe, image: for the image network, which takes the middle frame where neither is given. Raises CohortError for
    a keyframe that the cine does not have.
    """
    clips, _ = cine_clips(
        frames, card.network.clip, card.network.inference.clips_per_video, keyframe=keyframe, image=image
    )
    if isinstance(model, Predictor):
        return float(model.probabilities(clips).mean())
    return float(probabilities(TorchEngine(model, batch_size=card.network.inference.batch_size), clips).mean())


def _scores(
    predictor: Predictor, config: NetworkConfig, samples: Sequence[Sample], store: CineSource
) -> Iterator[tuple[Sample, float | AlnusError]]:
    """Yield each sample's score or why it has none, in order; clips of several videos share a batch."""
    loaded = _loaded(config, samples, store)
    videos_at_once = max(1, config.inference.batch_size // config.inference.clips_per_video)
    while group := list(islice(loaded, videos_at_once)):
        readable = [clips for _, clips in group if isinstance(clips, Tensor)]
        scores = iter(_means(predictor, readable))
        for sample, clips in group:
            yield sample, clips if isinstance(clips, AlnusError) else next(scores)


def _loaded(
    config: NetworkConfig, samples: Sequence[Sample], store: CineSource
) -> Iterator[tuple[Sample, Tensor | AlnusError]]:
    """Yield each sample's clips or why there are none; a few cines are read ahead."""

    def load(sample: Sample) -> Tensor | AlnusError:
        try:
            return video_clips(config, sample, store)
        except AlnusError as error:
            return error
        except (OSError, ValueError, KeyError) as error:  # a damaged store must not end the study
            return MediaError(f"{sample.video}: cannot be read from the store ({' '.join(str(error).split())})")

    with ThreadPoolExecutor(READERS) as readers:
        waiting = [(sample, readers.submit(load, sample)) for sample in samples[: 2 * READERS]]
        coming = iter(samples[2 * READERS :])
        while waiting:
            sample, future = waiting.pop(0)
            waiting += [(later, readers.submit(load, later)) for later in islice(coming, 1)]
            yield sample, future.result()


def video_clips(config: NetworkConfig, sample: Sample, store: CineSource) -> Tensor:
    """Return the clips (clips, channels, frames, side, side) that stand for one video.

    Raises CohortError, MediaError.
    """
    image = store.image(sample.video) if config.clip.sampling == "keyframe" else None
    frames = store.frames(sample.video)
    clips, _ = cine_clips(frames, config.clip, config.inference.clips_per_video, keyframe=sample.keyframe, image=image)
    return clips


def _means(predictor: Predictor, videos: Sequence[Tensor]) -> list[float]:
    """Return the mean probability over each video's clips."""
    if not videos:
        return []
    found = predictor.probabilities(torch.cat(list(videos)))
    return [float(part.mean()) for part in torch.split(found, [len(clips) for clips in videos])]


def _row(sample: Sample, card: ModelCard, score: float, splits: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "patient_id": sample.patient_id,
        "video": sample.video,
        "split": splits.get(sample.patient_id),
        "label": sample.label,
        "source": card.source,
        "score": score,
        "call": None,
    }
    return row if card.fold is None else row | {"fold": card.fold}


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the rows with typed columns; labels, calls and folds are whole numbers or missing."""
    columns = [*COLUMNS, "fold"] if any("fold" in row for row in rows) else [*COLUMNS]
    table = pd.DataFrame(rows, columns=columns)
    whole = {name: "Int64" for name in ("label", "call", "fold") if name in columns}
    return table.astype({"patient_id": "str", "video": "str", "source": "str", "score": "float64"} | whole)


def _report(failed: Mapping[str, str], excluded: list[tuple[str, str]] | None) -> None:
    for video, reason in failed.items():
        log.warning("no prediction: %s", reason)
        if excluded is not None:
            excluded.append((video, reason))
