"""A network exported for an engine, on disk: the graph, and `engine.json` with the model's card and how true it is.

Files from others are hostile: each is read once, compared with its digest, and given to the engine as bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alnus.errors import WeightsError
from alnus.inference.agreement import Agreement
from alnus.inference.engines import Precision
from alnus.inference.graph_engines import OnnxEngine, OpenVinoEngine
from alnus.models import ModelCard, read_card
from alnus.models.directory import first_problem
from alnus.provenance import now, versions

ENGINE_CARD = "engine.json"
EXPORTS = "engines"  # beside a model's weights: where `predict --engine` looks for its exports
FILES = {"onnx": ("network.onnx",), "openvino": ("network.xml", "network.bin")}
LARGEST_FILE = 4 << 30  # bytes; the largest network here has a twentieth


class Checked(BaseModel):
    """What one precision answered on real clips, against PyTorch in float32. auc_change: None without labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Precision
    clips: int
    largest_change: float
    mean_change: float
    bound: float
    auc_change: float | None = None
    auc_patients: int | None = None
    processor: str | None = None

    @classmethod
    def of(cls, found: Agreement, precision: Precision, bound: float, processor: str | None) -> Checked:
        """Return the record of an agreement."""
        values = {"clips": found.clips, "largest_change": found.largest_change, "mean_change": found.mean_change}
        return cls(precision=precision, bound=bound, processor=processor, **values)

    @property
    def holds(self) -> bool:
        """Return whether the precision may answer."""
        return self.largest_change <= self.bound


class EngineCard(BaseModel):
    """What an export is. model: the card of the network that it was made from. files: SHA-256 of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    engine: Literal["onnx", "openvino"]
    int8: bool = False
    input_shape: tuple[int, int, int, int]
    model: ModelCard
    files: dict[str, str]
    checked: tuple[Checked, ...]
    calibration_clips: int = 0
    clips_from: str
    versions: dict[str, str] = Field(default_factory=versions)
    created: str = Field(default_factory=now)

    def checked_in(self, precision: Precision) -> Checked | None:
        """Return what was found of a precision when the network was exported; None where it was not checked."""
        return next((found for found in self.checked if found.precision == precision), None)


def is_export(directory: Path) -> bool:
    """Return whether a directory holds an export."""
    return (directory / ENGINE_CARD).is_file()


def exports_of(directory: Path, engine: str) -> list[Path]:
    """Return the exports for an engine: of a model's directory those under `engines`, of an export itself."""
    if is_export(directory):
        return [directory] if read_engine_card(directory).engine == engine else []
    found = sorted(card.parent for card in (directory / EXPORTS).glob(f"*/{ENGINE_CARD}"))
    return [path for path in found if read_engine_card(path).engine == engine]


def read_engine_card(directory: Path) -> EngineCard:
    """Return what an export says of itself. Raises WeightsError where that is missing or is none."""
    path = directory / ENGINE_CARD
    try:
        return EngineCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); run `alnus export` again") from None
    except ValidationError as error:
        raise WeightsError(f"{path}: is no export's card ({first_problem(error)}); run `alnus export` again") from None


def card_of(directory: Path) -> ModelCard:
    """Return the model's card of a model's directory or of an export. Raises WeightsError."""
    return read_engine_card(directory).model if is_export(directory) else read_card(directory)


def open_export(directory: Path, *, precision: Precision, device: str = "cpu") -> OnnxEngine | OpenVinoEngine:
    """Return the engine of an export. Raises WeightsError where a file is missing, damaged or another network's."""
    made = read_engine_card(directory)
    clip = made.model.network.clip
    if made.input_shape != (clip.channels, clip.frames, clip.side_px, clip.side_px):
        raise WeightsError(f"{directory}: takes clips of {made.input_shape}, its network other ones; export it again")
    if precision == "int8" and not made.int8:
        raise WeightsError(f"{directory}: is not quantised; run `alnus export --int8 --clips ...`")
    contents = [_read(directory, name, made) for name in FILES[made.engine]]
    origin = str(directory / FILES[made.engine][0])
    engine: OnnxEngine | OpenVinoEngine
    if made.engine == "onnx":
        engine = OnnxEngine(contents[0], origin=origin, device=device)
    else:
        engine = OpenVinoEngine(*contents, origin=origin, precision=precision)
    if engine.shapes() != (made.input_shape, (len(made.model.classes),)):
        raise WeightsError(f"{origin}: the graph is not of the network that {ENGINE_CARD} describes; export it again")
    return engine


def _read(directory: Path, name: str, made: EngineCard) -> bytes:
    path = directory / name
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise WeightsError(f"{path}: is larger than {LARGEST_FILE} bytes; export it again")
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); run `alnus export` again") from None
    if hashlib.sha256(content).hexdigest() != made.files.get(name):
        raise WeightsError(f"{path}: is damaged (not the SHA-256 that {ENGINE_CARD} states); run `alnus export` again")
    return content
