"""The demonstration: a small phantom cohort and small networks, so that the way through takes minutes on two cores."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from alnus.config import resolve
from alnus.console import Reporter
from alnus.phantom import PhantomConfig, write_phantom
from alnus.study.protocol import StudyResult, run_study

PATIENTS = (100, 100, 40)  # centres A, B, C


def run_demo(out: Path, *, seed: int, reporter: Reporter) -> StudyResult:
    """Simulate a cohort in OUT/phantom and run the small preset's study in OUT/run."""
    table = _phantom(out / "phantom", PhantomConfig(patients=PATIENTS, seed=seed), reporter)
    study = resolve(
        {"preset": "small", "cohort": str(table), "out": str(out / "run"), "seed": seed}, origin="the demonstration"
    )
    return run_study(study, reporter=reporter, command="alnus demo")


def _phantom(folder: Path, config: PhantomConfig, reporter: Reporter) -> Path:
    """Simulate the cohort, unless the same one is there already; return its table."""
    table, record = folder / "cohort.csv", folder / "phantom.json"
    wanted = json.loads(json.dumps(asdict(config)))
    if table.is_file() and record.is_file() and json.loads(record.read_text(encoding="utf-8"))["config"] == wanted:
        return table
    table.unlink(missing_ok=True)
    with reporter.progress("Simulating patients") as progress:
        return write_phantom(folder, config, progress=progress)
