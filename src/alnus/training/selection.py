"""Which epoch's weights are kept, and when to stop: by the validation AUC of patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from alnus.clips import Sample


class EpochRow(TypedDict):
    """One epoch of the learning curve, a row of metrics.csv; epochs count from 0."""

    epoch: int
    train_loss: float
    val_loss: float
    val_auc: float
    learning_rate: float


def patient_auc(probabilities: NDArray[np.float64], samples: Sequence[Sample]) -> float:
    """Return the AUC over patients, each scored by the mean output for metastasis of their videos.

    probabilities: (videos,), in the order of `samples`. Both classes must be there.
    """
    patients = [sample.patient_id for sample in samples]
    unique, which = np.unique(np.array(patients), return_inverse=True)
    means = np.bincount(which, weights=probabilities) / np.bincount(which)
    labels = np.zeros(len(unique), np.int64)
    labels[which] = [sample.label or 0 for sample in samples]
    return float(roc_auc_score(labels, means))


def best_epoch(history: Sequence[EpochRow]) -> int:
    """Return the epoch with the highest validation AUC; among equals the lowest validation loss, then the earliest."""
    return max(range(len(history)), key=lambda epoch: (history[epoch]["val_auc"], -history[epoch]["val_loss"]))


def epochs_without_rise(history: Sequence[EpochRow]) -> int:
    """Return how many epochs have passed since the validation AUC last reached a new height."""
    aucs = [row["val_auc"] for row in history]
    return len(aucs) - 1 - aucs.index(max(aucs))
