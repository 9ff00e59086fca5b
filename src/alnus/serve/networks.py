"""The networks that the room answers with: loaded once, each with what its run froze on the validation patients."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from alnus import models
from alnus.errors import WeightsError
from alnus.serve.risk import Risks, read_risks
from alnus.study.single import model_directories

if TYPE_CHECKING:
    from alnus.models import ModelCard

_COMPUTING = threading.Lock()  # one network at a time: it takes every core, and memory stays bounded


@dataclass(frozen=True)
class ServedModel:
    """A trained network and its run's statements. key: its name and the first of its weights' SHA-256."""

    directory: Path
    card: ModelCard
    risks: Risks
    computing: threading.Lock = field(default=_COMPUTING, repr=False)

    @property
    def version(self) -> str:
        """Twelve digits that change with the weights."""
        return (self.card.weights_sha256 or "unknown")[:12]

    @property
    def key(self) -> str:
        """What results and files are kept under: letters, digits, "_", "." and "-" alone."""
        fold = "" if self.card.fold is None else f".fold{self.card.fold}"
        return f"{re.sub('[^A-Za-z0-9_-]', '_', self.card.source)}{fold}-{self.version}"

    @cached_property
    def network(self) -> models.Network:
        """The network, read when it is first needed. Raises WeightsError."""
        with self.computing:
            return models.load_model(self.directory)[0]


def served_models(paths: Sequence[Path]) -> tuple[ServedModel, ...]:
    """Return the networks at these directories, or in these runs, by their cards. Raises WeightsError."""
    found: dict[str, ServedModel] = {}
    for path in paths:
        for directory in model_directories(path):
            card = models.read_card(directory)
            model = ServedModel(directory, card, read_risks(directory, card))
            found.setdefault(model.key, model)
    if not found:
        raise WeightsError("no network to serve: name a model's directory, or a run's")
    return tuple(found.values())
