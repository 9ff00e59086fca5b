"""Grad-CAM over the frames of a clip, from the same pass that gives the probability.

A network is explained through `features(clip)`, its last stage as (batch, channels, frames', height', width'), and
`head(features)`, the logits: whatever is `Explainable` is explained.
Source: Selvaraju et al., "Grad-CAM", ICCV 2017, section 3.
Departures: the map has a time axis. The gradient's mean is taken over space and time; in the networks of frames that is
also each frame's own mean, because their logits are the mean of the frames' logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

METASTASIS = 1  # the class whose evidence is shown
FIRST_STAGE = "layer1"  # of a network whose later stages merge frames: here each is still apart


class Explainable(Protocol):
    """A network of `alnus.models`, or what stands for one: its stages and its head, evaluating."""

    training: bool

    @property
    def merges_frames(self) -> bool:
        """Whether the last stage has fewer frames than the clip."""

    def features(self, clip: Tensor) -> Tensor:
        """Return the last stage, (batch, channels, frames', height', width')."""
        ...

    def head(self, features: Tensor) -> Tensor:
        """Return the logits, (batch, classes)."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return parameters on the device that computes."""
        ...


@dataclass(frozen=True)
class ClipExplanation:
    """What a network makes of each clip of a batch.

    probability: (batch,), of the target class. cells: (batch, frames', height', width'), the Grad-CAM at the last
    stage's own resolution: evidence for the target, not negative, in the logit's unit. size: (frames, height, width) of
    the clip. evidence: (batch, frames), how much each frame says for the target, not negative; None unless asked for.
    measure: in words, what `evidence` is.
    """

    probability: Tensor
    cells: Tensor
    size: tuple[int, int, int]
    evidence: Tensor | None
    measure: str

    @property
    def cam(self) -> Tensor:
        """The map at each pixel of each frame, linear between the cells: (batch, frames, height, width)."""
        return _resized(self.cells, self.size)

    @property
    def frame_cells(self) -> Tensor:
        """The map of each frame, at the last stage's resolution in space: (batch, frames, height', width')."""
        return _resized(self.cells, (self.size[0], self.cells.shape[2], self.cells.shape[3]))


def grad_cam(model: Explainable, clip: Tensor, *, target: int = METASTASIS) -> Tensor:
    """Return the evidence for a class at each pixel of each frame: (batch, frames, height, width), not negative.

    clip: (batch, channels, frames, height, width), as the network takes it. The network must be evaluating.
    The last stage's map, linearly interpolated in space and, where the network merges frames, in time.
    """
    return explain_clip(model, clip, target=target).cam


def explain_clip(
    model: Explainable, clip: Tensor, *, target: int = METASTASIS, with_evidence: bool = False
) -> ClipExplanation:
    """Return the probability and the Grad-CAM of each clip, at the cost of one forward pass.

    The gradient is needed only from the logits back to the last stage, so the stages below record nothing.
    with_evidence: of each frame too. A network whose last stage keeps every frame apart has it from the same pass; of
    the others it is taken where frames still are apart, at the first stage, which costs the way back to there.
    """
    _refuse_training(model)
    with _recording(model, wanted=with_evidence and model.merges_frames) as held:
        features = model.features(clip)  # (batch, channels, frames', height', width')
        if not held:
            features = features.detach().requires_grad_()
    with torch.enable_grad():
        logits = model.head(features)
    gradient, *early = torch.autograd.grad(logits[:, target].sum(), [features, *held])
    size = (clip.shape[2], clip.shape[3], clip.shape[4])
    with torch.no_grad():
        cells, *first = [_map(*stage) for stage in zip([gradient, *early], [features, *held], strict=True)]
        evidence, measure = _evidence(cells, first, frames=size[0]) if with_evidence else (None, "")
        return ClipExplanation(logits.softmax(1)[:, target].detach(), cells.detach(), size, evidence, measure)


def frame_weights(model: Explainable, clip: Tensor, *, target: int = METASTASIS) -> Tensor:
    """Return each frame's share of a clip's evidence for a class: (batch, frames), sum 1 (all 0: no evidence)."""
    return shares(frame_evidence(model, clip, target=target))


def shares(evidence: Tensor) -> Tensor:
    """Divide (..., frames) by its sum over the frames; no evidence stays 0."""
    return evidence / evidence.sum(-1, keepdim=True).clamp_min(torch.finfo(evidence.dtype).tiny)


def frame_evidence(model: Explainable, clip: Tensor, *, target: int = METASTASIS) -> Tensor:
    """Return how much each frame says for a class: (batch, frames), not negative, comparable between clips."""
    evidence = explain_clip(model, clip, target=target, with_evidence=True).evidence
    assert evidence is not None  # it was asked for
    return evidence


def _map(gradient: Tensor, activation: Tensor) -> Tensor:
    """Return Grad-CAM at a stage, (batch, frames', height', width'): its channels, weighed by their mean gradient."""
    return functional.relu((gradient.mean((2, 3, 4), keepdim=True) * activation).sum(1))


def _evidence(cells: Tensor, first: Sequence[Tensor], *, frames: int) -> tuple[Tensor, str]:
    """Return the evidence of each frame, (batch, frames), and what it is in words.

    cells: (batch, frames', height', width'). first: the same at the first stage, where that was recorded.
    """
    if cells.shape[1] == frames:
        return cells.mean((2, 3)), "mean of the frame's Grad-CAM"
    if not first:
        return _in_time(cells.mean((2, 3)), frames), "mean of the Grad-CAM, linear between the stages' merged frames"
    return _in_time(first[0].mean((2, 3)), frames), "mean of the frame's Grad-CAM at the first stage"


def _in_time(evidence: Tensor, frames: int) -> Tensor:
    """Interpolate (batch, fewer) to (batch, frames): a stem that pools frames, as Hara's does, leaves fewer."""
    if evidence.shape[1] == frames:
        return evidence
    return functional.interpolate(evidence[:, None], size=frames, mode="linear", align_corners=False)[:, 0]


def _resized(cells: Tensor, size: tuple[int, int, int]) -> Tensor:
    if tuple(cells.shape[1:]) == size:
        return cells
    return functional.interpolate(cells[:, None], size=size, mode="trilinear", align_corners=False)[:, 0]


@contextmanager
def _recording(model: Explainable, *, wanted: bool) -> Iterator[list[Tensor]]:
    """Compute without a record up to the end of the first stage, with one from there on; without one where not wanted.

    Yields a list that then holds the first stage's output, where there is such a stage.
    """
    held: list[Tensor] = []

    def hold(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        held.append(output.detach().requires_grad_())
        torch.set_grad_enabled(True)  # until the end of `no_grad` below
        return held[0]

    stage = getattr(model, FIRST_STAGE, None) if wanted else None
    handle = None if stage is None else stage.register_forward_hook(hold)
    try:
        with torch.no_grad():
            yield held
    finally:
        if handle is not None:
            handle.remove()


def _refuse_training(model: Explainable) -> None:
    if model.training:
        raise ValueError("the network is in training mode, where its answer is random: call .eval() first")
