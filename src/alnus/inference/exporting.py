"""A trained network written for an engine, and compared with PyTorch on real clips before it is."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from alnus.clips import CineSource, Sample
from alnus.errors import UsageError, WeightsError
from alnus.inference.agreement import BOUND, FLOAT_BOUND, Agreement, Answering, agreement, probabilities
from alnus.inference.engines import Precision, TorchEngine, require
from alnus.inference.exported import ENGINE_CARD, FILES, Checked, EngineCard
from alnus.inference.graph import onnx_graph
from alnus.inference.graph_engines import OnnxEngine, OpenVinoEngine, native_bf16, processor, read_graph
from alnus.inference.openvino_layout import interlaces, lay_channels_last
from alnus.inference.predicting import video_clips
from alnus.inference.quantisation import quantised
from alnus.models import ModelCard
from alnus.provenance import write_atomic, write_json

Target = Literal["onnx", "openvino"]


@dataclass(frozen=True)
class Draft:
    """An export that is not written yet. files: name -> content."""

    engine: Target
    int8: bool
    files: dict[str, bytes] = field(repr=False)
    calibration_clips: int = 0

    def open(self, precision: Precision, *, at_once: int = 1) -> OnnxEngine | OpenVinoEngine:
        """Return the engine of it, for so many clips at once."""
        contents = [self.files[name] for name in FILES[self.engine]]
        if self.engine == "onnx":
            return OnnxEngine(contents[0], origin="the export", at_once=at_once)
        return OpenVinoEngine(*contents, origin="the export", precision=precision, at_once=at_once)


def draft_export(network: nn.Module, card: ModelCard, *, to: Target, calibration: Tensor | None = None) -> Draft:
    """Return a network as an engine's files, for any number of clips at once.

    calibration: clips (n, channels, frames, side, side) of training videos, for int8; None: float32. Raises UsageError
    where something is not installed or does not go together, WeightsError where the network cannot be exported.
    """
    require(to, conversion=True)
    if calibration is not None and to != "openvino":
        raise UsageError("int8 is OpenVINO's here: give --to openvino with --int8")
    clip = card.network.clip
    shape = (clip.channels, clip.frames, clip.side_px, clip.side_px)
    graph = onnx_graph(network, shape)
    if to == "onnx":
        return Draft("onnx", False, {FILES["onnx"][0]: graph})
    model = read_graph(graph, origin="the export")
    if interlaces(network):
        lay_channels_last(model)
    if calibration is not None:
        model = quantised(model, calibration)
    calibrated = 0 if calibration is None else len(calibration)
    return Draft("openvino", calibration is not None, _openvino_files(model), calibrated)


def _openvino_files(model: Any) -> dict[str, bytes]:
    import openvino

    with tempfile.TemporaryDirectory(prefix="alnus-") as folder:
        openvino.save_model(model, Path(folder) / FILES["openvino"][0], compress_to_fp16=False)
        return {name: (Path(folder) / name).read_bytes() for name in FILES["openvino"]}


def check_draft(draft: Draft, network: nn.Module, clips: Tensor) -> tuple[Checked, ...]:
    """Return what each precision of an export answers on real clips, against PyTorch in float32.

    Raises WeightsError where float32 itself differs by more than FLOAT_BOUND, for one clip or two at once. That of a
    reduced precision is only recorded: where it passes its bound, `open_predictor` does not use it. int8's loss is for
    the caller to judge.
    """
    reference = Remembered(TorchEngine(network, batch_size=1))
    wanted: tuple[Precision, ...] = ("int8",) if draft.int8 else ("float32",)
    if draft.engine == "openvino" and not draft.int8 and native_bf16():
        wanted = (*wanted, "bf16")
    where = processor() if draft.engine == "openvino" else None
    found = []
    for precision in wanted:
        bound = FLOAT_BOUND if precision == "float32" else BOUND
        agreed = agreement(draft.open(precision), reference, clips)
        if precision == "float32":
            _hold(agreed, draft.engine, f"{agreed.clips} real clips")
            pair = clips[:2].repeat(2, 1, 1, 1, 1)[:2]  # the file is for any number of clips at once
            both = agreement(draft.open(precision, at_once=2), TorchEngine(network), pair)
            _hold(both, draft.engine, "two real clips at once")
        found.append(Checked.of(agreed, precision, bound, where))
    return tuple(found)


def _hold(found: Agreement, engine: str, what: str) -> None:
    if not found.within(FLOAT_BOUND):
        raise WeightsError(
            f"the export to {engine} changed a probability by {found.largest_change:.2g} on {what}, more than "
            f"{FLOAT_BOUND:g}: nothing was written"
        )


class Remembered:
    """An engine that is asked about the same clips again and computes them once."""

    def __init__(self, engine: Answering) -> None:
        self._engine = engine
        self._clips: Tensor | None = None
        self._logits: Tensor | None = None

    def logits(self, clips: Tensor) -> Tensor:
        """Return the engine's logits of the clips."""
        if self._clips is not clips or self._logits is None:
            self._clips, self._logits = clips, self._engine.logits(clips)
        return self._logits


def write_export(
    out: Path, draft: Draft, card: ModelCard, checked: tuple[Checked, ...], *, clips_from: str
) -> EngineCard:
    """Write an export: its files, and `engine.json` last. clips_from: what it was checked on."""
    clip = card.network.clip
    made = EngineCard(
        engine=draft.engine,
        int8=draft.int8,
        input_shape=(clip.channels, clip.frames, clip.side_px, clip.side_px),
        model=card,
        files={name: hashlib.sha256(content).hexdigest() for name, content in draft.files.items()},
        checked=checked,
        calibration_clips=draft.calibration_clips,
        clips_from=clips_from,
    )
    (out / ENGINE_CARD).unlink(missing_ok=True)  # an export that is broken off is none
    for name, content in draft.files.items():
        write_atomic(out / name, content)
    write_json(out / ENGINE_CARD, made.model_dump(mode="json"))
    return made


def paired_scores(
    draft: Draft,
    network: nn.Module,
    card: ModelCard,
    samples: Sequence[Sample],
    store: CineSource,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[float, float]]:
    """Return each patient's score by PyTorch in float32 and by an int8 draft: the mean over the patient's videos."""
    reference, engine = TorchEngine(network, batch_size=card.network.inference.batch_size), draft.open("int8")
    scores: dict[str, list[tuple[float, float]]] = {}
    for done, sample in enumerate(samples, start=1):
        clips = video_clips(card.network, sample, store)
        pair = tuple(float(probabilities(one, clips).mean()) for one in (reference, engine))
        scores.setdefault(sample.patient_id, []).append((pair[0], pair[1]))
        if progress is not None:
            progress(done, len(samples))
    return {patient: _means(pairs) for patient, pairs in scores.items()}


def _means(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(pair[0] for pair in pairs) / len(pairs), sum(pair[1] for pair in pairs) / len(pairs)
