"""Patients who may be one under two ids, and splits that do not hold what a test needs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
import pandas as pd

from alnus.cohort.audit.findings import AuditFinding
from alnus.cohort.reading import first_few, quoted

LEAST_PER_CLASS = 10
"""Patients of a class below which sensitivity or specificity has an interval wider than half of the scale."""
LOOK_ALIKE = str.maketrans({
    "А": "A", "В": "B", "Е": "E", "К": "K", "М": "M", "Н": "H", "О": "O", "Р": "P", "С": "C", "Т": "T", "Х": "X",  # noqa: RUF001  Cyrillic
    "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "Ρ": "P",  # noqa: RUF001  Greek
    "Τ": "T", "Χ": "X",  # noqa: RUF001  Greek
})  # fmt: skip
"""Capital letters of other alphabets that look like Latin ones; ids are brought to capitals first."""


def audit_ids(people: pd.DataFrame) -> list[AuditFinding]:
    """Return a warning for each group of ids that differ only in case, blanks, zeros in front or look-alike letters.

    people: one row a patient, with `patient_id` and, where it is known, `split`.
    """
    ids = people["patient_id"].astype(str)
    folded = _folded(ids)
    groups = people.assign(folded=folded)[folded.duplicated(keep=False)].groupby("folded", sort=True)
    return [_alike(group) for _, group in groups]


def _folded(ids: pd.Series) -> pd.Series:
    """Return each id as it would be if all spellings of it were one."""
    plain = ids.str.upper()
    foreign = ~plain.str.isascii() if hasattr(plain.str, "isascii") else ~plain.map(str.isascii)
    if foreign.any():
        plain = plain.mask(foreign, plain[foreign].map(lambda text: unicodedata.normalize("NFKC", text).upper()))
        plain = plain.mask(foreign, plain[foreign].map(lambda text: text.translate(LOOK_ALIKE)))
    plain = plain.str.replace(r"[\s_./-]+", "", regex=True)
    return plain.str.replace(r"(^|[^0-9])0+([0-9])", r"\1\2", regex=True)


def _alike(group: pd.DataFrame) -> AuditFinding:
    ids = tuple(group["patient_id"].astype(str))
    named = first_few([f"{quoted(name)}" for name in ids])
    splits = sorted(set(group["split"])) if "split" in group else []
    across = f"; they stand in {' and '.join(splits)}" if len(splits) > 1 else ""
    text = f"patients {named} differ only in spelling{across}; if they are one person, give her one id"
    return AuditFinding("ids_alike", "warning", text, patients=ids)


def audit_balance(people: pd.DataFrame) -> list[AuditFinding]:
    """Return notes on splits that are too small, and warnings on splits of one class. people: with label and split."""
    return [finding for name, part in people.groupby("split", sort=True) for finding in _balance(str(name), part)]


def _balance(name: str, part: pd.DataFrame) -> Iterator[AuditFinding]:
    labels = part["label"].to_numpy(dtype=float, na_value=np.nan)
    positive, negative = int((labels == 1).sum()), int((labels == 0).sum())
    numbers = (("patients", float(len(part))), ("positive", float(positive)))
    if positive == 0 or negative == 0:
        text = f"split {name}: all {len(part)} patients have one label; nothing can be measured on it"
        yield AuditFinding("one_class", "warning", text, numbers=numbers)
    elif min(positive, negative) < LEAST_PER_CLASS:
        text = (
            f"split {name}: {positive} patients with and {negative} without metastasis; below {LEAST_PER_CLASS} of"
            " either an interval says little"
        )
        yield AuditFinding("few_patients", "note", text, numbers=numbers)
