"""A cohort table of a million rows: read and validated, split by patient, audited for identity; time and memory.

python benchmarks/cohort_scale.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from alnus.cohort import assign_splits, load_cohort
from alnus.cohort.audit import audit_table_identity
from alnus.cohort.audit.patients import audit_ids
from alnus.config import SplitConfig
from alnus.provenance import machine, now, versions

Clock = np.ndarray  # (2,): seconds of wall and of CPU time
HERE = Path(__file__).resolve().parent
VIDEOS_PER_PATIENT = 4


def _clock() -> Clock:
    return np.array([time.perf_counter(), time.process_time()])


def write_table(path: Path, rows: int) -> None:
    """Write a cohort of so many videos, four a patient, with clinical columns, ROIs and a reader."""
    rng = np.random.default_rng(0)
    patient = np.arange(rows) // VIDEOS_PER_PATIENT
    count = int(patient[-1]) + 1
    ids = np.array([f"S{number:07d}" for number in range(count)])[patient]
    pd.DataFrame(
        {
            "patient_id": ids,
            "video": [f"videos/{name}/{number}.dcm" for number, name in enumerate(ids)],
            "label": (rng.random(count) < 0.3)[patient].astype(int),
            "center": rng.choice(list("ABCDEF"), count)[patient],
            "keyframe": rng.integers(0, 200, rows),
            **{name: rng.integers(1, 90, rows) for name in ("roi_x", "roi_y", "roi_w", "roi_h")},
            "reader_ann": rng.integers(0, 2, count)[patient],
            "age": rng.integers(30, 90, count)[patient],
            "size_mm": rng.normal(18, 6, rows).round(1),
            "grade": rng.choice(["I", "II", "III", ""], rows),
            "scanner": rng.choice(["Alder 10", "Birch SX", "Cedar View"], rows),
        }
    ).to_csv(path, index=False)


def main() -> None:
    """Measure each step once, in a process that has imported everything, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    times: dict[str, Clock] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cohort.csv"
        write_table(path, rows)
        begin = _clock()
        cohort = load_cohort(path)
        times["read and validated"] = _clock() - begin
        begin = _clock()
        people = assign_splits(cohort, SplitConfig(), seed=0)
        times["split"] = _clock() - begin
        begin = _clock()
        found = audit_table_identity(cohort) + audit_ids(people)
        times["audited for identity"] = _clock() - begin
    times["together"] = np.sum(list(times.values()), axis=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (30 if sys.platform == "darwin" else 20))
    lines = [
        f"| {rows:,} rows | seconds | of CPU |",
        "|---|---|---|",
        *(f"| {what} | {t[0]:.1f} | {t[1]:.1f} |" for what, t in times.items()),
    ]
    lines += ["", f"{len(found)} findings, as there should be none. Peak memory {peak:.1f} GiB."]
    about = (
        f"# A cohort of many rows\n\n`python benchmarks/cohort_scale.py --rows {rows}`, {now()}, {machine()['cores']}"
        f" cores ({machine()['machine']}), pandas {versions()['pandas']}; imports included.\n\n"
    )
    (HERE / "cohort_scale.md").write_text(about + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
