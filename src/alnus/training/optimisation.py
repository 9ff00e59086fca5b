"""The optimiser and its learning rate: linear warm-up, then a cosine to zero, step by step.

Source: Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5 without restarts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from alnus.config import TrainingConfig


def optimizer_for(parameters: Iterable[nn.Parameter], training: TrainingConfig) -> Optimizer:
    """Return the configured optimiser over all parameters."""
    rate, decay = training.learning_rate, training.weight_decay
    if training.optimizer == "adamw":
        return AdamW(parameters, lr=rate, weight_decay=decay)
    return SGD(parameters, lr=rate, momentum=training.momentum, weight_decay=decay, nesterov=training.momentum > 0)


def total_steps(training: TrainingConfig, steps_per_epoch: int) -> int:
    """Return the number of optimiser steps of a whole training."""
    whole = training.epochs * steps_per_epoch
    return whole if training.max_steps is None else min(whole, training.max_steps)


def rate_schedule(training: TrainingConfig, steps_per_epoch: int) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step, counted from 0: in (0, 1] within the training."""
    whole = total_steps(training, steps_per_epoch)
    warmup = min(round(training.warmup_epochs * steps_per_epoch), whole - 1)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (whole - warmup))))

    return factor
