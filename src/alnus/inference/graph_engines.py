"""The engines that run a graph: ONNX Runtime and OpenVINO, from bytes that were checked before."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from alnus.errors import WeightsError
from alnus.inference.engines import EngineName, Precision, require
from alnus.inference.openvino_layout import lay_channels_last

if TYPE_CHECKING:
    import openvino

HINTS: dict[Precision, str] = {"float32": "f32", "bf16": "bf16", "fp16": "f16"}  # of int8: the processor's best
Shape = tuple[int, ...]


class OnnxEngine:
    """ONNX Runtime, in float32. `device` "cuda" takes its CUDA provider where the installed build has it.

    A graph of another's is data: a file that it points to is not opened, and an operation that ONNX Runtime does not
    bring along does not exist.
    """

    name: EngineName = "onnx"
    precision: Precision = "float32"

    def __init__(self, graph: bytes, *, origin: str, device: str = "cpu", at_once: int = 1) -> None:
        """Take an ONNX file; origin: its name, for messages. at_once: clips.

        Raises WeightsError for bytes that are no such graph.
        """
        require("onnx")
        import onnxruntime

        refuse_outside_data(graph, origin=origin)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"] if device == "cuda" else ["CPUExecutionProvider"]
        there = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=there)
        except Exception as error:
            raise WeightsError(f"{origin}: ONNX Runtime cannot read it ({_line(error)}); export it again") from None
        self._input = self._session.get_inputs()[0].name
        self._at_once = at_once

    def shapes(self) -> tuple[Shape, Shape]:
        """Return the shapes of the input and the output after the batch; -1 for a size that is open."""
        first, last = self._session.get_inputs(), self._session.get_outputs()
        if len(first) != 1 or len(last) != 1:
            return (), ()
        return _numbers(first[0].shape[1:]), _numbers(last[0].shape[1:])

    def logits(self, clips: Tensor) -> Tensor:
        """(clips, channels, frames, height, width) -> (clips, classes) float64 on the CPU."""
        parts = [self._session.run(None, {self._input: part.numpy()})[0] for part in torch.split(clips, self._at_once)]
        return torch.from_numpy(np.concatenate(parts)).double()


class OpenVinoEngine:
    """OpenVINO on the CPU, compiled for one clip at a time; an answer does not depend on the clips beside it."""

    name: EngineName = "openvino"

    def __init__(
        self,
        graph: bytes,
        weights: bytes = b"",
        *,
        origin: str,
        precision: Precision = "float32",
        at_once: int = 1,
        interlaced: bool = False,
    ) -> None:
        """Take an ONNX file, or OpenVINO's XML with its weights. at_once: clips, a divisor of their number.

        interlaced: the ONNX file is of a TIN (`alnus.inference.openvino_layout`).

        Raises WeightsError for bytes that are no graph.
        """
        require("openvino")
        refuse_outside_data(graph, origin=origin)
        self.precision = precision
        self._origin = origin
        self._model = read_graph(graph, weights, origin=origin)
        if interlaced:
            lay_channels_last(self._model)
        self._at_once = at_once
        self._request: Any = None

    def shapes(self) -> tuple[Shape, Shape]:
        """Return the shapes of the input and the output after the batch; -1 for a size that is open."""
        if len(self._model.inputs) != 1 or len(self._model.outputs) != 1:
            return (), ()
        return tuple(
            tuple(size.get_length() if size.is_static else -1 for size in list(port.partial_shape)[1:])
            for port in (self._model.input(0), self._model.output(0))
        )  # type: ignore[return-value] # two ports

    def logits(self, clips: Tensor) -> Tensor:
        """(clips, channels, frames, height, width) -> (clips, classes) float64 on the CPU."""
        return self.outputs(clips).double()

    def outputs(self, clips: Tensor) -> Tensor:
        """Return what the graph computes of each clip, float32 on the CPU."""
        if self._request is None:
            self._request = self._compiled(tuple(clips.shape[1:])).create_infer_request()
        parts = [self._request.infer({0: part.numpy()})[0].copy() for part in torch.split(clips, self._at_once)]
        return torch.from_numpy(np.concatenate(parts))

    def _compiled(self, shape: Shape) -> Any:
        wanted: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        if self.precision in HINTS:
            wanted["INFERENCE_PRECISION_HINT"] = HINTS[self.precision]
        try:
            self._model.reshape([self._at_once, *shape])
            return process_core().compile_model(self._model, "CPU", wanted)
        except Exception as error:
            raise WeightsError(f"{self._origin}: OpenVINO cannot run it ({_line(error)}); export it again") from None


@cache
def process_core() -> openvino.Core:
    """Return the one Core of this process, which lives as long.

    On a processor with AMX each Core gives the thread that makes it a stack for signals, and takes it away when it is
    deleted: of two Cores, or in another thread, it leaves a stack that is no more, and the next signal that Python
    handles (Ctrl-C, the end of a loader's worker) ends the process. Found in OpenVINO 2026.4.
    """
    import openvino

    return openvino.Core()


def read_graph(graph: bytes, weights: bytes = b"", *, origin: str) -> Any:
    """Return OpenVINO's model of an ONNX file, or of its own XML and weights. Raises WeightsError."""
    try:
        return process_core().read_model(graph, weights)
    except Exception as error:
        raise WeightsError(f"{origin}: OpenVINO cannot read it ({_line(error)}); export it again") from None


def native_bf16() -> bool:
    """Return whether the processor multiplies in bf16 itself, so that OpenVINO gains by it."""
    require("openvino")
    return "BF16" in process_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def processor() -> str:
    """Return what OpenVINO says that the processor can do, and OpenVINO's version: what a check in bf16 holds for."""
    import openvino

    abilities = process_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return f"OpenVINO {openvino.__version__}: {' '.join(sorted(abilities))}"


def refuse_outside_data(graph: bytes, *, origin: str) -> None:
    """Raise WeightsError for an ONNX file whose weights would be read from other files, wherever it points to."""
    if graph.lstrip()[:1] == b"<":  # OpenVINO's XML, which names no file
        return
    import onnx

    try:
        model = onnx.load_model_from_string(graph)
    except Exception as error:
        raise WeightsError(f"{origin}: is no ONNX file ({_line(error)}); export it again") from None
    for tensor in onnx.external_data_helper._get_all_tensors(model):
        if onnx.external_data_helper.uses_external_data(tensor):
            raise WeightsError(f"{origin}: its weights lie in another file, which is not opened; export it again")


def _numbers(sizes: list[Any]) -> Shape:
    return tuple(size if isinstance(size, int) else -1 for size in sizes)


def _line(error: Exception) -> str:
    """Return an engine's message without the path of its own sources."""
    lines = [line for line in str(error).splitlines() if line.strip() and "src/" not in line]
    return " ".join(" ".join(lines).split())[:200] or type(error).__name__
