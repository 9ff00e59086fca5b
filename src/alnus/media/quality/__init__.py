"""The quality gate: what moves in a cine, where its tissue is, what is burned in, and what is wrong with it."""

from __future__ import annotations

from alnus.media.quality.assessment import assess
from alnus.media.quality.findings import Finding, Severity, exclusion, finding, only_warnings
from alnus.media.quality.marks import masked, static_marks
from alnus.media.quality.observing import Observed, Observer, observe
from alnus.media.quality.sector import Sector, find_sector

__all__ = [
    "Finding",
    "Observed",
    "Observer",
    "Sector",
    "Severity",
    "assess",
    "exclusion",
    "find_sector",
    "finding",
    "masked",
    "observe",
    "only_warnings",
    "static_marks",
]
