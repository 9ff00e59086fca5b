"""What could make a study's result wrong though every file is in order: copies, leaks between splits, shortcuts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.cohort.audit.findings import AuditFinding, AuditReport
    from alnus.cohort.audit.run import audit_cohort
    from alnus.cohort.audit.table_identity import audit_table_identity

_HOME = {
    "AuditFinding": "findings",
    "AuditReport": "findings",
    "audit_cohort": "run",
    "audit_table_identity": "table_identity",
}

__all__ = ["AuditFinding", "AuditReport", "audit_cohort", "audit_table_identity"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: SciPy and pandas take a second."""
    if name in _HOME:
        return getattr(importlib.import_module(f"alnus.cohort.audit.{_HOME[name]}"), name)
    raise AttributeError(f"module 'alnus.cohort.audit' has no attribute '{name}'")
