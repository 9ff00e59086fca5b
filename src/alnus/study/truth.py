"""On a phantom cohort the truth is known: the best possible readers' scores stand beside the networks' as ceilings."""

from __future__ import annotations

import pandas as pd

from alnus.cohort import Cohort

CEILINGS = {"ideal reader, keyframe": "ideal_keyframe", "ideal reader, video": "ideal_video"}


def ceiling_rows(cohort: Cohort, splits: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the predictions table for the ideal readers; none where the cohort is real or its truth is absent.

    splits: one row a patient (patient_id, label, split). Reads truth.csv beside the cohort table.
    """
    path = cohort.source.parent / "truth.csv"
    if not cohort.is_phantom or not path.is_file():
        return pd.DataFrame()
    truth = pd.read_csv(path, dtype={"patient_id": str})
    columns = [column for column in ("patient_id", "label", "split", "fold") if column in splits]
    table = splits[columns].merge(truth[["patient_id", *CEILINGS.values()]], on="patient_id")
    parts = [
        table[columns].assign(video="", source=source, score=table[column].to_numpy(), kind="ceiling")
        for source, column in CEILINGS.items()
    ]
    return pd.concat(parts, ignore_index=True)
