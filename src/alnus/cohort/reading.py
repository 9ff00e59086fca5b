"""A cohort file as the text that stands in it, each row with its number: nothing is interpreted yet.

Every cell stays text, so that an id such as 007 is never turned into the number 7.
"""

from __future__ import annotations

import contextlib
import csv
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alnus.errors import CohortError

IntArray = NDArray[np.int64]

DELIMITERS = (",", ";", "\t")
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
KNOWN = (
    *("patient_id", "video", "label", "center", "split", "fold", "keyframe", "image", "mask", "origin"),
    *("roi_x", "roi_y", "roi_w", "roi_h"),
)
PATHS = ("video", "image", "mask")
ALIASES = {"centre": "center"}


@dataclass(frozen=True)
class RawTable:
    """The cells of a file as trimmed text; "" where a cell is empty.

    rows: (rows,) the row's number in the file, 1 = the first below the header; empty rows count but are not kept.
    delimiter: None for Parquet.
    """

    source: Path
    cells: pd.DataFrame
    rows: IntArray
    delimiter: str | None
    lines_above_header: int = 0

    def place(self, position: int) -> str:
        """Return where a row stands, for a message: its number and, in a text file, its line."""
        row = int(self.rows[position])
        if self.delimiter is None:
            return f"row {row}"
        return f"row {row} (line {self._line(row)})"

    def _line(self, row: int) -> int:
        """Return the file's line on which a row begins; quoted cells may span several lines."""
        with self.source.open(encoding="utf-8-sig", newline="") as stream:
            for _ in range(self.lines_above_header):
                next(stream)
            reader = csv.reader(stream, delimiter=self.delimiter or ",")
            with contextlib.suppress(csv.Error):  # a cell longer than csv's limit: the lines are then counted as rows
                for number, _ in enumerate(reader):
                    if number == row - 1:
                        return reader.line_num + self.lines_above_header + 1
        return row + 1 + self.lines_above_header


def read_raw(path: Path) -> RawTable:
    """Read a CSV (UTF-8; comma, semicolon or tab) or Parquet file as text.

    Raises CohortError where the file is missing, empty, of another kind, not UTF-8, or has rows of unequal length.
    """
    if not path.is_file():
        raise CohortError(f"{path}: no such file; name the cohort table (CSV or Parquet)")
    if path.suffix.lower() in SPREADSHEETS:
        raise CohortError(f"{path}: a spreadsheet is not read; save it as 'CSV UTF-8' and name that file")
    with path.open("rb") as stream:
        magic = stream.read(4)
    raw = _read_parquet(path) if magic == b"PAR1" else _read_csv(path, magic)
    return _tidied(raw)


def _read_parquet(path: Path) -> RawTable:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError, NotImplementedError) as error:
        raise CohortError(f"{path}: cannot be read as Parquet ({' '.join(str(error).split())})") from None
    if "patient_id" in frame and pd.api.types.is_float_dtype(frame["patient_id"]):
        raise CohortError(f"{path}: column patient_id holds decimal numbers; write the ids as text")
    cells = pd.DataFrame({str(name): _as_text(frame[name]) for name in frame.columns})
    return RawTable(path, cells, np.arange(1, len(cells) + 1), None)


def _as_text(column: pd.Series) -> pd.Series:
    """Return a typed column as text: "" for a missing value, 0 and 1 for booleans."""
    if pd.api.types.is_bool_dtype(column):
        column = column.astype("Int64")
    return column.astype(object).where(column.notna(), "").map(str).astype(str).reset_index(drop=True)


