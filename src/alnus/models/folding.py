"""A colour network's first convolution for grey input.

Departures: with `grey="normalised"` a border of three pixels, and of the frames that a 3-D kernel reaches over, differs
a little: what lies outside the clip is the mean colour to a colour network, and mid-grey to a grey one.
"""

from __future__ import annotations

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


def folded(state: State, first: str, grey: Grey) -> State:
    """Return the first convolution summed over its three colours, and where needed the mean of its normalisation.

    "repeated": the grey network answers to x as the colour network to x three times. "normalised": it answers to a
    picture normalised for one channel as the colour network to the same picture normalised for three.
    """
    kernel = state[first]
    if grey == "repeated":
        return {first: kernel.sum(1, keepdim=True)}
    shape = (1, 3, *(1,) * (kernel.ndim - 2))
    mean, deviation = (kernel.new_tensor(values).reshape(shape) for values in (IMAGENET_MEAN, IMAGENET_STD))
    constant = (kernel * (GREY_MEAN - mean) / deviation).flatten(1).sum(1)  # what mid-grey is to the colour network
    return {first: (kernel * GREY_STD / deviation).sum(1, keepdim=True)} | _taken_up(state, first, constant)


def _taken_up(state: State, first: str, constant: Tensor) -> State:
    """Return what follows the first convolution with a constant for each of its outputs added."""
    norm = NORM_OF[first]
    if not norm:
        return {"patches.bias": state["patches.bias"] + constant}
    if first == "stem.space.weight":  # between it and the normalisation each channel is summed over its frames
        constant = constant * state["stem.time.weight"].flatten(1).sum(1)
    return {norm: state[norm] - constant}


def needs_folding(state: State, first: str, channels: int) -> bool:
    """Return whether the file's network sees three colours and ours one."""
    return state[first].ndim > 3 and (state[first].shape[1], channels) == (3, 1)
