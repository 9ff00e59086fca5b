"""Tables, figures, and the report as HTML and PDF, from the files of a run directory alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.report.table_report import write_table_report
    from alnus.report.write import write_report

__all__ = ["write_report", "write_table_report"]


def __getattr__(name: str) -> Any:
    """Import matplotlib, Jinja2 and typst only when a report is written."""
    if name == "write_report":
        from alnus.report.write import write_report

        return write_report
    if name == "write_table_report":
        from alnus.report.table_report import write_table_report

        return write_table_report
    raise AttributeError(f"module 'alnus.report' has no attribute '{name}'")
