"""The line that stands on every page of a report."""

from __future__ import annotations

PHANTOM_BANNER = "PHANTOM COHORT: simulated data, no clinical meaning"
RESEARCH_BANNER = "For research, not for diagnosis"


def banner_of(phantom: bool) -> str:
    """Return the banner of a report; phantom: any of its data are simulated."""
    return PHANTOM_BANNER if phantom else RESEARCH_BANNER
