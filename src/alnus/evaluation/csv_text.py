"""A predictions table's CSV as programs and spreadsheets save it: commas, semicolons or tabs, with or without a BOM.

A spreadsheet set to a language with decimal commas saves semicolons between the cells and writes 0,75 for 0.75.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pandas as pd

SEPARATORS = (",", ";", "\t")
DECIMALS = ("label", "score", "call", "fold")
DECIMAL_COMMA = r"^\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*$"


def read_csv_text(path: Path) -> pd.DataFrame:
    """Return the cells as text, the separator taken from the header, decimal commas written as points.

    Decimal commas are understood only where the separator is no comma, in the columns of numbers, and in cells with
    one comma and no point: "1.234,5" stays as it is, to be refused as no number.
    Raises OSError and ValueError as pandas does (where the text is not UTF-8, say), and where a row is too long.
    """
    separator, above = _separator(path)
    with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):  # cells dropped without a word
        try:
            table = pd.read_csv(
                path,
                sep=separator,
                skiprows=above,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,
            )
        except pd.errors.ParserWarning:
            raise ValueError("its rows have more cells than its header; quote a cell that holds a separator") from None
    if separator != ",":
        for column in table.columns.intersection(list(DECIMALS)):
            table[column] = table[column].str.replace(DECIMAL_COMMA, r"\1.\2", regex=True)
    return table


def _separator(path: Path) -> tuple[str, int]:
    """Return the separator, and how many lines stand above the header: one where it is a spreadsheet's "sep=;"."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        first = stream.readline()
    declared = re.fullmatch(r"\"?sep=([,;\t])\"?\s*", first, flags=re.IGNORECASE)
    if declared:
        return declared.group(1), 1
    return max(SEPARATORS, key=first.count), 0  # the first of equals: a comma
