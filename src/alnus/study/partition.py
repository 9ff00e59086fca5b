"""Who trains, who validates, who tests: the splits as files and as the networks' samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from alnus.clips.sample import Sample
from alnus.cohort import Cohort, assign_folds, assign_splits
from alnus.config import StudyConfig
from alnus.media import Box, IngestItem

TESTS = ("test_a", "test_b", "folds")


@dataclass(frozen=True)
class Partition:
    """One assignment of every patient: fold is None, or the number of the held-out fold."""

    fold: int | None
    splits: pd.DataFrame  # patient_id, label, center, split

    def split_of(self) -> dict[str, str]:
        """Return each patient's split."""
        return dict(zip(self.splits["patient_id"], self.splits["split"], strict=True))


def partitions(cohort: Cohort, config: StudyConfig) -> list[Partition]:
    """Return the study's one partition, or one for each fold. Raises CohortError where the cohort does not allow it."""
    if config.split.folds:
        tables = assign_folds(cohort, config.split, seed=config.seed)
        return [Partition(number, table) for number, table in enumerate(tables)]
    return [Partition(None, assign_splits(cohort, config.split, seed=config.seed))]


def are_given(cohort: Cohort, config: StudyConfig) -> bool:
    """Tell whether the cohort table assigns the patients: by its `split` column, or by as many folds as asked."""
    if config.split.folds:
        return "fold" in cohort.table and cohort.table["fold"].nunique() == config.split.folds
    return "split" in cohort.table


def splits_table(found: list[Partition]) -> pd.DataFrame:
    """Return the table of splits.csv: one row a patient, or with folds one row a patient and fold."""
    if found[0].fold is None:
        return found[0].splits
    return pd.concat([part.splits.assign(fold=part.fold) for part in found], ignore_index=True)


def held_out(found: list[Partition]) -> pd.DataFrame:
    """Return one row a patient with the split that it is reported under (with folds: "folds", and which)."""
    if found[0].fold is None:
        return found[0].splits
    table = splits_table(found)
    return table[table["split"] == "folds"].reset_index(drop=True)


def ingest_items(cohort: Cohort) -> list[IngestItem]:
    """Return what ingestion needs to know of each row of the table."""
    return [_item(cohort, row) for row in cohort.table.to_dict("records")]


def _item(cohort: Cohort, row: dict[str, object]) -> IngestItem:
    image = _given(row, "image")
    box = [_given(row, f"roi_{side}") for side in "xywh"]
    return IngestItem(
        video=str(row["video"]),
        path=cohort.root / str(row["video"]),
        roi=None if box[0] is None else Box(*(int(str(side)) for side in box)),
        image=None if image is None else cohort.root / str(image),
        keyframe=_keyframe(row),
        patient=str(row["patient_id"]),
    )


def samples(cohort: Cohort, *, videos: Iterable[str], patients: Iterable[str]) -> list[Sample]:
    """Return the samples of some patients, of those videos that are in the store, in the table's order."""
    stored, chosen = set(videos), set(patients)
    return [
        Sample(
            patient_id=str(row["patient_id"]),
            video=str(row["video"]),
            label=_label(row),
            keyframe=_keyframe(row),
        )
        for row in cohort.table.to_dict("records")
        if row["video"] in stored and row["patient_id"] in chosen
    ]


def _label(row: dict[str, object]) -> int | None:
    value = _given(row, "label")
    return None if value is None else int(str(value))


def _keyframe(row: dict[str, object]) -> int | None:
    value = _given(row, "keyframe")
    return None if value is None else int(str(value))


def _given(row: dict[str, object], column: str) -> object | None:
    value = row.get(column)
    return None if value is None or pd.isna(value) or value == "" else value
