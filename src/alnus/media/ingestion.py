"""A cohort's videos into a cine store: in parallel, restartable, and nothing left out without a reason."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from alnus.errors import MediaError
from alnus.media.entry import (
    PARTIAL,
    IngestItem,
    StoreWriteError,
    check_keyframe,
    entry_key,
    read_meta,
    source_state,
    stored_meta,
    stored_row,
)
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.pool import answered, cores
from alnus.media.refusal import Refused, shown
from alnus.media.store import EXCLUDED, META, StoreEntry, write_index, write_table
from alnus.media.worker import task_of

__all__ = ["Exclusion", "IngestItem", "IngestReport", "StoreWriteError", "ingest"]

LOCK = ".lock"
FILE_TIMEOUT_S = 900.0  # far above any real cine; ends a decoder that hangs
UNREADABLE = "its entry in the store is damaged or of an older version; ingest its table again"


@dataclass(frozen=True)
class Exclusion:
    """A video that is not in the store, and why."""

    video: str
    reason: str


@dataclass(frozen=True)
class IngestReport:
    """What became of each item: decoded now, not usable, or there already. Each in the items' order."""

    ingested: list[str]
    excluded: list[Exclusion]
    skipped: list[str]


def ingest(
    items: Sequence[IngestItem],
    store: Path,
    *,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
) -> IngestReport:
    """Decode every item into the store; write index.csv and excluded.csv.

    An item whose entry is complete and whose sources have not changed is skipped, so a run that was killed goes on
    where it stopped and ends in the same bytes. A second ingestion into the same store waits for the first.
    What is skipped is read and held against its checksum: a damaged entry is decoded again.
    workers: processes, 0 = one a core. progress: called with (items done, items in all).
    Raises MediaError where the store cannot be written, two items name the same video, or `workers` is negative.
    """
    if workers < 0:
        raise MediaError(f"workers is {workers}; give how many decoding processes to run, or 0 for one a core")
    _check_unique(items)
    tell = progress or (lambda done, total: None)
    with _store_errors(store), _locked(store):
        _sweep(store)
        reasons, waiting = _already_there(items, store)
        verdicts: dict[int, str | None] = {**reasons}
        skipped = [index for index in range(len(items)) if index not in verdicts and index not in set(waiting)]
        tell(len(items) - len(waiting), len(items))
        tasks = [task_of(items[index], store, limits) for index in waiting]
        for place, answer in answered(tasks, workers=workers or cores(), timeout_s=FILE_TIMEOUT_S):
            if "store" in answer:
                raise StoreWriteError(answer["store"])
            verdicts[waiting[place]] = answer.get("refused")
            tell(len(skipped) + len(verdicts), len(items))
        return _concluded(items, store, verdicts, skipped)


def _check_unique(items: Iterable[IngestItem]) -> None:
    seen: set[str] = set()
    for item in items:
        if item.video in seen:
            raise MediaError(f"{shown(item.video)}: is named twice; a store holds each video once")
        seen.add(item.video)


@contextmanager
def _store_errors(store: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreWriteError(f"{shown(store)}: the cine store cannot be written ({reason})") from None


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Hold the store for one ingestion; the lock goes with the process, however it ends."""
    store.mkdir(parents=True, exist_ok=True)
    with (store / LOCK).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _sweep(store: Path) -> None:
    """Remove what a killed run left half written. Safe under the lock."""
    for partial in store.glob(f".*{PARTIAL}"):
        shutil.rmtree(partial, ignore_errors=True)


def _already_there(items: Sequence[IngestItem], store: Path) -> tuple[dict[int, str], list[int]]:
    """Return reasons against items that need no decoding to be refused, and the indices of those to decode."""
    reasons: dict[int, str] = {}
    waiting: list[int] = []
    for index, item in enumerate(items):
        try:
            item.video.encode()
            source_state(item)
            meta = stored_meta(store, item)
            if meta is None:
                waiting.append(index)
            else:
                check_keyframe(item, meta["frames"])
        except Refused as refused:
            reasons[index] = str(refused)
        except UnicodeEncodeError:
            reasons[index] = "its name in the table is not valid UTF-8"
    return reasons, waiting


def _concluded(
    items: Sequence[IngestItem], store: Path, verdicts: dict[int, str | None], skipped: list[int]
) -> IngestReport:
    kept = [*skipped, *(index for index, reason in verdicts.items() if reason is None)]
    rows = {index: row for index in sorted(kept) if (row := stored_row(store / entry_key(items[index])))}
    reasons = {index: reason for index, reason in verdicts.items() if reason}
    reasons |= dict.fromkeys(set(kept) - rows.keys(), UNREADABLE)
    excluded = [Exclusion(items[index].video, reason) for index, reason in sorted(reasons.items())]
    named = {item.video for item in items}
    others, damaged = _other_entries(store, {entry_key(items[index]) for index in kept}, named)
    write_index(store, [*rows.values(), *others])
    write_table(store / EXCLUDED, ("video", "reason"), map(asdict, [*excluded, *damaged]))
    ingested = [items[index].video for index in rows if index in verdicts]
    return IngestReport(ingested, excluded, [items[index].video for index in skipped if index in rows])


def _other_entries(store: Path, kept: set[str], named: set[str]) -> tuple[list[StoreEntry], list[Exclusion]]:
    """Return the entries of videos that this run did not name, and those among them that cannot be used.

    Entries of a named video that no longer hold are removed.
    """
    others, damaged = [], []
    for folder in sorted(path.parent for path in store.glob(f"*/{META}")):
        if folder.name in kept:
            continue
        row, video = stored_row(folder), (read_meta(folder) or {}).get("video")
        if isinstance(video, str) and video in named:
            shutil.rmtree(folder)
        elif row is not None:
            others.append(row)
        else:
            damaged.append(Exclusion(video if isinstance(video, str) else folder.name, UNREADABLE))
    return sorted(others, key=lambda entry: entry.video), damaged
