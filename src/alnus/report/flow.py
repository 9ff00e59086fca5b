"""The flow of patients from the cohort table into the partitions, and whether its numbers add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from alnus.report.run_files import RunFiles
from alnus.report.wording import SETS, count, set_title


@dataclass(frozen=True)
class Stage:
    """A box of the flow: so many patients with so many videos (None: not recorded)."""

    label: str
    patients: int
    videos: int | None = None

    @property
    def text(self) -> str:
        """The numbers in words."""
        patients = count(self.patients, "patient")
        return patients if self.videos is None else f"{patients}, {count(self.videos, 'video')}"


@dataclass(frozen=True)
class Leaf:
    """A partition at the end of the flow."""

    label: str
    patients: int
    positive: int | None
    negative: int | None

    @property
    def text(self) -> str:
        """The numbers in words."""
        patients = count(self.patients, "patient")
        if self.positive is None:
            return patients
        return f"{patients}: {self.positive} with, {self.negative} without metastasis"


@dataclass(frozen=True)
class Flow:
    """Boxes from top to bottom, what left at the side, the partitions; `problems` where numbers contradict.

    reasons: why videos were left out, each with their number.
    """

    trunk: tuple[Stage, ...]
    excluded: tuple[Stage, ...]
    leaves: tuple[Leaf, ...]
    problems: tuple[str, ...]
    reasons: tuple[tuple[str, int], ...] = ()


def cohort_flow(files: RunFiles) -> Flow:
    """Return the flow from cohort.json, or what splits.csv implies where it is absent."""
    entries = [_stage(entry) for entry in files.cohort.get("flow", [])]
    analysed = [stage for stage in entries if _is_partition(stage.label)]
    stages = [stage for stage in entries if stage not in analysed]
    excluded = tuple(stage for stage in stages if stage.label.lower().startswith(("exclu", "left out", "unreadable")))
    trunk = tuple(stage for stage in stages if stage not in excluded)
    leaves = _analysed(files, analysed)
    if not trunk and leaves:
        trunk = (Stage("Patients in the partitions", sum(leaf.patients for leaf in leaves)),)
    trunk, unplaced = _without_unplaced(trunk)
    reasons = exclusions(files.excluded)
    problems = (*_problems(trunk, excluded, (*leaves, *unplaced)), *_uncounted(excluded, reasons))
    return Flow(trunk, excluded, (*leaves, *unplaced), problems, reasons)


def exclusions(excluded: pd.DataFrame | None) -> tuple[tuple[str, int], ...]:
    """Return how many videos were left out for each code of excluded.csv, the commonest first; () without codes."""
    if excluded is None or excluded.empty or "code" not in excluded.columns:
        return ()
    counted = excluded["code"].replace("", "other").value_counts()
    return tuple(
        (str(code).replace("_", " "), int(n)) for code, n in sorted(counted.items(), key=lambda i: (-i[1], str(i[0])))
    )


def _uncounted(excluded: tuple[Stage, ...], reasons: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """Return a sentence where the reasons do not add up to the videos that were left out."""
    videos = [stage.videos for stage in excluded if stage.videos is not None]
    total = sum(n for _, n in reasons)
    if not videos or not reasons or sum(videos) == total:
        return ()
    return (f"The flow counts {count(sum(videos), 'excluded video')}, but excluded.csv has {total}.",)


def _analysed(files: RunFiles, stages: list[Stage]) -> tuple[Leaf, ...]:
    """Return the partitions with the patients that the flow counts; labels where splits.csv agrees with it.

    splits.csv was made before ingestion: whoever lost every video to it is still in there.
    """
    assigned = partitions(files.splits)
    if not stages or sum(leaf.patients for leaf in assigned) == sum(stage.patients for stage in stages):
        return assigned
    kept = partitions(_without_excluded(files))
    if sum(leaf.patients for leaf in kept) == sum(stage.patients for stage in stages):
        return kept
    known = {leaf.label: leaf for leaf in (*assigned, *kept)}
    return tuple(_counted(stage, known.get(set_title(stage.label.lower()))) for stage in stages)


def _counted(stage: Stage, leaf: Leaf | None) -> Leaf:
    """Return a partition as the flow counts it, by label only where the same patients were counted by label."""
    title = set_title(stage.label.lower())
    return leaf if leaf is not None and leaf.patients == stage.patients else Leaf(title, stage.patients, None, None)


def _without_excluded(files: RunFiles) -> pd.DataFrame | None:
    if files.splits is None or files.excluded is None:
        return None
    return files.splits[~files.splits["patient_id"].isin(files.excluded["patient_id"])]


def _without_unplaced(trunk: tuple[Stage, ...]) -> tuple[tuple[Stage, ...], tuple[Leaf, ...]]:
    """Move "In no partition" from the trunk to the leaves."""
    unplaced = [stage for stage in trunk if stage.label.lower() == "in no partition"]
    leaves = tuple(Leaf(stage.label, stage.patients, None, None) for stage in unplaced)
    return tuple(stage for stage in trunk if stage not in unplaced), leaves


def partitions(splits: pd.DataFrame | None) -> tuple[Leaf, ...]:
    """Return each partition's (or fold's) patients by label, in the order of the paper."""
    if splits is None or splits.empty:
        return ()
    if "fold" in splits.columns and (splits["split"] == "folds").any():
        held_out = splits[splits["split"] == "folds"]
        ordered = sorted(held_out.groupby("fold"), key=lambda group: (len(str(group[0])), str(group[0])))
        return tuple(_leaf(f"Fold {_counted_from_one(fold, ordered)}", rows) for fold, rows in ordered)
    groups = dict(list(splits.groupby("split")))
    names = [name for name in SETS if name in groups] + sorted(name for name in groups if name not in SETS)
    return tuple(_leaf(set_title(str(name)), groups[name]) for name in names)


def _counted_from_one(fold: object, ordered: list[tuple[object, pd.DataFrame]]) -> int:
    return 1 + [name for name, _ in ordered].index(fold)


def _leaf(label: str, rows: pd.DataFrame) -> Leaf:
    """Count each patient once, however many rows the table has of one."""
    patients = rows.drop_duplicates("patient_id")
    labels = pd.to_numeric(patients["label"], errors="coerce")
    if labels.isna().any():
        return Leaf(label, len(patients), None, None)
    return Leaf(label, len(patients), int((labels == 1).sum()), int((labels == 0).sum()))


def _stage(entry: Mapping[str, object]) -> Stage:
    videos = entry.get("videos")
    return Stage(str(entry["label"]), int(str(entry["patients"])), None if videos is None else int(str(videos)))


def _is_partition(label: str) -> bool:
    """Partitions are counted from splits.csv, with their labels; here they would stand twice."""
    plain = label.lower()
    return plain in SETS or any(plain.startswith(title.lower()) for title in SETS.values())


def _problems(trunk: tuple[Stage, ...], excluded: tuple[Stage, ...], leaves: tuple[Leaf, ...]) -> tuple[str, ...]:
    problems = []
    if trunk and leaves and (total := sum(leaf.patients for leaf in leaves)) != trunk[-1].patients:
        problems.append(
            f"The partitions hold {count(total, 'patient')}, but “{trunk[-1].label}” counts {trunk[-1].patients}."
        )
    if len(trunk) > 1 and excluded:
        left = trunk[0].patients - sum(stage.patients for stage in excluded)
        if left != trunk[-1].patients:
            problems.append(
                f"{trunk[0].patients} patients less those excluded leave {left}, "
                f"but “{trunk[-1].label}” counts {trunk[-1].patients}."
            )
    return tuple(problems)
