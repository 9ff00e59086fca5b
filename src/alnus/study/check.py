"""What can be said of a cohort before a study: its partitions, leaks and shortcuts, and what identity is left."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from alnus.cohort import Cohort, assign_folds, assign_splits, load_cohort
from alnus.cohort.reading import read_raw
from alnus.config import SplitConfig, checked
from alnus.console import Reporter
from alnus.errors import CohortError
from alnus.media import CineStore, ingest
from alnus.study.partition import ingest_items

if TYPE_CHECKING:
    from alnus.cohort.audit import AuditReport
    from alnus.media.identity import Find

TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class CohortCheck:
    """Counts of the partitions, and what the audit found (None where it was not asked for)."""

    counts: dict[str, Any]
    audit: AuditReport | None
    damaged: tuple[str, ...]
    """Videos of the store whose files differ from their checksums."""

    @property
    def has_errors(self) -> bool:
        """Whether the cohort should not be used as it stands."""
        return bool(self.damaged) or (self.audit is not None and self.audit.has_errors)

    def lines(self) -> list[str]:
        """Return what a user is told."""
        lines = [*self.counts["lines"]]
        lines += [f"error: {video}: differs in the store from its checksum; ingest it again" for video in self.damaged]
        return lines + ([] if self.audit is None else self.audit.lines())

    def as_json(self) -> dict[str, Any]:
        """Return it as a mapping that JSON can hold."""
        audit = None if self.audit is None else self.audit.as_json()
        return self.counts | {"damaged": list(self.damaged), "audit": audit, "has_errors": self.has_errors}


def check_cohort(
    source: Path,
    *,
    folds: int = 0,
    audit: bool = True,
    store: Path | None = None,
    splits: Path | None = None,
    seed: int = 0,
    workers: int = 0,
    reporter: Reporter,
) -> CohortCheck:
    """Check a cohort's table, files and partitions, and audit it for leaks, confounding and shortcuts.

    store: the cohort's cine store; without one the videos are decoded into a temporary one. splits: a run's splits.csv;
    without it the partitions that a study with this seed would make. workers: processes, 0 = one a core. Nothing is
    left behind.
    Raises CohortError for a wrong table, missing files or an impossible split; MediaError for a damaged store.
    """
    cohort = load_cohort(source)
    _require_videos(cohort)
    if splits is None:
        split = checked(SplitConfig, {"folds": folds}, origin="--folds")
        table = assign_folds(cohort, split, seed=seed)[0] if folds else assign_splits(cohort, split, seed=seed)
    else:
        table = read_splits(splits)
    counts = _counts(cohort, table)
    if not audit:
        return CohortCheck(counts, None, ())
    from alnus.cohort.audit import audit_cohort

    with _stored(cohort, store, workers, reporter) as cines, _by_stage(reporter) as progress:
        damaged = tuple(cines.verify()) if store is not None else ()
        # of folds one assignment is as good as another: every patient is tested once
        report = audit_cohort(
            cohort,
            splits=None if folds else table,
            store=cines,
            seed=seed,
            workers=workers,
            progress=progress,
        )
    return CohortCheck(counts, report, damaged)


def read_splits(path: Path) -> pd.DataFrame:
    """Read a run's splits.csv. Raises CohortError where it is none."""
    table = read_raw(path).cells
    if not {"patient_id", "split"} <= set(table.columns):
        raise CohortError(f"{path}: has no columns patient_id and split; name a run's splits.csv")
    if "label" in table:
        table = table.assign(label=pd.to_numeric(table["label"], errors="coerce"))
    return table


def _require_videos(cohort: Cohort) -> None:
    missing = [video for video in cohort.table["video"] if not (cohort.root / video).exists()]
    if missing:
        named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise CohortError(
            f"{cohort.source}: {len(missing)} of {len(cohort.table)} videos are not there: {named}; put them there, or"
            " correct the paths, which are relative to the table"
        )


def _counts(cohort: Cohort, splits: pd.DataFrame) -> dict[str, Any]:
    table = cohort.table
    if "label" not in splits:
        splits = splits.merge(table[["patient_id", "label"]].drop_duplicates("patient_id"), on="patient_id")
    counts = splits.groupby("split")["label"].agg(["size", "sum"])
    lines = [f"{cohort.source}: {table['patient_id'].nunique()} patients, {len(table)} videos, every file is there"]
    lines += [f"  {name}: {row['size']} patients, {int(row['sum'])} with metastasis" for name, row in counts.iterrows()]
    lines += [f"  readers: {', '.join(cohort.readers)}"] if cohort.readers else []
    sets = {str(name): {"patients": int(row["size"]), "positive": int(row["sum"])} for name, row in counts.iterrows()}
    return {"videos": len(table), "sets": sets, "readers": list(cohort.readers), "lines": lines}


@contextmanager
def _by_stage(reporter: Reporter) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (what is being done, done, in all) that shows each stage by a bar of its own."""
    with ExitStack() as bar:
        shown, move = "", None

        def tell(what: str, done: int, total: int) -> None:
            nonlocal shown, move
            if move is None or what != shown:
                bar.close()
                shown, move = what, bar.enter_context(reporter.progress(what.capitalize()))
            move(done, total)

        yield tell


@contextmanager
def _stored(cohort: Cohort, store: Path | None, workers: int, reporter: Reporter) -> Iterator[CineStore]:
    if store is not None:
        yield CineStore(store)
        return
    with tempfile.TemporaryDirectory(prefix="alnus-") as folder:
        with reporter.progress("Reading videos") as progress:
            report = ingest(ingest_items(cohort), Path(folder), workers=workers, progress=progress)
        for item in report.excluded:
            reporter.say(f"cannot be read: {item.video}: {item.reason}")
        yield CineStore(Path(folder))


def check_identity(paths: Sequence[Path], *, against: Sequence[Path], reporter: Reporter) -> list[Find]:
    """Look for what may identify a patient in files and folders; of a cohort table also in its videos.

    against: sources whose headers' values are looked for. Raises MediaError where a path is missing.
    """
    from alnus.media.identity import find_identity
    from alnus.media.identity.burned_in import ocr_note

    if note := ocr_note("auto"):
        reporter.say(note)
    wanted = [*paths]
    for path in paths:
        if path.suffix.lower() in TABLES and "video" in read_raw(path).cells:
            cohort = load_cohort(path, need_labels=False)
            wanted += [cohort.path(video) for video in cohort.table["video"]]
    with reporter.progress("Looking for identity") as progress:
        return find_identity(wanted, against=against, progress=progress)
