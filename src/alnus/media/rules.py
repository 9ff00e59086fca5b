"""What holds for every video of an ingestion beside the limits of decoding."""

from __future__ import annotations

import hmac
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from alnus.media.thresholds import Thresholds, usual_thresholds
from alnus.provenance import text_sha256

JUDGEMENT = 5
"""Raised where the sector, the marks or the gate answer otherwise than before, or frames are decoded to other levels:
entries of before are then made anew."""


@dataclass(frozen=True)
class Rules:
    """gate: False keeps what the quality gate would exclude, with a warning.

    dicom_out: where de-identified DICOM files go, None for none. key: that of their UIDs and dates.
    """

    quality: Thresholds = field(default_factory=usual_thresholds)
    gate: bool = False
    dicom_out: Path | None = None
    key: bytes = b""

    def fingerprint(self) -> str:
        """Return what an entry remembers of the rules: another gate judges anew."""
        return text_sha256(json.dumps([JUDGEMENT, asdict(self.quality), self.gate]))[:16]

    def dicom_state(self, patient: str | None) -> str | None:
        """Return what an entry remembers of its DICOM file: another key or patient makes another."""
        if self.dicom_out is None:
            return None
        return hmac.new(self.key, f"alnus dicom out {patient}".encode(), "sha256").hexdigest()[:16]
