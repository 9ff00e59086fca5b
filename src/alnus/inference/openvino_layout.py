"""TIN's interlacing for OpenVINO, which keeps tensors with their channels last.

The product over rows (frame, group) of `PlannedInterlace` would have OpenVINO copy what moves into another order and
back. In its place each frame becomes a weighted sum, channel by channel, of the five that can reach it. This is written
into OpenVINO's graph and not into the network, whose export would then take a minute.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from alnus.models import FrameResNet
from alnus.models.interlacing import GROUPS, LARGEST_OFFSET

REACH = int(LARGEST_OFFSET)  # frames: what lies further off has no weight


def interlaces(network: nn.Module) -> bool:
    """Return whether a network is a TIN, whose graph `lay_channels_last` may be given."""
    return isinstance(network, FrameResNet) and network.frames is not None


def lay_channels_last(model: Any) -> int:
    """Rewrite each interlacing of a TIN's graph in place, OpenVINO's; return how many there were.

    The same numbers. In any other graph a product of two computed matrices may mean something else.
    """
    products = [one for one in model.get_ordered_ops() if one.get_type_name() == "MatMul" and _is_computed(one)]
    for product in products:
        _replace(product)
    model.validate_nodes_and_infer_types()
    return len(products)


def _is_computed(product: Any) -> bool:
    return all(port.get_node().get_type_name() != "Constant" for port in product.input_values())


def _replace(product: Any) -> None:
    """Put the sums in the place of Reshape(MatMul(matrix, Reshape(moving)))."""
    matrix, moving = product.input_value(0), product.input_value(1)
    while moving.get_node().get_type_name() == "Reshape":
        moving = moving.get_node().input_value(0)
    (result,) = (port.get_node() for port in product.output(0).get_target_inputs())
    result.output(0).replace(_sums(matrix, moving))


def _sums(matrix: Any, moving: Any) -> Any:
    """Return the moved frames, of the shape of `moving`.

    matrix: (batch, 4 T, 4 T). moving: (batch * T, channels, height, width), not negative.
    """
    from openvino import opset13 as ops

    channels, height, width = (size.get_length() for size in list(moving.get_partial_shape())[1:])
    frames = matrix.get_partial_shape()[1].get_length() // GROUPS
    # The ReLU changes nothing. A copy that OpenVINO has made itself it reads in any order; the output of a convolution,
    # which a later sum overwrites, it would transpose twice.
    last = ops.transpose(ops.relu(moving), [0, 2, 3, 1])
    clips = ops.reshape(last, [-1, frames, height * width, GROUPS, channels // GROUPS], special_zero=False)
    each = ops.split(clips, 1, frames).outputs()  # (batch, 1, pixels, 4, a group's channels)
    weights = _weights(matrix, frames)
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


def _weights(matrix: Any, frames: int) -> list[list[Any]]:
    """Return each frame's weights in each frame, (batch, 1, 1, 4, 1): between groups the matrix holds only zeros."""
    from openvino import opset13 as ops

    apart = ops.reshape(matrix, [-1, frames, GROUPS, frames, GROUPS], special_zero=False)
    grouped = ops.transpose(ops.reduce_sum(apart, [4]), [0, 1, 3, 2])  # (batch, T to, T from, 4)
    pairs = ops.reshape(grouped, [-1, frames * frames, 1, GROUPS, 1], special_zero=False)
    flat = ops.split(pairs, 1, frames * frames).outputs()
    return [flat[frame * frames : (frame + 1) * frames] for frame in range(frames)]
