"""A cohort's videos into a cine store: in parallel, restartable, and nothing left out without a reason."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alnus.errors import MediaError
from alnus.media.entry import (
    PARTIAL,
    IngestItem,
    StoreWriteError,
    check_keyframe,
    entry_key,
    index_row,
    source_state,
    stored_meta,
)
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.pool import answered, cores
from alnus.media.refusal import Refused, shown
from alnus.media.store import EXCLUDED, IMAGE, META, StoreEntry, write_index, write_table
from alnus.media.worker import task_of

__all__ = ["Exclusion", "IngestItem", "IngestReport", "StoreWriteError", "ingest"]

LOCK = ".lock"
FILE_TIMEOUT_S = 900.0  # far above any real cine; ends a decoder that hangs


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
    workers: processes, 0 = one a core. progress: called with (items done, items in all).
    Raises MediaError where the store cannot be written, or where two items name the same video.
    """
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
    kept = sorted([*skipped, *(index for index, reason in verdicts.items() if reason is None)])
    excluded = [Exclusion(items[index].video, reason) for index, reason in sorted(verdicts.items()) if reason]
    named = {item.video for item in items}
    others = _other_entries(store, {entry_key(items[index]) for index in kept}, named)
    rows = [_row(store / entry_key(items[index])) for index in kept]
    write_index(store, [*(row for row in rows if row is not None), *others])
    write_table(store / EXCLUDED, ("video", "reason"), (asdict(exclusion) for exclusion in excluded))
    ingested = [items[index].video for index in kept if index in verdicts]
    return IngestReport(ingested, excluded, [items[index].video for index in skipped])


def _other_entries(store: Path, kept: set[str], named: set[str]) -> list[StoreEntry]:
    """Return the entries of videos that this run did not name; remove those of a named video that no longer hold."""
    others = []
    for folder in sorted(path.parent for path in store.glob(f"*/{META}")):
        if folder.name in kept:
            continue
        row = _row(folder)
        if row is not None and row.video in named:
            shutil.rmtree(folder)
        elif row is not None:
            others.append(row)
    return sorted(others, key=lambda entry: entry.video)


def _row(folder: Path) -> StoreEntry | None:
    """Return the index row of an entry, None where its meta data are damaged."""
    try:
        meta: dict[str, Any] = json.loads((folder / META).read_text(encoding="utf-8"))
        return index_row(folder.name, meta, has_image=(folder / IMAGE).exists())
    except (ValueError, KeyError, TypeError):
        return None
