"""A cohort's videos into a cine store: in parallel, restartable, and nothing left out without a reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alnus.config import QualityConfig
from alnus.errors import MediaError
from alnus.media.dicom_out import dicom_path, is_written
from alnus.media.engines import Engine, answers
from alnus.media.frames_file import StoreWriteError
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.locking import locked
from alnus.media.pool import cores
from alnus.media.refusal import Refused, shown
from alnus.media.report import Exclusion, IngestReport, VideoFinding
from alnus.media.rules import Rules
from alnus.media.sources import UNREADABLE, Excluded, IngestItem, check_keyframe, entry_key
from alnus.media.store import EXCLUDED, META, PARTIAL, QUALITY, StoreEntry, write_index, write_table
from alnus.media.stored import read_meta, stored_meta, stored_row
from alnus.media.tasks import task_of
from alnus.media.thresholds import thresholds_of

__all__ = ["Exclusion", "IngestItem", "IngestReport", "StoreWriteError", "ingest"]

FILE_TIMEOUT_S = 900.0  # far above any real cine; ends a decoder that hangs
DAMAGED = "its entry in the store is damaged or of an older version; ingest its table again"


@dataclass
class _Verdicts:
    """What is known of each item, by its index: why it is left out, and its findings."""

    excluded: dict[int, Exclusion] = field(default_factory=dict)
    skipped: list[int] = field(default_factory=list)
    ingested: list[int] = field(default_factory=list)
    findings: dict[int, list[dict[str, str]]] = field(default_factory=dict)

    def refuse(self, index: int, video: str, reason: str, code: str, findings: list[dict[str, str]]) -> None:
        """Leave an item out; where the gate found nothing, the reason is the finding."""
        self.excluded[index] = Exclusion(video, reason, code)
        self.findings[index] = findings or [{"code": code, "severity": "exclude", "text": reason}]


def ingest(
    items: Sequence[IngestItem],
    store: Path,
    *,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
    quality: QualityConfig | None = None,
    gate: bool = False,
    engine: Engine = "process",
    dicom_out: Path | None = None,
    key: bytes | None = None,
) -> IngestReport:
    """Decode every item into the store; write index.csv, excluded.csv and quality.csv.

    An item whose entry is complete and whose sources have not changed is skipped, so a run that was killed goes on
    where it stopped and ends in the same bytes. A second ingestion into the same store waits for the first.
    What is skipped is read and held against its checksum: a damaged entry is decoded again.
    workers: processes, 0 = one a core. progress: called with (items done, items in all).
    quality: thresholds of the quality gate and what excludes. gate: whether it may exclude; else all that it finds is a
    warning, as for a single video that a person asked for.
    engine: where the processes run; "ray" needs the extra `cluster` and a store that every machine of it sees.
    dicom_out: folder for a de-identified DICOM file of each video that is kept, named by its entry's key; `key` is that
    of `alnus.media.identity`. Where one cannot be made, a warning "dicom_out_failed" says why.
    Raises MediaError where the store cannot be written, two items name the same video, or `workers` is negative.
    """
    if workers < 0:
        raise MediaError(f"workers is {workers}; give how many decoding processes to run, or 0 for one a core")
    _check_unique(items)
    if dicom_out is not None and not key:
        raise MediaError("de-identified DICOM needs a key: see alnus.media.identity.load_or_make_key")
    rules = Rules(quality=thresholds_of(quality or QualityConfig()), gate=gate, dicom_out=dicom_out, key=key or b"")
    tell = progress or (lambda done, total: None)
    with _store_errors(store), locked(store):
        if dicom_out is not None:
            dicom_out.mkdir(parents=True, exist_ok=True)
        _sweep(store)
        verdicts, waiting = _already_there(items, store, rules)
        done = len(items) - len(waiting)
        tell(done, len(items))
        tasks = [task_of(items[index], store, limits, rules) for index in waiting]
        try:
            with closing(answers(tasks, engine=engine, workers=workers, timeout_s=FILE_TIMEOUT_S)) as coming:
                for place, answer in coming:
                    _take(verdicts, waiting[place], items[waiting[place]], answer)
                    done += 1
                    tell(done, len(items))
        finally:
            _sweep(store)  # the processes have ended; one that was killed could not tidy up
        _drop_dicom([items[index] for index in verdicts.excluded], rules)
        return _concluded(items, store, verdicts)


def _drop_dicom(excluded: Iterable[IngestItem], rules: Rules) -> None:
    """Remove the DICOM files that an earlier run made of videos that are left out now."""
    for item in excluded:
        path = dicom_path(item, rules)
        if path is not None:
            path.unlink(missing_ok=True)


def _take(verdicts: _Verdicts, index: int, item: IngestItem, answer: dict[str, Any]) -> None:
    """Take over what a decoding process answered. Raises StoreWriteError."""
    if "store" in answer:
        raise StoreWriteError(answer["store"])
    if "refused" in answer:
        code, findings = answer.get("code", UNREADABLE), answer.get("findings", [])
        verdicts.refuse(index, item.video, answer["refused"], code, findings)
    else:
        verdicts.ingested.append(index)


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
        raise StoreWriteError(
            f"{shown(store)}: the cine store cannot be written ({reason}); free space, or name another directory"
        ) from None


def _sweep(store: Path) -> None:
    """Remove what a killed run left half written. Safe under the lock."""
    for partial in store.glob(f".*{PARTIAL}"):
        shutil.rmtree(partial, ignore_errors=True)


def _already_there(items: Sequence[IngestItem], store: Path, rules: Rules) -> tuple[_Verdicts, list[int]]:
    """Return what needs no decoding to be known, and the indices of the items to decode.

    Entries are read through to be held against their checksums, one a core at a time.
    """
    verdicts, waiting = _Verdicts(), []
    with ThreadPoolExecutor(cores()) as readers:
        found = readers.map(lambda item: _found(item, store, rules), items)
        for index, (item, state) in enumerate(zip(items, found, strict=True)):
            if isinstance(state, Excluded):
                verdicts.refuse(index, item.video, str(state), state.code, [])
            elif state:
                verdicts.skipped.append(index)
            else:
                waiting.append(index)
    return verdicts, waiting


def _found(item: IngestItem, store: Path, rules: Rules) -> bool | Excluded:
    """Tell whether an item's entry stands, or why the item needs no decoding to be refused."""
    try:
        item.video.encode()
        meta = stored_meta(store, item, rules=rules.fingerprint())
        if meta is not None:
            check_keyframe(item, meta["frames"])
    except Excluded as excluded:
        return excluded
    except Refused as refused:
        return Excluded(str(refused), code=UNREADABLE)
    except UnicodeEncodeError:
        return Excluded("its name in the table is not valid UTF-8", code="bad_name")
    return meta is not None and is_written(item, rules, meta)


