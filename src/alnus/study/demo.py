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
FAITHFULNESS = {"cases": 12, "perturbed": 4, "steps": 5, "randomised": 2}  # half a minute
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
            "explanation": {"cases": 1, "faithfulness": FAITHFULNESS},
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


def margin_lines(results: dict[str, Any], population: dict[str, float], *, test_set: str = "test_a") -> str:
    """Return how far the video networks are above the image network, beside what the truth allows.

    population: the ceilings that phantom.json states. The best network is named with its interval and P, and so is the
    one that validation would have chosen: the best of three on the test set itself flatters.
    """
    sources, val = results["sets"][test_set]["sources"], results["sets"]["val"]["sources"]
    auc = {name: row["auc"]["estimate"] for name, row in sources.items() if row["auc"] is not None}
    videos = [name for name, row in sources.items() if row["kind"] == "model" and name != "image" and name in auc]
    best = max(videos, key=lambda name: auc[name])
    chosen = max(videos, key=lambda name: val[name]["auc"]["estimate"] if val[name]["auc"] else 0.0)
    tests = {row["a"]: row["auc"] for row in results["sets"][test_set]["comparisons"] if row["b"] == "image"}
    video, still = auc["ideal reader, video"], auc["ideal reader, keyframe"]
    lines = [
        f"Testing set A: image network {auc['image']:.3f}.",
        f"  best video network      {_against(best, auc, tests)}",
        f"  chosen on validation    {_against(chosen, auc, tests)}",
        f"  ceilings, these patients: video {video:.3f}, keyframe {still:.3f} ({video - still:+.3f})",
        f"  ceilings, population:     video {population['video_auc']:.3f}, keyframe {population['keyframe_auc']:.3f} "
        f"({population['video_auc'] - population['keyframe_auc']:+.3f})",
    ]
    return "\n".join(lines)


def _against(name: str, auc: dict[str, float], tests: dict[str, Any]) -> str:
    test = tests[name]
    interval = f"{test['estimate']:+.3f}, 95% CI {test['low']:.3f} to {test['high']:.3f}, P = {test['p_value']:.3f}"
    return f"{name} {auc[name]:.3f} (against the image network: {interval})"


def population_ceilings(out: Path) -> dict[str, float]:
    """Return the ceilings of the demonstration's phantom in a large population."""
    stated: dict[str, float] = json.loads((out / "phantom" / "phantom.json").read_text(encoding="utf-8"))["ceilings"]
    return stated
