"""TIN's interlacing for OpenVINO, which keeps tensors with their channels last.

The product over rows (frame, group) of `PlannedInterlace` would have OpenVINO copy what moves into another order and
back. In its place each frame becomes a weighted sum, channel by channel, of the five that can reach it; means over
pixels and the first channels of a frame are taken as OpenVINO is quickest at. This is written into OpenVINO's graph and
not into the network, whose export would then take a minute.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import nn

from alnus.errors import WeightsError
from alnus.models import FrameResNet
from alnus.models.interlacing import GROUPS, LARGEST_OFFSET

REACH = int(LARGEST_OFFSET)  # frames: what lies further off has no weight
VECTOR = 16  # float32 values that OpenVINO computes at once, with AVX-512


def interlaces(network: nn.Module) -> bool:
    """Return whether a network is a TIN, whose graph `lay_channels_last` may be given."""
    return isinstance(network, FrameResNet) and network.frames is not None


def lay_channels_last(model: Any) -> int:
    """Rewrite a TIN's graph in place, OpenVINO's, for the same numbers; return how many interlacings there were.

    In any other graph a product of two computed matrices may mean something else. Raises WeightsError where one is not
    an interlacing's.
    """
    products = [one for one in model.get_ordered_ops() if one.get_type_name() == "MatMul" and _is_computed(one)]
    for product in products:
        _replace(product)
    for operation in model.get_ordered_ops():
        if _is_over_pixels(operation):
            _pool(operation)
        if _cuts_channels(operation):
            _pick(operation)
    model.validate_nodes_and_infer_types()
    return len(products)


def _is_computed(product: Any) -> bool:
    return all(port.get_node().get_type_name() != "Constant" for port in product.input_values())


def _replace(product: Any) -> None:
    """Put the sums in the place of Reshape(MatMul(matrix, Reshape(moving))). Raises WeightsError."""
    matrix, moving = product.input_value(0), product.input_value(1)
    while moving.get_node().get_type_name() == "Reshape":
        moving = moving.get_node().input_value(0)
    readers = [port.get_node() for port in product.output(0).get_target_inputs()]
    if [reader.get_type_name() for reader in readers] != ["Reshape"]:
        raise _unknown("no reshape behind a product")
    frames = matrix.get_partial_shape()[1].get_length() // GROUPS
    nearness, weight = _before(matrix, "Multiply"), _before(matrix, "Multiply", 1)  # relu(1 - |lag - offset|) * weight
    distance = _before(_before(_before(nearness, "Relu"), "Subtract", 1), "Abs")
    channels, height, width = _size(moving)
    run = _run(channels, height, width)
    weights = _weights(_before(distance, "Subtract", 1), weight, frames, channels, run)
    readers[0].output(0).replace(_sums(weights, moving, run))


def _pool(mean: Any) -> None:
    """Take a mean over pixels by average pooling: OpenVINO's mean of what has channels last is 2 to 6 times as slow."""
    from openvino import opset13 as ops

    _, *size = _size(mean.input_value(0))
    pooled = ops.avg_pool(mean.input_value(0), [1, 1], [0, 0], [0, 0], size, exclude_pad=True)
    mean.output(0).replace(ops.reshape(pooled, [0, 0], special_zero=True).output(0))


def _is_over_pixels(mean: Any) -> bool:
    """Return whether an operation is the mean of (batch, channels, height, width) over the last two."""
    is_mean = mean.get_type_name() == "ReduceMean" and len(mean.get_input_partial_shape(0)) == 4
    return is_mean and not mean.get_attributes()["keep_dims"] and _constants(mean) == [[2, 3]]


def _cuts_channels(cut: Any) -> bool:
    """Return whether an operation takes the first channels of (batch, channels, height, width), and all else."""
    if cut.get_type_name() != "Slice" or len(cut.get_input_partial_shape(0)) != 4:
        return False
    start, _, *step_and_axis = _constants(cut)
    return start == [0] and step_and_axis == [[1], [1]]


def _constants(operation: Any) -> list[list[int] | None]:
    """Return what an operation's further inputs hold; None: it is computed."""
    nodes = [port.get_node() for port in operation.input_values()[1:]]
    return [node.data.ravel().tolist() if node.get_type_name() == "Constant" else None for node in nodes]