def _read_csv(path: Path, magic: bytes) -> RawTable:
    if magic[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise CohortError(f"{path}: is UTF-16 text; save it as 'CSV UTF-8'")
    if magic == b"PK\x03\x04":
        raise CohortError(f"{path}: is a spreadsheet or archive under another name; save it as 'CSV UTF-8'")
    try:
        delimiter, above = _sniff(path)
        cells = _parse(path, delimiter, above)
    except UnicodeDecodeError:
        raise CohortError(
            f"{path}: {_undecodable_line(path)} is not UTF-8 text; save the table as 'CSV UTF-8'"
        ) from None
    return RawTable(path, cells, np.arange(1, len(cells) + 1), delimiter, above)


def _sniff(path: Path) -> tuple[str, int]:
    """Return the delimiter, and how many lines stand above the header (Excel's `sep=;` is one)."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first = stream.readline()
        declared = re.fullmatch(r"\"?sep=([,;\t])\"?\s*", first, flags=re.IGNORECASE)
    if declared:
        return declared.group(1), 1
    return max(DELIMITERS, key=lambda delimiter: _header_fit(first, delimiter)), 0


def _header_fit(header: str, delimiter: str) -> tuple[bool, int]:
    """Return how well a delimiter explains the header: does it part off `patient_id`, and into how many names."""
    try:
        fields = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:  # a "header" longer than csv's limit is no header
        return False, 0
    return "patient_id" in [_name(field) for field in fields], len(fields)


def _parse(path: Path, delimiter: str, above: int) -> pd.DataFrame:
    """Parse the text with every cell kept as text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # fields that would be dropped without a word
            cells = pd.read_csv(
                path,
                sep=delimiter,
                header=None,
                skiprows=above,
                dtype=str,
                na_filter=False,
                skip_blank_lines=False,
                index_col=False,
                encoding="utf-8-sig",
            )
    except pd.errors.EmptyDataError:
        raise CohortError(f"{path}: is empty; a header and one row a video are expected") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise CohortError(f"{path}: {_parser_reason(str(error), above)}") from None
    header = cells.iloc[0].tolist()
    cells = cells.iloc[1:].reset_index(drop=True)
    cells.columns = pd.Index([str(name) for name in header])
    return cells


def _parser_reason(message: str, above: int) -> str:
    """Return pandas' parser error as what the user can mend."""
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", message)
    if found:
        expected, line, seen = (int(text) for text in found.groups())
        return f"line {line + above} has {seen} fields, the header {expected}; quote a cell that holds the delimiter"
    return f"cannot be read as CSV ({' '.join(message.split())}); look for an unclosed quotation mark"


def _undecodable_line(path: Path) -> str:
    """Return which line is not UTF-8."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return f"line {number}"
    return "the file"


def _name(header: str) -> str:
    """Return a column's name: trimmed, and in lower case where it is one that the schema knows."""
    trimmed = header.strip().lstrip("\ufeff")
    lower = ALIASES.get(trimmed.lower(), trimmed.lower())
    return lower if lower in KNOWN or lower.startswith("reader_") else trimmed


def _tidied(raw: RawTable) -> RawTable:
    """Trim names and cells, drop nameless empty columns and empty rows, write paths with forward slashes."""
    columns: dict[str, pd.Series] = {}
    for position, header in enumerate(raw.cells.columns):
        name, cells = _name(header), raw.cells.iloc[:, position].str.strip()
        if name == "" and bool((cells == "").all()):
            continue
        if name in columns or name == "":
            problem = "has no name" if name == "" else f"{quoted(name)} stands twice"
            raise CohortError(f"{raw.source}: column {position + 1} {problem} in the header; rename or remove it")
        columns[name] = cells.str.replace("\\", "/", regex=False) if name in PATHS else cells
    cells = pd.DataFrame(columns)
    kept = ~_all_empty(cells)
    if not kept.any():
        raise CohortError(f"{raw.source}: has a header but no rows; one row a video is expected")
    return RawTable(
        raw.source, cells[kept].reset_index(drop=True), raw.rows[kept], raw.delimiter, raw.lines_above_header
    )


def _all_empty(cells: pd.DataFrame) -> NDArray[np.bool_]:
    empty = np.ones(len(cells), dtype=bool)
    for name in cells.columns:
        empty &= (cells[name] == "").to_numpy(dtype=bool)
    return empty


def quoted(value: str, *, longest: int = 60) -> str:
    """Return a value from a file for a message: in quotes, on one line, cut where it is long."""
    visible = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in value[:longest])
    return f"'{visible}{'...' if len(value) > longest else ''}'"


def first_few(names: Sequence[str], *, shown: int = 3) -> str:
    """Return the first names of a list and how many there are in all, for a message."""
    listed = ", ".join(names[:shown])
    return listed if len(names) <= shown else f"{listed}, ... ({len(names)} in all)"
