"""What holds for every video of an ingestion beside the limits of decoding."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from alnus.config import QualityConfig
from alnus.provenance import text_sha256


@dataclass(frozen=True)
class Rules:
    """gate: False keeps what the quality gate would exclude, with a warning."""

    quality: QualityConfig = field(default_factory=QualityConfig)
    gate: bool = False

    def fingerprint(self) -> str:
        """Return what an entry remembers of the rules: another gate judges anew."""
        return text_sha256(json.dumps([self.quality.model_dump(mode="json"), self.gate]))[:16]
