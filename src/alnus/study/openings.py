"""When each test set was evaluated, and with what: a set that is opened twice is no test set any more.

A study that is run again without a change opens nothing. Where networks, thresholds or calls have changed since, the
second opening is written down beside the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from alnus.provenance import file_sha256, now, write_atomic
from alnus.study.run import Run

OPENINGS = "openings.csv"
NOT_TESTS = ("train", "val")
MADE = ["set", "patients", "thresholds_sha256", "predictions_sha256"]


def note_openings(run: Run, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add the test sets that are opened now to openings.csv; return every opening, for results.json.

    A set is opened where its last line has another hash of the predictions or of what was frozen on validation.
    """
    path = run.path(OPENINGS)
    known = pd.read_csv(path, dtype={"set": str}).to_dict("records") if path.is_file() else []
    predictions = file_sha256(run.path("predictions.csv"))
    for name, part in results["sets"].items():
        line = dict(zip(MADE, (name, part["patients"], results["thresholds_sha256"], predictions), strict=True))
        before = [row for row in known if row["set"] == name]
        if name not in NOT_TESTS and not (before and all(before[-1][key] == line[key] for key in MADE)):
            known.append({"opened": now(), **line, "number": len(before) + 1})
    write_atomic(
        path, pd.DataFrame(known, columns=["opened", *MADE, "number"]).to_csv(index=False, lineterminator="\n")
    )
    return [{str(key): value for key, value in row.items() if key != "opened"} for row in known]
