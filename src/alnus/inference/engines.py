"""What computes a network: PyTorch as it is or compiled, ONNX Runtime, OpenVINO; one interface for all.

This module loads none of them: each is imported by the function that opens it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from alnus.errors import UsageError
from alnus.inference.folding import folded
from alnus.models import lay_for_device

EngineName = Literal["eager", "compile", "onnx", "openvino"]
EngineChoice = Literal["auto", "eager", "compile", "onnx", "openvino"]
Precision = Literal["float32", "bf16", "fp16", "int8"]
PrecisionChoice = Literal["auto", "float32", "bf16", "fp16", "int8"]
PRECISIONS: dict[EngineName, tuple[Precision, ...]] = {
    "eager": ("float32", "bf16", "fp16"),
    "compile": ("float32", "bf16", "fp16"),
    "onnx": ("float32",),
    "openvino": ("float32", "bf16", "fp16", "int8"),
}
PACKAGES: dict[EngineName, tuple[str, ...]] = {"onnx": ("onnxruntime", "onnx"), "openvino": ("openvino",)}
CONVERTERS = ("onnx", "onnxscript")  # what turns a network into a graph
INSTALL = "pip install 'alnus[engines]'"
REDUCED = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_engine(engine: str, precision: str) -> None:
    """Raise UsageError for an engine or precision that there is not, or that do not go together."""
    if engine not in get_args(EngineChoice):
        raise UsageError(f"engine '{engine}' is not one of {', '.join(get_args(EngineChoice))}")
    if precision not in get_args(PrecisionChoice):
        raise UsageError(f"precision '{precision}' is not one of {', '.join(get_args(PrecisionChoice))}")
    if engine != "auto" and precision != "auto" and precision not in PRECISIONS[engine]:  # type: ignore[index] # checked above
        known = ", ".join(PRECISIONS[engine])  # type: ignore[index] # checked above
        raise UsageError(f"engine {engine} does not compute in {precision}; it does in {known}")


def installed(engine: EngineName) -> bool:
    """Return whether an engine can be used here, without loading it."""
    if engine == "compile":
        return torch.cuda.is_available() or compiler() is not None
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES.get(engine, ()))


def require(engine: EngineName, *, conversion: bool = False) -> None:
    """Raise UsageError, saying what to install, where an engine (or the conversion to it) cannot be used here."""
    if not installed(engine):
        if engine == "compile":
            raise UsageError("engine compile needs a C++ compiler (g++ or clang++, or CXX naming one): install one")
        raise UsageError(f"engine {engine} is not installed: {INSTALL}")
    missing = [name for name in CONVERTERS if importlib.util.find_spec(name) is None]
    if conversion and missing:
        raise UsageError(f"a network cannot be exported without {' and '.join(missing)}: {INSTALL}")


def compiler() -> str | None:
    """Return the C++ compiler that torch.compile would call on a CPU."""
    named = os.environ.get("CXX", "").split()
    return next((found for name in [*named[:1], "g++", "clang++", "c++"] if (found := shutil.which(name))), None)


def default_device() -> str:
    """Return "cuda" where there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class TorchEngine:
    """PyTorch: the network as it is, in float32 or under autocast.

    batch_size: clips at once.
    """

    name: EngineName = "eager"

    def __init__(self, network: nn.Module, *, precision: Precision = "float32", batch_size: int = 8) -> None:
        self.network = network
        self.precision = precision
        self.batch_size = batch_size
        self.device = next(network.parameters()).device

    @torch.inference_mode()
    def logits(self, clips: Tensor) -> Tensor:
        """(clips, channels, frames, height, width) -> (clips, classes) float64 on the CPU."""
        parts = torch.split(clips, self.batch_size)
        return torch.cat([self._part(part.to(self.device)).double().cpu() for part in parts])

    def _part(self, clips: Tensor) -> Tensor:
        if self.precision == "float32":
            result: Tensor = self.network(clips)
            return result
        with torch.autocast(self.device.type, REDUCED[self.precision]):
            lowered: Tensor = self.network(clips)
        return lowered


class CompiledEngine(TorchEngine):
    """torch.compile of the folded network. The first batch of each size takes the compiler's time."""

    name: EngineName = "compile"

    def __init__(self, network: nn.Module, *, precision: Precision = "float32", batch_size: int = 8) -> None:
        require("compile")
        super().__init__(ready(network, precision), precision=precision, batch_size=batch_size)
        self.network = torch.compile(self.network, dynamic=False)  # type: ignore[assignment] # a callable


def multiplies_bf16() -> bool:
    """Return whether PyTorch says that the processor multiplies in bf16 by AMX; older versions say nothing of it."""
    ask: Any = getattr(torch.cpu, "get_capabilities", None)
    return ask is not None and bool(ask().get("amx_bf16"))


def ready(network: nn.Module, precision: Precision) -> nn.Module:
    """Return a copy with the normalisations folded, laid out for its device.

    For a reduced precision the kernels are rounded here, once, as autocast would at each call.
    """
    made = folded(network)
    lay_for_device(made)
    if precision != "float32":
        for module in made.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                module.to(REDUCED[precision])
    return made


def fast_eager(network: nn.Module, *, precision: Precision = "float32", batch_size: int = 8) -> TorchEngine:
    """Return PyTorch with the normalisations folded."""
    return TorchEngine(ready(network, precision), precision=precision, batch_size=batch_size)
