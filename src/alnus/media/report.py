"""What became of each video of an ingestion, so that the numbers of a flow diagram add up to the input's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from alnus.media.sources import UNREADABLE


@dataclass(frozen=True)
class Exclusion:
    """A video that is not in the store, and why.

    code: one of `alnus.config.QualityCode`, "still_unusable" or "bad_name".
    """

    video: str
    reason: str
    code: str = UNREADABLE


@dataclass(frozen=True)
class VideoFinding:
    """A row of quality.csv: what is wrong with a video, whether it is left out for it, and the value measured."""

    video: str
    code: str
    severity: str
    text: str


@dataclass(frozen=True)
class IngestReport:
    """What became of each item: decoded now, not usable, or there already. Each in the items' order.

    findings: of every item, the excluded ones' included; an exclusion that the quality gate did not make is one too.
    """

    ingested: list[str]
    excluded: list[Exclusion]
    skipped: list[str]
    findings: list[VideoFinding] = field(default_factory=list)

    @property
    def videos(self) -> int:
        """How many videos went in; equals kept and excluded."""
        return len(self.ingested) + len(self.skipped) + len(self.excluded)

    @property
    def kept(self) -> int:
        """How many are in the store."""
        return len(self.ingested) + len(self.skipped)

    @property
    def read(self) -> int:
        """How many could be read; the rest are those excluded as unreadable."""
        return self.videos - self.excluded_by_code.get(UNREADABLE, 0)

    @property
    def excluded_by_code(self) -> dict[str, int]:
        """How many are excluded for each reason, the most frequent first; each counts once, for its first reason."""
        return dict(Counter(exclusion.code for exclusion in self.excluded).most_common())

    @property
    def warned_by_code(self) -> dict[str, int]:
        """How many of those kept have each warning; a video may have several."""
        out = {exclusion.video for exclusion in self.excluded}
        seen = {(found.video, found.code) for found in self.findings if found.video not in out}
        return dict(Counter(code for _, code in sorted(seen)).most_common())

    def lines(self) -> list[str]:
        """Return the flow of the videos as text, one line a step."""
        steps = [f"videos: {self.videos}", f"read: {self.read}"]
        steps += [f"excluded, {_words(code)}: {number}" for code, number in self.excluded_by_code.items()]
        steps += [f"kept: {self.kept}"]
        return steps + [
            f"kept with a warning, {_words(code)}: {number}" for code, number in self.warned_by_code.items()
        ]


def _words(code: str) -> str:
    return code.replace("_", " ")
