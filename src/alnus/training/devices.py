"""Which device, precision and number of processes a configuration means on this machine; needs no Lightning."""

from __future__ import annotations

from typing import Literal

import torch

from alnus.config import TrainingConfig

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def processes(training: TrainingConfig) -> int:
    """Return how many processes train on this machine."""
    if training.devices != "auto":
        return training.devices
    return torch.cuda.device_count() if uses_gpu(training) else 1


def uses_gpu(training: TrainingConfig) -> bool:
    """Say whether the configuration means a CUDA device that is there."""
    return training.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def precision(training: TrainingConfig) -> Precision:
    """Return Lightning's name of the precision, "auto" resolved for the device."""
    if training.precision != "auto":
        return training.precision
    if not uses_gpu(training):
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def channels_last(training: TrainingConfig) -> bool:
    """Return whether tensors shall lie with their channels last, "auto" resolved for the device."""
    if training.memory_format == "auto":
        return not _uses_mps(training)
    return training.memory_format == "channels_last"


def _uses_mps(training: TrainingConfig) -> bool:
    return training.accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available()
