"""A 3-D network's weights from a 2-D network's, so that it sees in a still what the 2-D network sees.

Source: Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017, section 2.4.1: each kernel is repeated
over its T frames and divided by T.
Departures: R(2+1)D, whose kernels are split by a rectifier, has no published inflation. Here the plane kernel becomes
the convolution in space, its outputs pass the rectifier lifted above zero, and the convolution in time begins as its
middle frame alone; what the plane has no outputs for keeps its random kernels and begins with no say.
"""

from __future__ import annotations

import torch
from torch import Tensor

from alnus.models.checkpoints import State
from alnus.models.dialects import renamed
from alnus.models.resnet_dialects import PLAIN_TO_3D

LIFT = 6.0  # deviations by which R(2+1)D's middle channels are lifted over its rectifier; what lies below is cut
EPSILON = 1e-5  # of every normalisation here


def inflated(plane: State, own: State) -> State:
    """Return a 2-D ResNet's tensors as those of the 3-D network whose tensors are `own`.

    What does not fit keeps its key or its shape, for the reader to refuse.
    """
    state = renamed(plane, PLAIN_TO_3D)
    for key in [key for key in state if key.endswith(".0.weight") and ".downsample." not in key]:
        unit = key.removesuffix(".0.weight")
        inner, outer = ("stem.", "stem.4.") if unit == "stem" else (f"{unit}.0.", f"{unit}.1.")
        if f"{inner}3.weight" in own:
            norm = {name: state.pop(f"{unit}.1.{name}") for name in NORM if f"{unit}.1.{name}" in state}
            state |= _split(state.pop(key), norm, inner, outer, own)
    return {key: _repeated(value, own.get(key)) for key, value in state.items()}


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _repeated(value: Tensor, own: Tensor | None) -> Tensor:
    """Repeat a plane kernel over the frames of ours, and divide it by their number."""
    if own is None or value.ndim != 4 or own.ndim != 5:
        return value
    frames = own.shape[2]
    return value.unsqueeze(2).expand(-1, -1, frames, -1, -1) / frames


def _split(kernel: Tensor, norm: State, inner: str, outer: str, own: State) -> State:
    """Return the tensors of a factorised convolution that answers as a plane one with its normalisation does."""
    space, time = own[f"{inner}0.weight"].clone(), torch.zeros_like(own[f"{inner}3.weight"])
    outputs = len(kernel)
    if len(space) < outputs or len(time) != outputs or space[0, :, 0].shape != kernel[0].shape:
        return {f"{inner}0.weight": kernel.unsqueeze(2)}
    space[:outputs, :, 0] = kernel
    each = torch.arange(outputs)
    time[each, each, time.shape[2] // 2] = 1
    mean, variance = space.new_zeros(len(space)), space.new_ones(len(space))
    mean[:outputs], variance[:outputs] = norm["running_mean"], norm["running_var"]
    # the middle normalises as the plane network does, LIFT higher; the outer takes LIFT off and scales
    return {
        f"{inner}0.weight": space,
        f"{inner}1.weight": torch.ones_like(mean),
        f"{inner}1.bias": torch.full_like(mean, LIFT),
        f"{inner}1.running_mean": mean,
        f"{inner}1.running_var": variance,
        f"{inner}3.weight": time,
        **{f"{outer}{name}": value for name, value in norm.items()},
        f"{outer}running_mean": torch.full_like(norm["running_mean"], LIFT),
        f"{outer}running_var": torch.full_like(norm["running_var"], 1 - EPSILON),
    }
