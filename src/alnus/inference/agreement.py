"""How far an engine's probabilities lie from those of PyTorch in float32, on clips of real videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from alnus.errors import WeightsError

POSITIVE = 1  # the class whose probability is the score: metastasis
BOUND = 0.01  # largest change of a probability that a faster precision may make
FLOAT_BOUND = 1e-4  # the same for an engine that computes in float32
CHECKED_CLIPS = 8  # of the user's, at the first use of a precision


class Answering(Protocol):
    """What turns clips into logits."""

    def logits(self, clips: Tensor) -> Tensor:
        """(clips, channels, frames, height, width) float32 on the CPU -> (clips, classes) float64 on the CPU."""
        ...


@dataclass(frozen=True)
class Agreement:
    """The largest and the mean change of the probability for metastasis, over so many clips."""

    clips: int
    largest_change: float
    mean_change: float

    def within(self, bound: float) -> bool:
        """Return whether no clip's probability changed by more than `bound`; NaN is never within."""
        return self.largest_change <= bound


def probabilities(engine: Answering, clips: Tensor) -> Tensor:
    """Return (clips,) probabilities of metastasis, float64 on the CPU. Raises WeightsError where one is not finite."""
    logits = engine.logits(clips)
    if not bool(torch.isfinite(logits).all()):
        raise WeightsError("the network's output is not finite: its weights are damaged; train it again")
    return logits.softmax(1)[:, POSITIVE]


def agreement(engine: Answering, reference: Answering, clips: Tensor) -> Agreement:
    """Return how far an engine lies from the reference on some clips, at least one."""
    expected = probabilities(reference, clips)
    change = (engine.logits(clips).softmax(1)[:, POSITIVE] - expected).abs()
    change = change.nan_to_num(nan=1.0)  # an engine that answers nothing is as wrong as can be
    return Agreement(len(clips), float(change.max()), float(change.mean()))
