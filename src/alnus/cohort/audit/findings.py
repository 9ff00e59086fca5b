"""What an audit found, worst first, as lines to read and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class AuditFinding:
    """One thing that could make a result wrong.

    code: stable, for programs. text: one line. patients, videos: whom it concerns; empty where it concerns all.
    numbers: what was measured (an AUC, a P value), by name.
    """

    code: str
    severity: Severity
    text: str
    patients: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class AuditReport:
    """All findings of an audit. looked_at: what was compared; not_looked_at: what could not be, and why."""

    findings: tuple[AuditFinding, ...]
    looked_at: tuple[str, ...]
    not_looked_at: tuple[str, ...]

    @property
    def has_errors(self) -> bool:
        """Whether the cohort should not be used as it stands."""
        return any(finding.severity == "error" for finding in self.findings)

    def lines(self) -> list[str]:
        """Return what a user is told: findings, worst first, then what was looked at and what was not."""
        lines = [f"{finding.severity}: {finding.text}" for finding in in_order(self.findings)]
        lines += [] if self.findings else ["nothing was found"]
        return [*lines, *(f"looked at {what}" for what in self.looked_at), *(f"not {w}" for w in self.not_looked_at)]

    def as_json(self) -> dict[str, Any]:
        """Return the report as a mapping that JSON can hold."""
        found = [asdict(finding) | {"numbers": dict(finding.numbers)} for finding in in_order(self.findings)]
        return {
            "has_errors": self.has_errors,
            "findings": [row | {"patients": list(row["patients"]), "videos": list(row["videos"])} for row in found],
            "looked_at": list(self.looked_at),
            "not_looked_at": list(self.not_looked_at),
        }


def in_order(findings: Sequence[AuditFinding]) -> list[AuditFinding]:
    """Return findings by severity, else in the order in which they were made."""
    return sorted(findings, key=lambda finding: ORDER.index(finding.severity))
