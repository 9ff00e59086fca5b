"""A trained network on disk: `model.safetensors`, and `model.json` that says what it is and what it is not."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from alnus.config import NetworkConfig
from alnus.errors import ConfigError, WeightsError
from alnus.models.architectures import Network, build_from_config
from alnus.models.checkpoints import LAYOUT
from alnus.models.layout import TORCHVISION, Layout
from alnus.models.memory_format import lay_for_device
from alnus.models.weights import LoadReport
from alnus.provenance import atomic_path, file_sha256, now, versions, write_json

WEIGHTS = "model.safetensors"
CARD = "model.json"
CLASSES = ("no metastasis", "metastasis")
NOTE = "For research, not for diagnosis. Its accuracy on patients' lymph nodes has not been measured."


class Start(BaseModel):
    """The checkpoint that a training began from, and what became of its tensors (`LoadReport`), counted.

    file: its name. sha256: of the file. origin: what it is and whose. replaced, left: keys; of `left` the first ten.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: str
    origin: str
    loaded: int
    folded: int
    new: int
    replaced: tuple[str, ...]
    left: tuple[str, ...]
    left_count: int
    notes: tuple[str, ...]
    summary: str

    @classmethod
    def of(cls, path: Path, report: LoadReport) -> Start:
        """Return the account of a file that was loaded."""
        return cls(
            file=path.name,
            sha256=file_sha256(path),
            origin=report.origin,
            loaded=len(report.loaded),
            folded=len(report.folded),
            new=len(report.missing),
            replaced=report.replaced,
            left=report.left[:10],
            left_count=len(report.left),
            notes=report.notes,
            summary=str(report),
        )


class ModelCard(BaseModel):
    """What a trained network is. Frozen; an unknown key is an error.

    name: of the network. source: its name in predictions tables. threshold: on the score for metastasis, frozen on
    validation; None before. start: the weights that training began from; None: random ones. aggregation: how a
    patient's videos become the score that it cuts. weights_sha256: of the weights beside the card, layout: of a network
    over space and time; `save_model` fills both in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: str
    network: NetworkConfig
    classes: tuple[str, ...] = CLASSES
    seed: int = 0
    threshold: float | None = None
    aggregation: Literal["mean", "max"] = "mean"
    epoch: int = 0
    validation_auc: float | None = None
    parameters: int = 0
    phantom: bool = False
    cohort_sha256: str | None = None
    fold: int | None = None
    layout: Layout | None = None
    start: Start | None = None
    versions: dict[str, str] = Field(default_factory=versions)
    created: str = Field(default_factory=now)
    note: str = NOTE
    weights_sha256: str | None = None


def save_model(directory: Path, model: nn.Module, card: ModelCard) -> None:
    """Write the weights and their card, each whole or not at all; what the card can know of the model is filled in."""
    layout = getattr(model, "layout", None)
    layout = None if layout == TORCHVISION else layout  # the default is not worth a word
    stated = None if layout is None else {LAYOUT: json.dumps(asdict(layout))}
    state = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with atomic_path(directory / WEIGHTS) as temporary:
        save_file(state, temporary, metadata=stated)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    known = {"parameters": parameters, "weights_sha256": file_sha256(directory / WEIGHTS), "layout": layout}
    write_card(directory, card.model_copy(update=known))


def write_card(directory: Path, card: ModelCard) -> None:
    """Write the card alone, for instance once the threshold is known."""
    write_json(directory / CARD, card.model_dump(mode="json"))


def load_model(directory: Path, *, device: str | torch.device = "cpu") -> tuple[Network, ModelCard]:
    """Return a saved network, evaluating, on a device, and its card.

    Raises WeightsError where a file is missing or damaged, or the two do not belong together.
    """
    card = read_card(directory)
    path = directory / WEIGHTS
    try:
        if card.weights_sha256 is not None and file_sha256(path) != card.weights_sha256:
            raise WeightsError(f"{path}: not the weights that {CARD} describes (SHA-256 differs): save the model again")
        state = load_file(path)
        model = build_from_config(card.name, card.network, num_classes=len(card.classes), layout=card.layout)
    except (OSError, SafetensorError, ConfigError) as error:
        raise WeightsError(f"{path}: cannot be read as the model's weights ({_line(error)})") from None
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path}: does not fit the network that {CARD} describes ({_line(error)})") from None
    return model.to(device).eval(), card


def load_for_inference(directory: Path, *, device: str | torch.device = "cpu") -> tuple[Network, ModelCard]:
    """Return what `load_model` does, laid out for the device: faster, the logits' last digits may differ."""
    model, card = load_model(directory, device=device)
    lay_for_device(model)
    return model, card


def read_card(directory: Path) -> ModelCard:
    """Return the card of a saved network. Raises WeightsError where it is missing or is none."""
    path = directory / CARD
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}): is {directory} a model directory?") from None
    except ValidationError as error:
        raise WeightsError(f"{path}: is not a model card ({first_problem(error)})") from None


def first_problem(error: ValidationError) -> str:
    """Return the first key of a card that is not as it should be, and why."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
