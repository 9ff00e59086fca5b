"""What can be said of a cohort before anything is decoded: its counts, its missing files, whether it can be split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alnus.cohort import assign_folds, assign_splits, load_cohort
from alnus.config import SplitConfig, checked
from alnus.errors import CohortError


def check_cohort(source: Path, *, folds: int = 0) -> dict[str, Any]:
    """Return counts and lines to print. Raises CohortError for a wrong table, missing files or an impossible split."""
    cohort = load_cohort(source)
    missing = [video for video in cohort.table["video"] if not (cohort.root / video).exists()]
    if missing:
        named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise CohortError(f"{source}: {len(missing)} of {len(cohort.table)} videos are not there: {named}")
    split = checked(SplitConfig, {"folds": folds}, origin="--folds")
    table = assign_folds(cohort, split, seed=0)[0] if folds else assign_splits(cohort, split, seed=0)
    counts = table.groupby("split")["label"].agg(["size", "sum"])
    lines = [f"{source}: {table['patient_id'].nunique()} patients, {len(cohort.table)} videos, every file is there"]
    lines += [f"  {name}: {row['size']} patients, {int(row['sum'])} with metastasis" for name, row in counts.iterrows()]
    lines += [f"  readers: {', '.join(cohort.readers)}"] if cohort.readers else []
    sets = {str(name): {"patients": int(row["size"]), "positive": int(row["sum"])} for name, row in counts.iterrows()}
    return {"videos": len(cohort.table), "sets": sets, "readers": list(cohort.readers), "lines": lines}
