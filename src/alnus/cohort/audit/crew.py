"""The copies among a store's cines, sought by processes of one thread each over fingerprints in a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alnus.cohort.audit.comparing import FIELD, answer_to, unpacked, unpacked_copy
from alnus.cohort.audit.copies import LEAST_COPIED, Copy, Progress, Unit, likely_pairs
from alnus.cohort.audit.kept import KeptPrints
from alnus.cohort.audit.search import Field, Rows
from alnus.errors import MediaError
from alnus.media.pool import Answer, Task, answered, cores
from alnus.media.store import CineStore

MODULE = "alnus.cohort.audit.comparing"
FEW = 12
"""Cines that are compared here and now: to start processes takes longer."""
TIMEOUT_S = 1800.0
"""For a piece of work that takes seconds: a computer that was put to sleep wakes up."""
AT_ONCE = 4
"""Cines that are reduced to fingerprints in one piece of work."""
PRINTING = "reading frames"


def store_copies(
    store: CineStore, videos: Sequence[str], *, workers: int = 0, progress: Progress | None = None
) -> list[Copy]:
    """Return the pairs of videos of a store, by position, that share frames; stills are compared with nothing.

    workers: processes, 0 = one a core. progress: called with (what is being done, done, in all). Fingerprints, up to
    1 MB a video, lie in a temporary folder meanwhile. Raises MediaError for a damaged entry.
    """
    moving = [index for index, video in enumerate(videos) if store.entry(video).frames >= LEAST_COPIED]
    if len(moving) < 2:
        return []
    tell = progress or (lambda what, done, total: None)
    with tempfile.TemporaryDirectory(prefix="alnus-") as folder:
        count = workers or cores()
        crew = Crew(Path(folder), len(moving), 1 if len(moving) <= FEW else count)
        done = 0
        for printed in crew.printed(store, [videos[index] for index in moving]):
            done += printed
            tell(PRINTING, done, len(moving))
        prints = KeptPrints(Path(folder), len(moving))
        pairs = likely_pairs(prints, searcher=crew.searched, aligner=crew.aligned, progress=progress)
    return [Copy(moving[pair.first], moving[pair.second], pair.alignment) for pair in pairs if pair.strength >= 1]


@dataclass(frozen=True)
class Crew:
    """Processes that share a folder of fingerprints. One worker is this process itself."""

    folder: Path
    count: int
    workers: int

    def printed(self, store: CineStore, videos: Sequence[str]) -> Iterator[int]:
        """Write the fingerprints of videos, yielding how many more are there. Raises MediaError for a damaged entry."""
        named = list(enumerate(videos))
        blocks = [named[start : start + AT_ONCE] for start in range(0, len(named), AT_ONCE)]
        fixed = {"do": "print", "store": str(store.root.absolute())}
        for index, answer in self._asked([fixed | {"videos": block} for block in blocks]):
            if "unread" in answer:
                raise MediaError(answer["unread"])
            yield len(blocks[index])

    def searched(self, field: Field, blocks: Sequence[range]) -> Iterator[tuple[int, Rows]]:
        """Yield what `search.searched` finds for each block of cines."""
        np.savez(self.folder / FIELD, dense=field.dense, basis=field.basis)
        for index, answer in self._asked([{"do": "search", "rows": list(block)} for block in blocks]):
            yield index, unpacked(answer)

    def aligned(self, blocks: Sequence[Sequence[Unit]]) -> Iterator[tuple[int, list[Copy | None]]]:
        """Yield what `copies.aligned` finds for the units of each block."""
        for index, answer in self._asked([{"do": "align", "units": _plain(block)} for block in blocks]):
            yield index, [None if copy is None else unpacked_copy(copy) for copy in answer["copies"]]

    def _asked(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Answer]]:
        """Yield the tasks' answers as they come; what a process could not answer is done here."""
        whole = [{"prints": str(self.folder), "count": self.count, **task} for task in tasks]
        if self.workers == 1:
            yield from ((index, answer_to(task)) for index, task in enumerate(whole))
            return
        for index, answer in answered(whole, workers=self.workers, timeout_s=TIMEOUT_S, module=MODULE):
            yield index, answer_to(whole[index]) if "refused" in answer else answer


def _plain(block: Sequence[Unit]) -> list[list[list[dict[str, Any]]]]:
    return [[[asdict(order) for order in orders] for orders in unit] for unit in block]
