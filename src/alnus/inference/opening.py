"""A trained network, opened for answering: which engine, in which precision, and how it was found to be true."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alnus.errors import UsageError, WeightsError
from alnus.inference.agreement import BOUND, CHECKED_CLIPS, FLOAT_BOUND, agreement, probabilities
from alnus.inference.engines import (
    CompiledEngine,
    EngineName,
    Precision,
    TorchEngine,
    check_engine,
    default_device,
    fast_eager,
    installed,
    multiplies_bf16,
    require,
)
from alnus.inference.exported import (
    Checked,
    EngineCard,
    card_of,
    exports_of,
    is_export,
    open_export,
    read_engine_card,
)
from alnus.inference.graph import onnx_graph
from alnus.inference.graph_engines import OnnxEngine, OpenVinoEngine, native_bf16, processor
from alnus.inference.openvino_layout import interlaces
from alnus.models import ModelCard, load_for_inference, load_model, read_card

CONVERSION_PAYS = 64  # clips, from which "auto" converts a network that was not exported
LOWERING_PAYS = 32  # clips, from which bf16 on a CPU saves more than comparing it with float32 costs

log = logging.getLogger(__name__)

Engine = TorchEngine | OnnxEngine | OpenVinoEngine


@dataclass(frozen=True)
class Answer:
    """Which engine answered for a network.

    largest_change: of a probability, against PyTorch in float32, over `checked_clips` clips; None where the engine is
    PyTorch in float32. note: why it was not the one asked for.
    """

    source: str
    engine: EngineName
    precision: Precision
    largest_change: float | None = None
    checked_clips: int = 0
    note: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return what JSON keeps of it."""
        return asdict(self)

    def __str__(self) -> str:
        """Say it to the user."""
        change = f", probabilities within {self.largest_change:.2g} of PyTorch float32" if self.checked_clips else ""
        over = f" on {self.checked_clips} clips" if self.checked_clips else ""
        return (
            f"{self.source}: answered by {self.engine} in {self.precision}{change}{over}{self.note and '; '}{self.note}"
        )


class Predictor:
    """An opened network. The first clips that it sees decide whether a reduced precision may answer.

    card: of the model. answer: the engine that answers, and what was found of it.
    """

    def __init__(self, card: ModelCard, engine: Engine, answer: Answer, *, reference: Path | None, device: str) -> None:
        """Take the directory of the model that PyTorch in float32 shall be compared by; None: it was before."""
        self.card = card
        self.answer = answer
        self._engine = engine
        self._reference = reference
        self._device = device

    def probabilities(self, clips: Tensor) -> Tensor:
        """Return (clips,) probabilities of metastasis, float64 on the CPU. Raises WeightsError."""
        if self._reference is not None and len(clips):
            self._check(clips[:CHECKED_CLIPS])
        return probabilities(self._engine, clips)

    def logits(self, clips: Tensor) -> Tensor:
        """Return the engine's logits (clips, classes), float64 on the CPU; nothing is checked."""
        return self._engine.logits(clips)

    def _check(self, clips: Tensor) -> None:
        """Compare with PyTorch in float32; where the bound is passed, go back to float32 and say so."""
        assert self._reference is not None  # asked before
        network, _ = load_for_inference(self._reference, device=self._device)
        reference = TorchEngine(network, batch_size=1)
        found = agreement(self._engine, reference, clips)
        bound = FLOAT_BOUND if self.answer.precision == "float32" else BOUND
        self._reference = None
        if found.within(bound):
            values = {"largest_change": found.largest_change, "checked_clips": found.clips}
            self.answer = Answer(self.answer.source, self.answer.engine, self.answer.precision, **values)  # type: ignore[arg-type] # numbers
            return
        refused = f"{self.answer.engine} in {self.answer.precision} changed a probability by {found.largest_change:.2g}"
        note = f"{refused} (at most {bound:g} is allowed)"
        log.warning("%s: %s: PyTorch in float32 answers", self.card.source, note)
        self._engine = fast_eager(network, batch_size=self.card.network.inference.batch_size)
        self.answer = Answer(self.card.source, "eager", "float32", note=note)


def open_predictor(
    directory: Path | str,
    *,
    engine: str | None = None,
    precision: str = "auto",
    device: str | None = None,
    clips: int = 1,
) -> Predictor:
    """Return a trained network or an export, opened for answering.

    engine: None is what the model's card says. "eager" is PyTorch with the layers as they were trained;
    "compile", "onnx", "openvino"; "auto" takes what is fastest here: on a CPU OpenVINO where the network was exported
    for it or `clips` are enough to pay for the conversion, else PyTorch with folded normalisations; on a GPU PyTorch.
    precision: "auto" is bf16 in OpenVINO where the processor has it, and in PyTorch by "auto" or "compile" on a GPU
    that has it, or for many clips on a processor with AMX; else float32. int8 only from `alnus export --int8`. What is
    not PyTorch in float32 is compared with it on the first clips.
    clips: that will be asked about, roughly. Raises UsageError for an engine that cannot be used, WeightsError.
    """
    directory = Path(directory)
    engine = engine or card_of(directory).network.inference.engine
    check_engine(engine, precision)
    device = device or default_device()
    if is_export(directory):
        return _from_export(directory, engine, precision, device)
    chosen = _chosen(directory, engine, device, clips)
    if chosen in ("onnx", "openvino"):
        return _from_graph(directory, chosen, precision, device)
    if precision == "auto":
        precision = torch_precision(device, as_trained=engine == "eager", clips=clips)
    return _from_torch(directory, chosen, precision, device, as_trained=engine == "eager")


