"""What the recordings are, centre by centre, and which data are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pandas as pd

from alnus.report.document import Cell, Column, Row, Table
from alnus.report.run_files import RunFiles
from alnus.report.wording import ABSENT, count, number, set_title

MOST_CENTERS = 30
SPLITS = ("train", "val", "test_a", "test_b")
NUMBERS = {"frames": 0, "duration_s": 1, "frame_rate_hz": 1, "spacing_row_mm": 3}


def recordings_table(files: RunFiles, *, by: Literal["centre", "partition"] = "centre") -> Table | None:
    """Return one row a centre with the sizes, rates and spacings of its videos; None where none are recorded.

    by="partition": one row a partition; None also where splits.csv has folds or fewer than two partitions.
    """
    videos = files.videos
    if videos is None or videos.empty or not {"video", "frames", "height", "width", "container"} <= set(videos.columns):
        return None
    groups = _centers(videos) if by == "centre" else _partitions(files, videos)
    if by == "partition" and not groups:
        return None
    rows = tuple(_row(name, rows) for name, rows in {**groups, "All": videos}.items())
    columns = (
        Column(by.capitalize(), share=0.9),
        Column("Videos", "right", 0.65),
        Column("Container", share=0.9),
        Column("Frames", "right", 0.95),
        Column("Duration, s", "right", 0.95),
        Column("Frames a second", "right", 1.0),
        Column("Scanned region, px", "right", 1.15),
        Column("Pixel, mm", "right", 1.1),
    )
    notes = (
        "Median (smallest–largest). “Not stated”: so many files do not say; such a video is used all the same. The "
        "region is what ingestion cut out. The scanners’ make and model are no part of the de-identified videos: "
        "for the authors to state.",
    )
    if by == "partition":
        return Table("recordings_by_partition", "The recordings by partition.", columns, rows, notes[:1])
    return Table("recordings", "The recordings by centre.", columns, rows, notes)


def _centers(videos: pd.DataFrame) -> dict[str, pd.DataFrame]:
    names = sorted(set(videos["center"]) - {""})[:MOST_CENTERS]
    groups = {f"{name}": videos[videos["center"] == name] for name in names} if len(names) > 1 else {}
    rest = videos[videos["center"] == ""]
    return {**groups, "no centre stated": rest} if groups and not rest.empty else groups


def _partitions(files: RunFiles, videos: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return each partition's videos, in the order of the paper; none where a patient has several (folds)."""
    if files.splits is None or "patient_id" not in videos.columns or "fold" in files.splits.columns:
        return {}
    of_patient = dict(zip(files.splits["patient_id"], files.splits["split"], strict=True))
    placed = videos["patient_id"].map(of_patient)
    found = [*(name for name in SPLITS if (placed == name).any()), *sorted(set(placed.dropna()) - set(SPLITS))]
    return {set_title(str(name)): videos[placed == name] for name in found} if len(found) > 1 else {}


def _row(name: str, videos: pd.DataFrame) -> Row:
    containers = videos["container"].value_counts()
    named = ", ".join(f"{kind} {n}" if len(containers) > 1 else str(kind) for kind, n in containers.items())
    spread = {column: _spread(videos, column, digits) for column, digits in NUMBERS.items()}
    width, height = _spread(videos, "width", 0), _spread(videos, "height", 0)
    size = Cell(f"{width.main} × {height.main}", "" if not width.sub and not height.sub else _sizes(videos))
    return Row(
        (
            Cell(name),
            Cell(f"{len(videos):,}"),
            Cell(named),
            spread["frames"],
            spread["duration_s"],
            spread["frame_rate_hz"],
            size,
            spread["spacing_row_mm"],
        )
    )


def _spread(videos: pd.DataFrame, column: str, digits: int) -> Cell:
    """Return the median, with the range where values differ, and how many videos do not state it."""
    values = pd.to_numeric(videos.get(column, pd.Series(dtype=float)), errors="coerce").dropna()
    unknown = len(videos) - len(values)
    note = f"not stated: {unknown}" if unknown else ""
    if values.empty:
        return Cell(ABSENT, "", note)
    low, middle, high = (number(float(value), digits) for value in (values.min(), values.median(), values.max()))
    return Cell(middle, "" if low == high else f"({low}–{high})", note)


def _sizes(videos: pd.DataFrame) -> str:
    different = videos[["width", "height"]].drop_duplicates()
    return f"({count(len(different), 'size')})"


def missing_table(files: RunFiles) -> Table | None:
    """Return how many patients lack each variable, and how many videos lack what their file could state."""
    rows = [*_variables(files), *_of_videos(files)]
    if not rows:
        return None
    columns = (Column("Value", share=2.2), Column("Missing", "right"), Column("Of", "right"), Column("Share", "right"))
    complete = [name for name, n, _, _ in rows if n == 0]
    told = (f"Complete: {', '.join(complete)}.",) if complete else ()
    notes = (
        *told,
        "A missing clinical value leaves its patient out of nothing but the subgroups of that variable; in a fusion it "
        "is replaced by the median or the commonest level, learnt where the fusion was fitted.",
    )
    cells = tuple(
        Row((Cell(name), Cell(f"{n:,}"), Cell(f"{total:,} {unit}"), Cell(f"{number(100 * n / total, 1)}%")))
        for name, n, total, unit in rows
        if n
    )
    if not cells:
        cells = (Row((Cell("none"), *(Cell(ABSENT),) * 3)),)
    return Table("missing", "Missing data.", columns, cells, notes)


def _variables(files: RunFiles) -> list[tuple[str, int, int, str]]:
    stored = files.cohort.get("table1")
    if not isinstance(stored, Mapping):
        return []
    columns, rows = [str(name) for name in stored["columns"]], stored["rows"]
    if not {"Missing", "Overall", "Variable"} <= set(columns):
        return []
    at = {name: columns.index(name) for name in ("Variable", "Missing", "Overall")}
    total = next((_whole(row[at["Overall"]]) for row in rows if str(row[at["Variable"]]).strip() == "n"), None)
    found = []
    for row in rows:
        name, missing = str(row[at["Variable"]]), _whole(row[at["Missing"]])
        if total and missing is not None and name.strip() not in ("", "n"):
            found.append((name.rsplit(",", 1)[0], missing, total, "patients"))
    return found


def _whole(text: object) -> int | None:
    digits = str(text).strip()
    return int(digits) if digits.isdigit() else None


def _of_videos(files: RunFiles) -> list[tuple[str, int, int, str]]:
    videos = files.videos
    if videos is None or videos.empty:
        return []
    found = []
    for column, title in (("frame_rate_hz", "Frame rate in the file"), ("spacing_row_mm", "Pixel spacing in the file")):
        if column in videos.columns:
            lost = int(pd.to_numeric(videos[column], errors="coerce").isna().sum())
            found.append((title, lost, len(videos), "videos"))
    if "keyframe" in videos.columns and set(videos["keyframe"]) & {"chosen", "middle"}:
        lost = int((videos["keyframe"] != "chosen").sum())
        found.append(("Keyframe chosen by a sonographer", lost, len(videos), "videos"))
    return found
