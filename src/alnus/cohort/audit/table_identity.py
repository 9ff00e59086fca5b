"""Whether a cohort table holds what names a person: in the cells, the columns' names, the ids and the paths.

Every cell of every column is looked at; a value is never repeated in a message, only its column and row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from alnus.cohort.audit.findings import AuditFinding
from alnus.cohort.reading import KNOWN
from alnus.cohort.table import Cohort

DATE = (
    r"(?:^|\D)(?:(?:19|20)\d\d[-./_]?(?:0[1-9]|1[0-2])[-./_]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|1[0-2])[./-](?:19|20)\d\d)(?:\D|$)"
)
EVERYWHERE = {
    "a person's name": r"\p{L}{2,}\^\p{L}*|^\p{Lu}\p{Ll}+,\s*\p{Lu}\p{Ll}+$",
    "a date": DATE,
    "an e-mail address": r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}",
    "a DICOM UID": r"(?:^|[^\d.])[0-2](?:\.\d+){6,}",
    "a hospital number": r"(?i)(?:^|[^a-z])(?:mrn|patid|pat_?no|ssn|nhs|case_?no)[-_ :#]*\d{4,}",
}
IN_TEXT = {
    "a telephone number": r"(?:^|[\s(:;,]|(?i:tel\.))(?:\+\d{1,3}|\(?0)[\d ()/-]{7,}\d(?:[\s);,]|$)",
    "a person's name": r"^\p{Lu}\p{Ll}{2,}(?: \p{Lu}\.?)? \p{Lu}\p{Ll}{2,}$",
}
IN_IDS = {
    "a person's name": r"^\p{Lu}\p{Ll}{2,}[ _,.-]+\p{Lu}\p{Ll}{2,}$",
    "a hospital number": r"^[1-9]\d{6,11}$",
}
IN_PATHS = {"a person's name": r"(?:^|/)\p{Lu}\p{Ll}{2,}[ _,^-]+\p{Lu}\p{Ll}{2,}(?:/|\.\w+$)"}
COLUMN_NAMES = re.compile(
    r"(?i)(?:^|[_ .-])(?:(?:first|last|family|given|patient|sur)[_ ]?name|name|vorname|nachname|birth\w*|dob|geburt\w*"
    r"|mrn|ssn|phone|tel|telephone|e-?mail|address|street|postcode|zip|insurance\w*)(?:$|[_ .-])"
)
FREE_TEXT_LETTERS, FREE_TEXT_WORDS = 40, 6
CODED_SHARE = 0.1
"""A column with fewer different values than this share of its cells holds codes."""
DATES_AS_NUMBERS = (19000101, 21001231)


def audit_table_identity(cohort: Cohort) -> list[AuditFinding]:
    """Return a warning for each column and each kind of identity that it seems to hold; values are not repeated."""
    return [
        *_named_columns(cohort),
        *(finding for name in _text_columns(cohort) for finding in _in_cells(cohort, name)),
        *(finding for name in cohort.clinical for finding in _in_numbers(cohort, name)),
    ]


def _warning(column: str, what: str, rows: np.ndarray) -> AuditFinding:
    shown = ", ".join(str(row + 1) for row in rows[:3]) + (", ..." if len(rows) > 3 else "")
    text = f"column {column}: {len(rows)} cells look like {what} (video {shown} of the table); replace or remove them"
    return AuditFinding("table_identity", "warning", text, numbers=(("cells", float(len(rows))),))


def _named_columns(cohort: Cohort) -> Iterator[AuditFinding]:
    for name in cohort.clinical:
        if COLUMN_NAMES.search(name):
            text = f"column {name}: its name says that it holds what identifies a person; remove it from the table"
            yield AuditFinding("table_identity", "warning", text)


def _text_columns(cohort: Cohort) -> list[str]:
    own = [name for name in ("patient_id", "video", "image", "mask", "center") if name in cohort.table]
    return own + [name for name in cohort.clinical if not pd.api.types.is_numeric_dtype(cohort.table[name])]


def _patterns(column: str) -> dict[str, list[str]]:
    special = {"patient_id": IN_IDS, "video": IN_PATHS, "image": IN_PATHS, "mask": IN_PATHS}.get(column, IN_TEXT)
    return {
        what: [group[what] for group in (EVERYWHERE, special) if what in group] for what in {**EVERYWHERE, **special}
    }


def _in_cells(cohort: Cohort, column: str) -> Iterator[AuditFinding]:
    cells = pa.chunked_array([pa.array(cohort.table[column], type=pa.string(), from_pandas=True)])
    unique = pc.unique(cells)
    is_coded = len(unique) < len(cells) * CODED_SHARE  # "Cedar View" in every third row is a scanner, not a person
    for what, patterns in _patterns(column).items():
        patterns = [p for p in patterns if not (is_coded and p == IN_TEXT["a person's name"])]
        hits = pc.match_substring_regex(unique, "|".join(f"(?:{pattern})" for pattern in patterns))
        found = unique.filter(hits)
        if len(found):
            yield _warning(column, what, np.flatnonzero(pc.is_in(cells, found).to_numpy(zero_copy_only=False)))
    if column not in KNOWN and _is_free_text(unique):
        text = f"column {column}: holds free text, in which names and dates hide; code it or remove it"
        yield AuditFinding("table_identity", "warning", text)


def _is_free_text(unique: pa.Array) -> bool:
    long = pc.greater(pc.utf8_length(unique), FREE_TEXT_LETTERS)
    wordy = pc.greater_equal(pc.count_substring(unique, " "), FREE_TEXT_WORDS - 1)
    both = pc.and_(long, wordy)
    return bool(pc.any(both).as_py())


def _in_numbers(cohort: Cohort, column: str) -> Iterator[AuditFinding]:
    values = cohort.table[column]
    if not pd.api.types.is_numeric_dtype(values):
        return
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    year, rest = np.divmod(numbers, 10_000)
    month, day = np.divmod(rest, 100)
    first, last = DATES_AS_NUMBERS
    dates = (numbers >= first) & (numbers <= last) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    dates &= year == np.floor(year)
    rows = np.flatnonzero(dates & (numbers == np.floor(numbers)))
    if len(rows):
        yield _warning(column, "a date", rows)
    other = np.flatnonzero((numbers >= 1e6) & (numbers < 1e12) & (numbers == np.floor(numbers)) & ~dates)
    if len(other):
        yield _warning(column, "a hospital or telephone number", other)