def _chosen(directory: Path, engine: str, device: str, clips: int) -> EngineName:
    if engine != "auto":
        require(engine)  # type: ignore[arg-type] # checked by check_engine
        return engine  # type: ignore[return-value] # the same
    if device != "cpu" or not installed("openvino"):
        return "eager"
    convertible = clips >= CONVERSION_PAYS and installed("onnx")
    return "openvino" if exports_of(directory, "openvino") or convertible else "eager"


def _from_torch(directory: Path, engine: EngineName, precision: str, device: str, *, as_trained: bool) -> Predictor:
    network, card = load_for_inference(directory, device=device)
    if precision == "int8":
        raise UsageError(
            "PyTorch does not compute in int8 here: `alnus export --to openvino --int8`, then --engine openvino"
        )
    lowered: Precision = precision  # type: ignore[assignment] # checked by check_engine
    batch = card.network.inference.batch_size
    made: TorchEngine
    if engine == "compile":
        made = CompiledEngine(network, precision=lowered, batch_size=batch)
    elif as_trained and lowered == "float32":
        made = TorchEngine(network, batch_size=batch)
    else:
        made = fast_eager(network, precision=lowered, batch_size=batch)
    exact = engine == "eager" and as_trained and lowered == "float32"
    answer = Answer(card.source, engine, lowered)
    return Predictor(card, made, answer, reference=None if exact else directory, device=device)


def torch_precision(device: str, *, as_trained: bool, clips: int) -> Precision:
    """Return what PyTorch computes in by itself: bf16 where the device multiplies in it and it pays.

    as_trained: in what it was trained in. clips: that will be asked about, roughly.
    """
    if as_trained:
        return "float32"
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if device == "cpu" and clips >= LOWERING_PAYS and multiplies_bf16() else "float32"


def _from_graph(directory: Path, engine: EngineName, precision: str, device: str) -> Predictor:
    """Return an export beside the model, or the model converted for this call."""
    for export in exports_of(directory, engine):
        made = read_engine_card(export)
        same = made.model.weights_sha256 == read_card(directory).weights_sha256
        if same and made.int8 == (precision == "int8"):
            return _from_export(export, engine, precision, device, model=directory)
    if precision == "int8":
        raise WeightsError(
            f"{directory}: has no int8 export; run `alnus export {directory} --to openvino --int8 --clips ...`"
        )
    network, card = load_model(directory)
    clip = card.network.clip
    shape = (clip.channels, clip.frames, clip.side_px, clip.side_px)
    graph = onnx_graph(network, shape)
    lowered = _graph_precision(engine, precision)
    opened: Engine
    if engine == "onnx":
        opened = OnnxEngine(graph, origin=str(directory), device=device)
    else:
        opened = OpenVinoEngine(graph, origin=str(directory), precision=lowered, interlaced=interlaces(network))
    note = "converted for this call; `alnus export` keeps the conversion"
    log.info("%s: %s", card.source, note)
    return Predictor(card, opened, Answer(card.source, engine, lowered), reference=directory, device="cpu")


def _from_export(directory: Path, engine: str, precision: str, device: str, *, model: Path | None = None) -> Predictor:
    """Return an export; `model` is the directory of the network that it was made from, where that is at hand."""
    made = read_engine_card(directory)
    card = made.model if model is None else read_card(model)
    if engine not in ("auto", "eager", made.engine):
        raise UsageError(
            f"{directory}: is an export for {made.engine}; leave --engine out, or give the model's directory"
        )
    require(made.engine)
    lowered: Precision = "int8" if made.int8 else _graph_precision(made.engine, precision)
    if made.int8 and precision not in ("auto", "int8"):
        raise UsageError(f"{directory}: is an int8 export; it does not compute in {precision}")
    model = None if made.int8 else model  # its loss was measured when it was exported
    found, note = _recorded(made, lowered, have_weights=model is not None)
    if note:
        lowered = "float32"
    opened = open_export(directory, precision=lowered, device=device)
    answer = Answer(card.source, made.engine, lowered, note=note)
    if found is not None:
        checked = {"largest_change": found.largest_change, "checked_clips": found.clips}
        answer = Answer(card.source, made.engine, lowered, note=note, **checked)  # type: ignore[arg-type] # numbers
    return Predictor(card, opened, answer, reference=model if found is None else None, device="cpu")


def _recorded(made: EngineCard, precision: Precision, *, have_weights: bool) -> tuple[Checked | None, str]:
    """Return what was found of a precision at the export (None: it must be checked again), and why it may not answer.

    bf16 and fp16 are the processor's: what was found on another one does not count.
    """
    found = made.checked_in(precision)
    reduced = precision in ("bf16", "fp16")
    if reduced and found is not None and found.processor != processor():
        found = None
    if found is None and not have_weights:
        note = f"{precision} was not checked on this processor, and an export has no weights to check it with"
        return made.checked_in("float32"), note if reduced else ""
    if reduced and found is not None and not found.holds:
        note = f"{precision} changed a probability by {found.largest_change:.2g} (at most {found.bound:g} is allowed)"
        return made.checked_in("float32"), note
    return found, ""


def _graph_precision(engine: EngineName, precision: str) -> Precision:
    if precision == "auto":
        return "bf16" if engine == "openvino" and native_bf16() else "float32"
    check_engine(engine, precision)
    return precision  # type: ignore[return-value] # checked
