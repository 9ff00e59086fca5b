"""The cine store's read side: any frame of any cine by memory map, without decoding the rest.

The format is docs/decisions/0004-cine-store-format.md; `alnus.media.ingestion` writes it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alnus.errors import MediaError
from alnus.media.checksum import file_checksum
from alnus.media.refusal import shown
from alnus.provenance import write_atomic

INDEX, EXCLUDED, QUALITY = "index.csv", "excluded.csv", "quality.csv"
META, FRAMES, IMAGE = "meta.json", "frames.npy", "image.npy"
PARTIAL = ".partial"  # suffix of the folder of an entry that is being written
NOTE_SEPARATOR = "; "


@dataclass(frozen=True)
class StoreEntry:
    """A row of index.csv. Rate and spacing are None where the file states none.

    checksum: of frames.npy's bytes (`alnus.media.checksum`); source_sha256: of the video's file, or of a folder of
    frames (`source_sha256`); image_sha256: the same of the still's file; still_checksum: of image.npy's bytes; both
    None without a still.
    """

    video: str
    key: str
    frames: int
    height: int
    width: int
    duration_s: float
    frame_rate_hz: float | None
    spacing_row_mm: float | None
    spacing_col_mm: float | None
    checksum: str
    source_sha256: str
    image_sha256: str | None
    still_checksum: str | None
    phantom: bool
    has_image: bool
    notes: str


COLUMNS = tuple(field.name for field in fields(StoreEntry))


@dataclass(frozen=True)
class CineStore:
    """A folder that `ingest` left. Small enough to be sent to a loader's worker: frames are mapped when asked for."""

    root: Path

    @cached_property
    def _entries(self) -> dict[str, StoreEntry]:
        path = self.root / INDEX
        try:
            text = path.read_text(encoding="utf-8")
            return {entry.video: entry for entry in map(parsed_row, csv.DictReader(StringIO(text, newline="")))}
        except FileNotFoundError:
            raise MediaError(f"{shown(self.root)}: is no cine store, {INDEX} is missing; run `alnus ingest`") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = type(error).__name__
            raise MediaError(f"{shown(path)}: cannot be read ({reason}); run `alnus ingest` again") from None

    def videos(self) -> list[str]:
        """Return the ingested videos, as the cohort table names them, in the table's order."""
        return list(self._entries)

    def entry(self, video: str) -> StoreEntry:
        """Return what the index says of a video. Raises MediaError where the video is not in the store."""
        try:
            return self._entries[video]
        except KeyError:
            raise MediaError(
                f"{shown(video)}: is not in the cine store {shown(self.root)}; {EXCLUDED} there may say why"
            ) from None

    def frames(self, video: str) -> np.memmap[Any, np.dtype[np.uint8]]:
        """Return the luma frames (T, H, W), mapped read-only: only the frames that are touched are read.

        Raises MediaError where the file is missing or not of the size that the index states.
        """
        entry = self.entry(video)
        path = self.root / entry.key / FRAMES
        frames = mapped(path)
        if frames.shape != (entry.frames, entry.height, entry.width) or frames.dtype != np.uint8:
            raise MediaError(f"{shown(path)}: is not what the index states; run `alnus ingest` again")
        return frames

    def read(self, video: str, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Return the frames at `indices` (from 0, any order, repeats allowed) as a new array (len(indices), H, W).

        A tenth of the time of indexing the map: each frame is one read, announced before the first is waited for, in
        place of a page fault for each 4 KiB. Raises MediaError as `frames` does, IndexError beyond the cine.
        """
        cine = self.frames(video)
        found = np.empty((len(indices), *cine.shape[1:]), np.uint8)
        at = [cine.offset + range(len(cine))[int(index)] * found[0].nbytes for index in indices]
        with (self.root / self.entry(video).key / FRAMES).open("rb", buffering=0) as stream:
            if hasattr(os, "posix_fadvise"):
                for start in at:
                    os.posix_fadvise(stream.fileno(), start, found[0].nbytes, os.POSIX_FADV_WILLNEED)
            for start, frame in zip(at, found, strict=True):
                stream.seek(start)
                if stream.readinto(frame.data) != frame.nbytes:
                    raise MediaError(f"{shown(video)}: its frames cannot be read; run `alnus ingest` again")
        return found

    def image(self, video: str) -> NDArray[np.uint8] | None:
        """Return the luma (H, W) of the still that the sonographer chose, None where the table names none."""
        entry = self.entry(video)
        return np.array(mapped(self.root / entry.key / IMAGE)) if entry.has_image else None

    def verify(self) -> list[str]:
        """Read everything; return the videos whose frames or still differ from their checksum, [] where all is well."""
        return [entry.video for entry in self._entries.values() if not self._is_intact(entry)]

    def _is_intact(self, entry: StoreEntry) -> bool:
        try:
            is_still_intact = (
                not entry.has_image or file_checksum(self.root / entry.key / IMAGE) == entry.still_checksum
            )
            return is_still_intact and file_checksum(self.root / entry.key / FRAMES) == entry.checksum
        except OSError:
            return False


def mapped(path: Path) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Return an array of the store, mapped read-only. Raises MediaError where the file is missing or damaged."""
    try:
        array: np.memmap[Any, np.dtype[np.uint8]] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = type(error).__name__
        raise MediaError(f"{shown(path)}: is missing or damaged ({reason}); run `alnus ingest` again") from None
    return array


def write_index(root: Path, entries: Iterable[StoreEntry]) -> None:
    """Write index.csv, whole or not at all. Raises OSError."""
    write_table(root / INDEX, COLUMNS, (asdict(entry) for entry in entries))


def write_table(path: Path, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    """Write a CSV file, whole or not at all; None is an empty cell. Raises OSError.

    A name that is not UTF-8 in the file system (such a video is excluded) is written with its bytes escaped.
    """
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode("utf-8", "backslashreplace"))


def cells_of(entry: StoreEntry) -> dict[str, str]:
    """Return an entry as the texts that its row of the index holds."""
    return {name: "" if value is None else str(value) for name, value in asdict(entry).items()}


def parsed_row(row: dict[str, str]) -> StoreEntry:
    """Return an index row as typed values. Raises ValueError, KeyError or TypeError for a damaged row."""
    return StoreEntry(
        video=row["video"],
        key=row["key"],
        frames=int(row["frames"]),
        height=int(row["height"]),
        width=int(row["width"]),
        duration_s=float(row["duration_s"]),
        frame_rate_hz=_number(row["frame_rate_hz"]),
        spacing_row_mm=_number(row["spacing_row_mm"]),
        spacing_col_mm=_number(row["spacing_col_mm"]),
        checksum=row["checksum"],
        source_sha256=row["source_sha256"],
        image_sha256=row["image_sha256"] or None,
        still_checksum=row["still_checksum"] or None,
        phantom=row["phantom"] == "True",
        has_image=row["has_image"] == "True",
        notes=row["notes"],
    )


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