def _pick(cut: Any) -> None:
    """Take the first channels by a convolution whose weights are 0 and 1.

    It is exact, and as fast; what it reads OpenVINO then keeps in 8 bits, where the others that read it do.
    """
    from openvino import opset13 as ops

    kept, channels = _size(cut.output(0))[0], _size(cut.input_value(0))[0]
    picked = ops.constant(np.eye(kept, channels, dtype=np.float32)[..., None, None])
    made = ops.convolution(cut.input_value(0), picked, [1, 1], [0, 0], [0, 0], [1, 1])
    cut.output(0).replace(made.output(0))


def _size(moving: Any) -> list[int]:
    """Return the channels, height and width of (batch, channels, height, width)."""
    return [length.get_length() for length in list(moving.get_partial_shape())[1:]]


def _before(port: Any, kind: str, place: int = 0) -> Any:
    """Return an input of the operation that a port belongs to. Raises WeightsError where that is not of the kind."""
    node = port.get_node()
    if node.get_type_name() != kind:
        raise _unknown(f"a {node.get_type_name()} in the place of a {kind}")
    return node.input_value(place)


def _unknown(what: str) -> WeightsError:
    return WeightsError(f"OpenVINO's graph of this TIN is not one that Alnus knows ({what}): take engine onnx or eager")


def _sums(weights: list[list[Any]], moving: Any, run: int) -> Any:
    """Return the moved frames, of the shape of `moving`.

    weights: each frame's in each, as from `_weights`. moving: (batch * T, channels, height, width), not negative.
    """
    from openvino import opset13 as ops

    channels, height, width = _size(moving)
    frames = len(weights)
    # The ReLU changes nothing. A copy that OpenVINO has made itself it reads in any order; the output of a convolution,
    # which a later sum overwrites, it would transpose twice.
    last = ops.transpose(ops.relu(moving), [0, 2, 3, 1])
    shape = [GROUPS, channels // GROUPS] if run == 1 else [run * channels]
    clips = ops.reshape(last, [-1, frames, height * width // run, *shape], special_zero=False)
    each = ops.split(clips, 1, frames).outputs()  # (batch, 1, runs of pixels, ...)
    moved = []
    for frame in range(frames):
        near = range(max(0, frame - REACH), min(frames, frame + REACH + 1))
        terms = [ops.multiply(each[other], weights[frame][other]) for other in near]
        total = terms[0]
        for term in terms[1:]:
            total = ops.add(total, term)
        moved.append(total)
    whole = ops.reshape(ops.concat(moved, 1), [-1, height, width, channels], special_zero=False)
    return ops.transpose(whole, [0, 3, 1, 2]).output(0)


def _run(channels: int, height: int, width: int) -> int:
    """Return how many neighbouring pixels are weighted at once, so that a group of few channels fills a vector.

    1: each pixel by itself, its group's channels with one weight.
    """
    if channels // GROUPS >= VECTOR:
        return 1
    return math.gcd(height * width, max(1, GROUPS * VECTOR // channels))


def _weights(offset: Any, weight: Any, frames: int, channels: int, run: int) -> list[list[Any]]:
    """Return each frame's weights in each frame: (batch, 1, 1, 4, 1), or (batch, 1, 1, channels of a run of pixels).

    offset, weight: (batch, 4 T, 1), of each row (frame, group). No group has a weight in another.
    """
    from openvino import opset13 as ops

    time = np.arange(frames, dtype=np.float32)
    lag = ops.constant((time[:, None] - time[None, :])[None, :, :, None])  # (1, T to, T from, 1)
    rows = [ops.reshape(each, [-1, frames, 1, GROUPS], special_zero=False) for each in (offset, weight)]
    one = ops.constant(np.float32(1))
    near = ops.multiply(ops.relu(ops.subtract(one, ops.absolute(ops.subtract(lag, rows[0])))), rows[1])
    pairs = ops.reshape(near, [-1, frames * frames, 1, GROUPS, 1], special_zero=False)
    if run > 1:
        repeats = ops.constant(np.ones((1, 1, run, 1, channels // GROUPS), np.float32))
        pairs = ops.reshape(ops.multiply(pairs, repeats), [-1, frames * frames, 1, run * channels], special_zero=False)
    flat = ops.split(pairs, 1, frames * frames).outputs()
    return [flat[frame * frames : (frame + 1) * frames] for frame in range(frames)]
