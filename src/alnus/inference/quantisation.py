"""int8 for OpenVINO: weights and activations in 8 bits, the ranges taken from the user's own clips.

What moves TIN's frames stays in floating point: the offsets, the matrix, and the channels until they are moved; each
moved frame is written in 8 bits at once.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
from typing import Any

from torch import Tensor

from alnus.errors import UsageError

QUANTISER = "nncf"
# operations kept from 8 bits
FLOATING = ("AvgPool", "ReduceMean", "ReduceSum", "Sigmoid", "Abs", "Subtract", "Multiply")


def quantised(model: Any, clips: Tensor) -> Any:
    """Return OpenVINO's model with its convolutions in int8, calibrated on clips (n, channels, frames, height, width).

    model: OpenVINO's, of float32. Raises UsageError where the quantiser is not installed.
    """
    nncf = _quantiser()
    model.reshape([1, *clips.shape[1:]])
    names = [operation.friendly_name for operation in model.get_ordered_ops() if _stays_floating(operation)]
    data = nncf.Dataset([clip[None].numpy() for clip in clips])
    with contextlib.redirect_stdout(io.StringIO()):  # it draws bars among a command's output
        made = nncf.quantize(
            model,
            data,
            subset_size=len(clips),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            ignored_scope=nncf.IgnoredScope(names=names),
        )
    made.reshape([-1, *clips.shape[1:]])
    return made


def _stays_floating(operation: Any) -> bool:
    kind = operation.get_type_name()
    if kind == "Convolution":
        return len(operation.output(0).get_partial_shape()) == 3  # over time: TIN's offsets and weights
    if kind == "MatMul":
        return bool(operation.input_value(1).get_node().get_type_name() != "Constant")
    if kind == "Add":
        return _sums_products(operation) or _will_be_moved(operation)
    return kind in FLOATING


def _sums_products(operation: Any) -> bool:
    return any(port.get_source_output().get_node().get_type_name() == "Multiply" for port in operation.inputs())


def _will_be_moved(operation: Any) -> bool:
    """Return whether an addition is copied by a ReLU behind its own, as what moves is (`openvino_layout`)."""
    return any("Relu" in _readers(reader) for reader in _readers(operation).get("Relu", []))


def _readers(operation: Any) -> dict[str, list[Any]]:
    """Return the operations that read an operation's output, by their kind."""
    found: dict[str, list[Any]] = {}
    for port in operation.output(0).get_target_inputs():
        found.setdefault(port.get_node().get_type_name(), []).append(port.get_node())
    return found


def _quantiser() -> Any:
    """Import NNCF such that it sends nothing: it would report its use to its maker."""
    if importlib.util.find_spec(QUANTISER) is None:
        raise UsageError("int8 is not installed: pip install 'alnus[engines]'")
    os.environ["NNCF_CI"] = "1"  # NNCF's own switch: no telemetry; read when it is imported
    with contextlib.redirect_stdout(io.StringIO()):
        import nncf
    nncf.set_log_level(logging.ERROR)
    return nncf
