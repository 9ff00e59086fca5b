"""videos.csv: what the videos of a study are, for the report's table of recordings by centre."""

from __future__ import annotations

from pathlib import PurePath

import pandas as pd

from alnus.cohort import Cohort
from alnus.media import CineStore

MEASURED = ("frames", "height", "width", "duration_s", "frame_rate_hz", "spacing_row_mm")


def videos_table(cohort: Cohort, store: CineStore) -> pd.DataFrame:
    """Return one row a stored video: patient, centre, the file's suffix, sizes, rate and spacing; empty = not stated.

    keyframe: "chosen" where the table names a frame or a still, else "middle", the frame that stands in for it.
    """
    stored = set(store.videos())
    rows = []
    for row in cohort.table.to_dict("records"):
        video = str(row["video"])
        if video not in stored:
            continue
        entry = store.entry(video)
        chosen = entry.has_image or not pd.isna(row.get("keyframe"))
        rows.append(
            {
                "patient_id": row["patient_id"],
                "video": video,
                "center": row["center"],
                "container": PurePath(video).suffix.lower().lstrip(".") or "no suffix",
                **{name: getattr(entry, name) for name in MEASURED},
                "keyframe": "chosen" if chosen else "middle",
            }
        )
    columns = ["patient_id", "video", "center", "container", *MEASURED, "keyframe"]
    return pd.DataFrame(rows, columns=columns)
