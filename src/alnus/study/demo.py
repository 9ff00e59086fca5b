"""The demonstration: a small phantom cohort and small networks, so that the way through takes minutes on two cores."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alnus.config import resolve
from alnus.console import Reporter
from alnus.phantom import PhantomConfig, write_phantom
from alnus.study.protocol import StudyResult, run_study

PATIENTS = (140, 140, 30)  # centres A, B, C
TEST_FRACTION = 0.35  # more than the paper's: 98 test patients, so that the margin is not left to chance


def run_demo(out: Path, *, seed: int, reporter: Reporter) -> StudyResult:
    """Simulate a cohort in OUT/phantom and run the small preset's study in OUT/run."""
    table = _phantom(out / "phantom", PhantomConfig(patients=PATIENTS, seed=seed), reporter)
    study = resolve(
        {
            "preset": "small",
            "title": "Demonstration on a phantom cohort",
            "cohort": str(table.resolve()),
            "out": str((out / "run").resolve()),
            "seed": seed,
            "split": {"test_fraction": TEST_FRACTION},
            "explanation": {"cases": 1},
        },
        origin="the demonstration",
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


def margin_line(results: dict[str, Any], *, test_set: str = "test_a") -> str:
    """Return how far the best video network is above the image network, and how far the truth allows it to be."""
    sources = results["sets"][test_set]["sources"]
    auc = {name: row["auc"]["estimate"] for name, row in sources.items() if row["auc"] is not None}
    videos = [name for name, row in sources.items() if row["kind"] == "model" and name != "image" and name in auc]
    best = max(videos, key=lambda name: auc[name])
    ceiling, still = auc["ideal reader, video"], auc["ideal reader, keyframe"]
    lines = (
        f"On testing set A the best video network ({best}, AUC {auc[best]:.3f}) is",
        f"{auc[best] - auc['image']:+.3f} from the image network ({auc['image']:.3f}).",
        f"The phantom's truth allows {ceiling - still:+.3f}: the best possible reader",
        f"of the whole video has {ceiling:.3f}, of the keyframe alone {still:.3f}.",
    )
    return "\n".join(lines)
