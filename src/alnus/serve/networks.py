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
from alnus.inference import open_for_heat, open_predictor
from alnus.serve.risk import Risks, read_risks
from alnus.study.single import model_directories

if TYPE_CHECKING:
    from alnus.explanation.attribution import Explainable
    from alnus.inference import Predictor
    from alnus.models import ModelCard

MANY = 1000  # clips: a room stays open, so a conversion that takes seconds pays
_SCORING, _EXPLAINING = threading.Lock(), threading.Lock()  # one of each at a time: memory stays bounded


@dataclass(frozen=True)
class ServedModel:
    """A trained network and its run's statements. engine: what scores, as `open_predictor` has it."""

    directory: Path
    card: ModelCard
    risks: Risks
    engine: str = "auto"
    scoring: threading.Lock = field(default=_SCORING, repr=False)
    explaining: threading.Lock = field(default=_EXPLAINING, repr=False)

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
    def explainer(self) -> Explainable:
        """The network for explanations, opened when it is first needed. Raises WeightsError."""
        with self.explaining:
            return open_for_heat(self.directory, engine=self.engine)[0]

    @cached_property
    def predictor(self) -> Predictor:
        """The network for scores, opened when it is first needed. Raises WeightsError, UsageError."""
        with self.scoring:
            return open_predictor(self.directory, engine=self.engine, clips=MANY)


def served_models(paths: Sequence[Path], *, engine: str = "auto") -> tuple[ServedModel, ...]:
    """Return the networks at these directories, or in these runs, by their cards. Raises WeightsError."""
    found: dict[str, ServedModel] = {}
    for path in paths:
        for directory in model_directories(path):
            card = models.read_card(directory)
            model = ServedModel(directory, card, read_risks(directory, card), engine)
            found.setdefault(model.key, model)
    if not found:
        raise WeightsError("no network to serve: name a model's directory, or a run's")
    return tuple(found.values())
