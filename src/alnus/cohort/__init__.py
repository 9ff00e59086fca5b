"""Who is in the study: the patients' table, labels, partitions, readers, and the cohort's description."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.cohort.aln_ultra import AlnUltraReport, from_aln_ultra
    from alnus.cohort.description import flow, table_by_center, table_one
    from alnus.cohort.folder import FolderReport, from_folder
    from alnus.cohort.readers import reader_table
    from alnus.cohort.splits import assign_folds, assign_splits
    from alnus.cohort.table import Cohort, load_cohort

_HOME = {
    "AlnUltraReport": "aln_ultra",
    "Cohort": "table",
    "FolderReport": "folder",
    "assign_folds": "splits",
    "assign_splits": "splits",
    "flow": "description",
    "from_aln_ultra": "aln_ultra",
    "from_folder": "folder",
    "load_cohort": "table",
    "reader_table": "readers",
    "table_by_center": "description",
    "table_one": "description",
}

__all__ = [
    "AlnUltraReport",
    "Cohort",
    "FolderReport",
    "assign_folds",
    "assign_splits",
    "flow",
    "from_aln_ultra",
    "from_folder",
    "load_cohort",
    "reader_table",
    "table_by_center",
    "table_one",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: pandas takes a second, and `--help` needs none of it."""
    if name in _HOME:
        return getattr(importlib.import_module(f"alnus.cohort.{_HOME[name]}"), name)
    raise AttributeError(f"module 'alnus.cohort' has no attribute '{name}'")