def _concluded(items: Sequence[IngestItem], store: Path, verdicts: _Verdicts) -> IngestReport:
    """Write the store's three tables from what lies in it."""
    kept = sorted([*verdicts.skipped, *verdicts.ingested])
    rows: dict[int, StoreEntry] = {}
    for index in kept:
        folder = store / entry_key(items[index])
        row = stored_row(folder)
        if row is None:
            verdicts.refuse(index, items[index].video, DAMAGED, UNREADABLE, [])
        else:
            rows[index] = row
            verdicts.findings[index] = (read_meta(folder) or {}).get("findings", [])
    keys = {entry_key(items[index]) for index in kept}
    others, damaged, other_findings = _other_entries(store, keys, {item.video for item in items})
    excluded = [verdicts.excluded[index] for index in sorted(verdicts.excluded)]
    findings = [
        finding
        for index in sorted(verdicts.findings)
        for finding in _rows(items[index].video, verdicts.findings[index])
    ]
    write_index(store, [*rows.values(), *others])
    write_table(store / EXCLUDED, ("video", "reason", "code"), map(asdict, [*excluded, *damaged]))
    write_table(store / QUALITY, ("video", "code", "severity", "text"), map(asdict, [*findings, *other_findings]))
    return IngestReport(
        [items[index].video for index in sorted(verdicts.ingested) if index in rows],
        excluded,
        [items[index].video for index in sorted(verdicts.skipped) if index in rows],
        findings,
    )


def _rows(video: str, findings: list[dict[str, str]]) -> list[VideoFinding]:
    return [VideoFinding(video, found["code"], found["severity"], found["text"]) for found in findings]


def _other_entries(
    store: Path, kept: set[str], named: set[str]
) -> tuple[list[StoreEntry], list[Exclusion], list[VideoFinding]]:
    """Return the entries of videos that this run did not name, those among them that cannot be used, and the findings.

    Entries of a named video that no longer hold are removed.
    """
    others, damaged, findings = [], [], []
    for folder in sorted(path.parent for path in store.glob(f"*/{META}")):
        if folder.name in kept:
            continue
        meta, row = read_meta(folder) or {}, stored_row(folder)
        video = meta.get("video")
        if isinstance(video, str) and video in named:
            shutil.rmtree(folder)
        elif row is not None:
            others.append(row)
            findings += _rows(row.video, meta.get("findings", []))
        else:
            damaged.append(Exclusion(video if isinstance(video, str) else folder.name, DAMAGED))
            findings += _rows(damaged[-1].video, [{"code": UNREADABLE, "severity": "exclude", "text": DAMAGED}])
    findings.sort(key=lambda found: found.video)
    return sorted(others, key=lambda entry: entry.video), damaged, findings
