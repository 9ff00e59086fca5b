"""Sonographers' readings in the shape of the predictions table, so that evaluation treats them as it does models."""

from __future__ import annotations

import pandas as pd

from alnus.cohort.schema import READER
from alnus.cohort.table import Cohort

COLUMNS = ["patient_id", "video", "split", "label", "source", "score", "call"]


def reader_table(cohort: Cohort, splits: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return `patient_id, video, split, label, source, score, call`: one row a reader and patient read.

    video is "" (a reader judges the patient); source is the reader's name. A reader who only says 0 and 1 has that
    as score and call; an ordinal reader's score is the suspicion and the call is <NA> (Int64). A patient whom a
    reader did not read has no row. split: from `splits` (`patient_id, split`), else the table's column, else "".
    """
    people = cohort.table.drop_duplicates("patient_id").sort_values("patient_id", ignore_index=True)
    if splits is not None:
        split = people["patient_id"].map(splits.set_index("patient_id")["split"]).fillna("")
    else:
        split = people["split"] if "split" in people else pd.Series("", index=people.index)
    people = people.assign(split=split.astype(str), video="")
    tables = [_readings(people, reader) for reader in cohort.readers]
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(tables, ignore_index=True)


def _readings(people: pd.DataFrame, reader: str) -> pd.DataFrame:
    score = people[READER + reader]
    table = people.assign(source=reader, score=score, call=pd.array([pd.NA] * len(people), dtype="Int64"))
    table = table[table["score"].notna()]
    if table["score"].isin([0.0, 1.0]).all():
        table["call"] = table["score"].astype("Int64")
    return table[COLUMNS]
