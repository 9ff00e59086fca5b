"""The demonstration: a small phantom cohort and small networks, so that the way through takes minutes on two cores."""

from __future__ import annotations

from pathlib import Path

from alnus.config import resolve
from alnus.console import Reporter
from alnus.phantom import PhantomConfig, write_phantom
from alnus.study.protocol import StudyResult, run_study

PATIENTS = (100, 100, 40)  # centres A, B, C


def run_demo(out: Path, *, seed: int, reporter: Reporter) -> StudyResult:
    """Simulate a cohort in OUT/phantom and run the small preset's study in OUT/run."""
    config = PhantomConfig(patients=PATIENTS, seed=seed)
    with reporter.progress("Simulating patients") as progress:
        table = write_phantom(out / "phantom", config, progress=progress)
    study = resolve(
        {"preset": "small", "cohort": str(table), "out": str(out / "run"), "seed": seed}, origin="the demonstration"
    )
    return run_study(study, reporter=reporter, command="alnus demo")
