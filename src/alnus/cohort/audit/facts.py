"""What is known of how each patient's videos were made, one row a patient: what should not tell the label."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from alnus.cohort.table import Cohort
from alnus.media.store import CineStore

QUALITY = "quality.csv"
LEAST_MARKED = 3
"""Videos with a quality code below which it cannot go with anything."""
ACQUISITION = re.compile(
    r"(?i)scanner|device|machine|vendor|manufact|model|probe|transducer|operator|sonographer|examiner|depth|gain|freq"
    r"|mhz|preset|room|site|hospital|year|software|version|export|source|format"
)
"""Names of a user's columns that speak of the examination, not of the patient."""


def facts_of(cohort: Cohort, people: pd.DataFrame, store: CineStore | None) -> pd.DataFrame:
    """Return the facts, indexed by `patient_id` as in `people`: from the table's columns and the store's index.

    Of a patient with several videos a number is the mean, a text the most frequent.
    """
    videos = pd.DataFrame({"patient_id": cohort.table["patient_id"], "container": _suffixes(cohort.table["video"])})
    videos["center"] = cohort.table["center"]
    for name in (name for name in cohort.clinical if ACQUISITION.search(name)):
        column = cohort.table[name]
        videos[f"column {name}"] = column if pd.api.types.is_numeric_dtype(column) else column.fillna("").astype(str)
    if store is not None:
        videos = videos.join(_stored(cohort.table["video"], store))
    videos = videos[videos["patient_id"].isin(people["patient_id"])]
    groups = videos.groupby("patient_id", sort=False)
    facts = pd.DataFrame({"number of videos": groups.size().astype(float)})
    for name in videos.columns.drop("patient_id"):
        numeric = pd.api.types.is_numeric_dtype(videos[name])
        facts[name] = groups[name].mean() if numeric else _most_frequent(videos, str(name))
    facts = facts.reindex(people["patient_id"])
    return facts[[name for name in facts.columns if facts[name].nunique(dropna=False) > 1]]


def _most_frequent(videos: pd.DataFrame, name: str) -> pd.Series:
    """Return each patient's most frequent text; of equally frequent ones the first by the alphabet."""
    counts = videos.groupby(["patient_id", name]).size().rename("count").reset_index()
    counts = counts.sort_values(["count", name], ascending=[False, True])
    return counts.drop_duplicates("patient_id").set_index("patient_id")[name]


def _suffixes(videos: pd.Series) -> pd.Series:
    return pd.Series([PurePosixPath(video).suffix.lower() or "none" for video in videos], index=videos.index)


def _stored(videos: Sequence[str], store: CineStore) -> pd.DataFrame:
    """Return what the store says of each video; NaN where it does not hold it."""
    known = set(store.videos())
    entries = [store.entry(video) if video in known else None for video in videos]

    def column(name: str) -> list[float]:
        return [np.nan if entry is None or getattr(entry, name) is None else getattr(entry, name) for entry in entries]

    names = {
        "frame rate": "frame_rate_hz",
        "duration": "duration_s",
        "number of frames": "frames",
        "image height": "height",
        "image width": "width",
        "pixel spacing": "spacing_row_mm",
        "having a still": "has_image",
    }
    facts = {fact: np.array(column(name), float) for fact, name in names.items()}
    facts["a stated spacing"] = np.isfinite(facts["pixel spacing"]).astype(float)
    return pd.DataFrame(facts | _quality(list(videos), store.root / QUALITY))


def _quality(videos: list[str], path: Path) -> dict[str, np.ndarray]:
    """Return for each code of the store's quality table which videos have it; {} where there is no such table."""
    try:
        rows = list(csv.DictReader(StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (OSError, ValueError):
        return {}
    marked: dict[str, set[str]] = {}
    for row in rows:
        marked.setdefault(str(row.get("code")), set()).add(str(row.get("video")))
    return {
        f"the quality finding {code}": np.array([video in those for video in videos], float)
        for code, those in sorted(marked.items())
        if len(those) >= LEAST_MARKED
    }
