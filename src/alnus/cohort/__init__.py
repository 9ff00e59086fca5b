
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.cohort.readers import reader_table
    from alnus.cohort.splits import assign_folds, assign_splits
    from alnus.cohort.table import Cohort, load_cohort

_HOME = {
    "Cohort": "table",
    "assign_folds": "splits",
    "assign_splits": "splits",
    "load_cohort": "table",
    "reader_table": "readers",
}

__all__ = [
    "Cohort",
    "assign_folds",
    "assign_splits",
    "load_cohort",
    "reader_table",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: pandas takes a second, and `--help` needs none of it."""
    if name in _HOME:
        return getattr(importlib.import_module(f"alnus.cohort.{_HOME[name]}"), name)
    raise AttributeError(f"module 'alnus.cohort' has no attribute '{name}'")
