"""The cohort table: read, checked and typed; one row a video, the patient being the unit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from alnus.cohort.reading import KNOWN, RawTable, first_few, quoted, read_raw
from alnus.cohort.schema import READER, ROI, check, is_reader, normalised
from alnus.errors import CohortError

PHANTOM = "phantom"


@dataclass(frozen=True)
class Cohort:
    """A checked cohort table.

    table: one row a video, index 0..n-1. Always there: `patient_id`, `video`, `label` (int64; Int64 with <NA> where
    labels were not needed and some are missing), `center` ("" where the file names none). As in the file: `split`,
    `fold` (int64), `keyframe` and `roi_*` (Int64, <NA> = not given), `image` ("" = none), `origin`, `reader_<name>`
    (float, NaN = not read; filled for all of a patient's rows), then the clinical columns (float with NaN, or text
    with None).
    root: the folder that relative paths are relative to.
    """

    table: pd.DataFrame
    source: Path
    root: Path
    is_phantom: bool
    readers: tuple[str, ...]
    clinical: tuple[str, ...]

    def path(self, relative: str) -> Path:
        """Return where a `video` or `image` of the table lies; an absolute path stays what it is."""
        return self.root / relative


def load_cohort(path: Path, *, need_labels: bool = True, need_files: bool = False) -> Cohort:
    """Read and check a cohort table (CSV or Parquet).

    need_labels: refuse a row without a label. need_files: refuse a row whose video or image is not there.
    Raises CohortError: one line naming the file, row (1 = first below the header), patient, column and value.
    """
    path = Path(path)
    raw = read_raw(path)
    cells = normalised(raw)
    check(raw, cells, need_labels=need_labels)
    readers = tuple(name.removeprefix(READER) for name in cells.columns if is_reader(name))
    clinical = tuple(name for name in cells.columns if name not in KNOWN and not is_reader(name))
    table = _typed(cells, clinical)
    is_phantom = "origin" in table and bool((table["origin"].str.lower() == PHANTOM).any())
    cohort = Cohort(table, path, path.parent, is_phantom, readers, clinical)
    if need_files:
        _require_files(cohort, raw)
    return cohort


def patients(cohort: Cohort) -> pd.DataFrame:
    """Return one row a patient, sorted by id: `patient_id`, `label`, `center`, and `split`, `fold` where given.

    Sorted, so that nothing drawn from it depends on the order of the file's rows.
    """
    columns = [name for name in ("patient_id", "label", "center", "split", "fold") if name in cohort.table]
    unique = cohort.table[columns].drop_duplicates("patient_id")
    return unique.sort_values("patient_id", ignore_index=True)


def _typed(cells: pd.DataFrame, clinical: tuple[str, ...]) -> pd.DataFrame:
    """Return the checked text as typed columns, the schema's own first."""
    own = {name: cells[name] for name in ("patient_id", "video")}
    own["label"] = _labels(cells)
    own["center"] = cells["center"] if "center" in cells else pd.Series("", index=cells.index, dtype=str)
    for name in ("split", "image", "mask", "origin"):
        if name in cells:
            own[name] = cells[name]
    if "fold" in cells:
        own["fold"] = pd.to_numeric(cells["fold"]).astype("int64")
    for name in ("keyframe", *ROI):
        if name in cells:
            own[name] = _numbers(cells[name]).astype("Int64")
    for name in filter(is_reader, cells.columns):
        own[name] = _numbers(cells[name]).groupby(cells["patient_id"], sort=False).transform("first")
    return pd.DataFrame({**own, **{name: _clinical(cells[name]) for name in clinical}})


def _labels(cells: pd.DataFrame) -> pd.Series:
    if "label" not in cells:
        return pd.Series(pd.NA, index=cells.index, dtype="Int64")
    labels = _numbers(cells["label"])
    return labels.astype("Int64") if labels.isna().any() else labels.astype("int64")


def _numbers(column: pd.Series) -> pd.Series:
    """Return checked text as floats, NaN where it is empty."""
    codes, values = pd.factorize(column)  # each spelling is turned into a number once: a million rows hold few
    spelled = pd.Series(values, dtype=str)
    return pd.Series(pd.to_numeric(spelled.mask(spelled == "")).to_numpy("float64")[codes], index=column.index)


def _clinical(column: pd.Series) -> pd.Series:
    """Return a clinical column as numbers where every value is one, else as text; a code such as 007 stays text."""
    given = column[column != ""]
    numbers = pd.to_numeric(given, errors="coerce")
    is_number = bool(np.isfinite(numbers.to_numpy(dtype=float)).all()) and not given.str.match(r"^[+-]?0\d").any()
    if is_number and len(given):
        return numbers.reindex(column.index).astype("float64")
    return column.astype(object).where(column != "", None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows
        return False


def _require_files(cohort: Cohort, raw: RawTable) -> None:
    for name in ("video", "image"):
        if name not in cohort.table:
            continue
        column = cohort.table[name]
        absent = [row for row, value in enumerate(column) if value and not _exists(cohort.path(value))]
        if absent:
            files = first_few([f"{raw.place(row)}: {quoted(column.iloc[row])}" for row in absent[:3]])
            raise CohortError(
                f"{cohort.source}: {len(absent)} of {len(column)} files in column {name} are not under"
                f" {cohort.root}, the first in {files}; put them there or correct the path"
            )
