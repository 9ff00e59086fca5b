"""What the quality gate says of a video: a code, whether it excludes, and one line with the measured value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from alnus.media.thresholds import Thresholds

if TYPE_CHECKING:
    from alnus.config import QualityCode, QualityConfig

Severity = Literal["exclude", "warn"]


@dataclass(frozen=True)
class Finding:
    """One fault of one video. text: one line, free of patient data, beginning with the code in plain words."""

    code: QualityCode
    severity: Severity
    text: str


def finding(code: QualityCode, text: str, config: QualityConfig | Thresholds) -> Finding:
    """Return a finding as severe as the configuration has it."""
    return Finding(code, "exclude" if code in config.exclude else "warn", f"{code.replace('_', ' ')}: {text}")


def exclusion(findings: Sequence[Finding]) -> str | None:
    """Return why the video is left out, the reasons joined by "; ", or None where it is kept."""
    reasons = [found.text for found in findings if found.severity == "exclude"]
    return "; ".join(reasons) or None


def only_warnings(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings as warnings: of a single video that a person asked for nothing is held back."""
    return [Finding(found.code, "warn", found.text) for found in findings]
