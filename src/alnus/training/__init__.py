"""Training of one network on one partition, with Lightning; the names are imported on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.training.fitting import FitResult, fit

_HOMES = {"FitResult": "alnus.training.fitting", "fit": "alnus.training.fitting"}

__all__ = ["FitResult", "fit"]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
