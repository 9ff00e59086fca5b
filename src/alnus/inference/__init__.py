"""Trained networks on cines: the predictions table. The names are imported on first use, since they load torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.inference.agreement import Agreement, agreement
    from alnus.inference.explaining import EngineStages, open_for_heat
    from alnus.inference.exported import Checked, EngineCard, card_of, is_export, read_engine_card
    from alnus.inference.exporting import Draft, check_draft, draft_export, paired_scores, write_export
    from alnus.inference.opening import Answer, Predictor, open_predictor
    from alnus.inference.predicting import COLUMNS, predict, predict_cine, video_clips

_HOMES = {
    "Agreement": "agreement",
    "agreement": "agreement",
    "Draft": "exporting",
    "check_draft": "exporting",
    "draft_export": "exporting",
    "paired_scores": "exporting",
    "write_export": "exporting",
    "Checked": "exported",
    "EngineCard": "exported",
    "card_of": "exported",
    "is_export": "exported",
    "read_engine_card": "exported",
    "EngineStages": "explaining",
    "open_for_heat": "explaining",
    "Answer": "opening",
    "Predictor": "opening",
    "open_predictor": "opening",
    "COLUMNS": "predicting",
    "predict": "predicting",
    "predict_cine": "predicting",
    "video_clips": "predicting",
}

__all__ = [
    "COLUMNS",
    "Agreement",
    "Answer",
    "Checked",
    "Draft",
    "EngineCard",
    "EngineStages",
    "Predictor",
    "agreement",
    "card_of",
    "check_draft",
    "draft_export",
    "is_export",
    "open_for_heat",
    "open_predictor",
    "paired_scores",
    "predict",
    "predict_cine",
    "read_engine_card",
    "video_clips",
    "write_export",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
