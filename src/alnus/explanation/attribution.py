"""Grad-CAM over the frames of a clip, from the same pass that gives the probability.

Source: Selvaraju et al., "Grad-CAM", ICCV 2017, section 3; for the frames' weights Draelos and Carin, "HiResCAM",
arXiv:2011.08891, section 3.
Departures: the map has a time axis. The gradient's mean is taken over space and time; in the networks of frames that is
also each frame's own mean, because their logits are the mean of the frames' logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from alnus.models import FrameResNet, Network

METASTASIS = 1  # the class whose evidence is shown


@dataclass(frozen=True)
class ClipExplanation:
    """What a network makes of each clip of a batch.

    probability: (batch,), of the target class. cam: (batch, frames, height, width), evidence for the target, not
    negative, in the logit's unit. Both from one forward pass.
    """

    probability: Tensor
    cam: Tensor


def grad_cam(model: Network, clip: Tensor, *, target: int = METASTASIS) -> Tensor:
    """Return the evidence for a class at each pixel of each frame: (batch, frames, height, width), not negative.

    clip: (batch, channels, frames, height, width), as the network takes it. The network must be evaluating.
    The last stage's map, linearly interpolated in space and, where the network halves it, in time.
    """
    return explain_clip(model, clip, target=target).cam


def explain_clip(model: Network, clip: Tensor, *, target: int = METASTASIS) -> ClipExplanation:
    """Return the probability and the Grad-CAM of each clip, at the cost of one forward pass.

    The gradient is needed only from the logits back to the last stage, so the stages below record nothing.
    """
    _refuse_training(model)
    with torch.no_grad():
        features = model.features(clip)  # (batch, channels, frames', height', width')
    features.requires_grad_()
    with torch.enable_grad():
        logits = model.head(features)
        (gradient,) = torch.autograd.grad(logits[:, target].sum(), features)
    with torch.no_grad():
        weights = gradient.mean((2, 3, 4), keepdim=True)
        coarse = functional.relu((weights * features).sum(1, keepdim=True))
        cam = functional.interpolate(coarse, size=clip.shape[2:], mode="trilinear", align_corners=False)[:, 0]
        return ClipExplanation(logits.softmax(1)[:, target], cam)


def frame_weights(model: Network, clip: Tensor, *, target: int = METASTASIS) -> Tensor:
    """Return each frame's share of a clip's evidence for a class: (batch, frames), sum 1 (all 0: no evidence)."""
    return shares(frame_evidence(model, clip, target=target))


def shares(evidence: Tensor) -> Tensor:
    """Divide (..., frames) by its sum over the frames; no evidence stays 0."""
    return evidence / evidence.sum(-1, keepdim=True).clamp_min(torch.finfo(evidence.dtype).tiny)


def frame_evidence(model: Network, clip: Tensor, *, target: int = METASTASIS, cam: Tensor | None = None) -> Tensor:
    """Return how much each frame says for a class: (batch, frames), not negative, comparable between clips.

    A network of frames: the mean of each frame's Grad-CAM (`cam`, where it is known already). A 3-D network, whose last
    stage has merged eight frames into one: gradient times activation at the first stage, where every frame is still
    apart, summed over channels, the positive part averaged over the frame; that costs a backward pass more.
    """
    if not isinstance(model, FrameResNet):
        return _first_stage_evidence(model, clip, target).mean((2, 3))
    return (grad_cam(model, clip, target=target) if cam is None else cam).mean((2, 3))


def weight_measure(model: Network) -> str:
    """Return in words what `frame_evidence` measures for this network."""
    if isinstance(model, FrameResNet):
        return "mean of the frame's Grad-CAM"
    return "positive gradient times activation of the frame at the first stage"


def _first_stage_evidence(model: Network, clip: Tensor, target: int) -> Tensor:
    """Return the positive evidence at the first stage: (batch, frames, height', width')."""
    _refuse_training(model)
    held: list[Tensor] = []

    def hold(_module: torch.nn.Module, _inputs: object, output: Tensor) -> Tensor:
        held.append(output.detach().requires_grad_())
        return held[0]

    handle = model.layer1.register_forward_hook(hold)
    try:
        with torch.enable_grad():
            logits = model(clip)
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(logits[:, target].sum(), held[0])
    evidence = functional.relu((gradient * held[0].detach()).sum(1))  # (batch, frames', height', width')
    if evidence.shape[1] == clip.shape[2]:
        return evidence
    # a stem that pools frames, as Hara's does, leaves fewer
    size = (clip.shape[2], *evidence.shape[2:])
    return functional.interpolate(evidence[:, None], size=size, mode="trilinear", align_corners=False)[:, 0]


def _refuse_training(model: Network) -> None:
    if model.training:
        raise ValueError("the network is in training mode, where its answer is random: call .eval() first")
