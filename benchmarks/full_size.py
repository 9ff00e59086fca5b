"""Time and memory of a training step and of a prediction of each full-size network, from the command line.

A step's time is the difference between a training of STEPS + 1 steps and one of a single step, divided by STEPS; a
prediction's the difference between STEPS + 1 videos and one: what both share (imports, reading, validation) cancels.
Memory is the largest resident set of the process. Writes full_size.json and full_size.md beside this file; networks
that are not measured keep their row, with its date.

    python benchmarks/full_size.py [--steps 3] [--networks tin,x3d]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from alnus.phantom import PhantomConfig, write_phantom
from alnus.provenance import machine, now, versions

HERE = Path(__file__).resolve().parent
INPUTS = {
    "tin": "TIN-R50 8×224²",
    "r2plus1d": "R(2+1)D-18 16×112²",
    "resnet3d": "ResNet-3D-18 16×112²",
    "image": "image-R50 224²",
    "x3d": "X3D-M 16×224²",
    "mvit": "MViTv2-S 16×224²",
}
BATCH = 2


def run(*arguments: str) -> tuple[float, float]:
    """Run an alnus command; return its wall time in seconds and its peak memory in MiB."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "alnus.cli", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"alnus {' '.join(arguments)} failed with status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def measure(name: str, table: Path, folder: Path, steps: int) -> dict[str, Any]:
    """Return one network's seconds and MiB for a training step (batch BATCH, float32) and a prediction (one clip)."""
    common = ["--models", name, "--set", f"training.batch_size={BATCH}", "--set", "inference.clips_per_video=1"]
    common += ["--set", "training.precision=32-true", "--set", "training.epochs=1"]
    times = {}
    for count in (1, steps + 1):
        out = folder / f"{name}_{count}"
        times[count], memory = run("train", str(table), *common, "--max-steps", str(count), "--out", str(out))
    model = folder / f"{name}_1" / "models" / name
    videos = sorted(str(path) for path in (table.parent / "videos").iterdir())[: steps + 1]
    one, _ = run("predict", str(model), videos[0])
    many, predicting = run("predict", str(model), *videos)
    return {
        "network": INPUTS[name],
        "measured": now()[:16],
        "training_step_s": round((times[steps + 1] - times[1]) / steps, 2),
        "training_memory_mib": round(memory),
        "prediction_s": round((many - one) / steps, 2),
        "prediction_memory_mib": round(predicting),
        "command_train_1_step_s": round(times[1], 1),
        "command_predict_1_video_s": round(one, 1),
    }


def table_of(results: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    columns = list(results[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(str(row[column]) for column in columns) + " |" for row in results])


def kept_rows() -> dict[str, dict[str, Any]]:
    """Return the rows of full_size.json by network; a row from before they had dates gets the file's."""
    path = HERE / "full_size.json"
    if not path.is_file():
        return {}
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = [{"network": row["network"], "measured": record["made"][:16]} | row for row in record["results"]]
    return {row["network"]: row for row in rows}


def main() -> None:
    """Measure every network on a small phantom cohort and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--networks", default=",".join(INPUTS))
    given = parser.parse_args()
    steps, wanted = given.steps, given.networks.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = write_phantom(folder / "phantom", PhantomConfig(patients=(16, 16, 4), seed=0, format="avi"))
        measured = {INPUTS[network]: measure(network, table, folder, steps) for network in wanted}
    rows = kept_rows() | measured
    results = [rows[title] for title in INPUTS.values() if title in rows]
    record = {"made": now(), "machine": machine(), "versions": versions(), "batch": BATCH, "results": results}
    (HERE / "full_size.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    about = (
        "# Full-size networks from the command line\n\n"
        f"`python benchmarks/full_size.py --steps {steps}`, {record['made']}, {os.cpu_count()} cores\n"
        f"({machine()['machine']}), torch {versions()['torch']}; float32, batch {BATCH} in training,\n"
        "one clip in prediction.\n\n"
    )
    (HERE / "full_size.md").write_text(about + table_of(results) + "\n", encoding="utf-8")
    print(table_of(results))


if __name__ == "__main__":
    main()
