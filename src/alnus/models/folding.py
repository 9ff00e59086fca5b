"""A colour network's first convolution for grey input, and for pictures normalised otherwise.

Departures: with `grey="normalised"` a border of three pixels, and of the frames that a 3-D kernel reaches over, differs
a little: what lies outside the clip is the mean colour to a colour network, and mid-grey to a grey one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from alnus.clips.geometry import GREY_MEAN, GREY_STD, IMAGENET_MEAN, IMAGENET_STD
from alnus.models.checkpoints import State

Grey = Literal["repeated", "normalised"]
NORM_OF = {
    "conv1.weight": "bn1.running_mean",
    "stem.0.weight": "stem.1.running_mean",
    "stem.space.weight": "stem.norm.running_mean",  # X3D
    "patches.weight": "",  # MViT: no normalisation but a bias
}


@dataclass(frozen=True)
class Pixels:
    """How a publisher normalises pictures of 0 to 1 before its network: red, green, blue."""

    mean: tuple[float, float, float] = IMAGENET_MEAN
    deviation: tuple[float, float, float] = IMAGENET_STD


IMAGENET = Pixels()
KINETICS = Pixels((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))  # PySlowFast's and PyTorchVideo's
ECHOPRIME = Pixels(  # its model.py, of 0 to 255
    (29.110628 / 255, 28.076836 / 255, 29.096405 / 255), (47.989223 / 255, 46.456997 / 255, 47.20083 / 255)
)


def folded(state: State, first: str, grey: Grey) -> State:
    """Return the first convolution summed over its three colours, and where needed the mean of its normalisation.

    "repeated": the grey network answers to x as the colour network to x three times. "normalised": it answers to a
    picture normalised for one channel as the colour network to the same picture normalised for three.
    """
    if grey == "repeated":
        return {first: state[first].sum(1, keepdim=True)}
    return adapted(state, first, IMAGENET, channels=1)


def adapted(state: State, first: str, theirs: Pixels, *, channels: int) -> State:
    """Return the first convolution, and what follows it, for a picture as `alnus.clips` normalises it.

    The network then answers to it as the file's network to the same picture as its publisher normalises it.
    """
    kernel = state[first]
    shape = (1, 3, *(1,) * (kernel.ndim - 2))
    ours = IMAGENET if channels == 3 else Pixels((GREY_MEAN,) * 3, (GREY_STD,) * 3)
    our_mean, our_deviation, mean, deviation = (
        kernel.new_tensor(values).reshape(shape)
        for values in (ours.mean, ours.deviation, theirs.mean, theirs.deviation)
    )
    constant = (kernel * (our_mean - mean) / deviation).flatten(1).sum(1)  # what our zero is to the file's network
    scaled = kernel * our_deviation / deviation
    return {first: scaled if channels == 3 else scaled.sum(1, keepdim=True)} | _taken_up(state, first, constant)


def _taken_up(state: State, first: str, constant: Tensor) -> State:
    """Return what follows the first convolution with a constant for each of its outputs added.

    What is missing or of another shape stays as it is, for the reader to refuse.
    """
    norm = NORM_OF[first]
    if first == "stem.space.weight":  # between it and the normalisation each channel is summed over its frames
        through = state.get("stem.time.weight")
        if through is None or len(through) != len(constant):
            return {}
        constant = constant * through.flatten(1).sum(1)
    follows = state.get(norm or "patches.bias")
    if follows is None or follows.shape != constant.shape:
        return {}
    return {norm: follows - constant} if norm else {"patches.bias": follows + constant}


def sees_colours(state: State, first: str) -> bool:
    """Return whether the file's first convolution is there and sees three colours."""
    kernel = state.get(first)
    return kernel is not None and kernel.ndim > 3 and kernel.shape[1] == 3 and kernel.is_floating_point()
