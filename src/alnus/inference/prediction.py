"""From trained networks and a cine store to the predictions table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from alnus.clips.dataset import EvaluationClips, cine_clips
from alnus.clips.sample import CineSource, GreyFrames, Sample
from alnus.models import ModelCard, load_model

COLUMNS = ["patient_id", "video", "split", "label", "source", "score", "call"]
Progress = Callable[[int, int], None]
METASTASIS = 1  # the index of the positive class


def predict(
    directories: Sequence[Path],
    samples: Sequence[Sample],
    store: CineSource,
    *,
    splits: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the predictions table: one row a network and video, `call` empty, for thresholds are not known here.

    directories: of trained networks; splits: patient -> split, "" where it is None. score: the probability of
    metastasis, the mean over the video's clips. progress: called with (networks done, networks in all).
    Raises WeightsError for a directory that holds no network, CohortError for a keyframe that a cine does not have.
    """
    tables = []
    for done, directory in enumerate(directories, start=1):
        model, card = load_model(directory, device=device())
        tables.append(_table(model, card, samples, store, splits or {}))
        if progress is not None:
            progress(done, len(directories))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def device() -> torch.device:
    """Return the device to predict on: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _table(
    model: nn.Module, card: ModelCard, samples: Sequence[Sample], store: CineSource, splits: Mapping[str, str]
) -> pd.DataFrame:
    scores = video_scores(model, card, samples, store)
    table = pd.DataFrame(
        {
            "patient_id": [sample.patient_id for sample in samples],
            "video": [sample.video for sample in samples],
            "split": [splits.get(sample.patient_id, "") for sample in samples],
            "label": pd.array([sample.label for sample in samples], dtype="Int64"),
            "source": card.source,
            "score": scores,
            "call": pd.array([pd.NA] * len(samples), dtype="Int64"),
        }
    )
    return table if card.fold is None else table.assign(fold=card.fold)


def video_scores(
    model: nn.Module, card: ModelCard, samples: Sequence[Sample], store: CineSource
) -> NDArray[np.float64]:
    """Return each sample's probability of metastasis, (samples,): the mean over its clips."""
    settings = card.network.inference
    clips = EvaluationClips(samples, store, card.network.clip, clips_per_video=settings.clips_per_video)
    loader = DataLoader(clips, batch_size=settings.batch_size)
    probabilities = [_probabilities(model, batch) for batch, _ in loader]
    if not probabilities:
        return np.empty(0)
    return torch.cat(probabilities).reshape(len(samples), clips.clips_per_sample).mean(dim=1).numpy()


def predict_cine(model: nn.Module, card: ModelCard, frames: GreyFrames, *, keyframe: int | None = None) -> float:
    """Return the probability of metastasis of one cine (T, H, W) grey uint8, the mean over its clips."""
    clips, _ = cine_clips(frames, card.network.clip, card.network.inference.clips_per_video, keyframe=keyframe)
    return float(_probabilities(model, clips).mean())


def _probabilities(model: nn.Module, clips: torch.Tensor) -> torch.Tensor:
    """Return the probability of metastasis of each clip, (clips,) float64 on the CPU."""
    where = next(model.parameters()).device
    with torch.inference_mode():
        logits = model(clips.to(where))
    probabilities: torch.Tensor = logits.double().softmax(dim=1)[:, METASTASIS]
    return probabilities.cpu()
