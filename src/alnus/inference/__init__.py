"""Trained networks on cines: the predictions table. The names are imported on first use, since they load torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.inference.predicting import COLUMNS, predict, predict_cine

__all__ = ["COLUMNS", "predict", "predict_cine"]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module("alnus.inference.predicting"), name)
