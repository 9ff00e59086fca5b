"""What a heatmap costs, in forward passes: of a clip, and of every frame of a cine; captum beside it, where it is.

A clip's map against one forward pass of that clip. Every frame's map and weight against the forward passes that scoring
every frame once takes: ceil(frames / clip's frames) clips, read and shaped as for the map. Random weights, float32.
Interleaved: in each round each is timed once, one after the other; the figure is the median of the rounds' ratios.
Timed is the processor's time of one thread, which other programs on the machine hardly change.
Writes explanation.json and explanation.md beside this file.

    python benchmarks/explanation.py [--preset paper] [--rounds 5] [--frames 60] [--networks tin,resnet3d]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alnus.clips import clip_tensor
from alnus.config import NetworkConfig, load_preset
from alnus.explanation import explain_clip
from alnus.explanation.heat import every_frame
from alnus.explanation.tiling import tiles
from alnus.models import ModelCard, build_from_config
from alnus.provenance import machine, now, versions

HERE = Path(__file__).resolve().parent
SIDE_PX = 256  # of the cine's frames, as the phantom's
BOUNDS = {"clip": 1.1, "every_frame": 2.5}


def timed(work: Callable[[], Any]) -> float:
    """Return the processor's seconds that some work takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def jobs(model: Any, card: ModelCard, frames: Any) -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name."""
    clip = card.network.clip
    one = clip_tensor(frames[: clip.frames], clip)[None]

    @torch.no_grad()
    def score_every_frame() -> None:
        for start in range(0, len(frames), clip.frames):
            some = np.minimum(np.arange(start, start + clip.frames), len(frames) - 1)
            model(clip_tensor(frames[some], clip)[None])

    def forward() -> None:
        with torch.no_grad():
            model(one)

    found: dict[str, Callable[[], Any]] = {
        "forward": forward,
        "map": lambda: explain_clip(model, one),
        "score_every_frame": score_every_frame,
        "every_frame": lambda: every_frame(model, card, frames),
    }
    captum = captum_job(model, one)
    return found | ({"captum": captum} if captum else {})


def captum_job(model: Any, clip: torch.Tensor) -> Callable[[], Any] | None:
    """Return captum's Grad-CAM of the clip; None where it is not installed or the network has no stage to hook."""
    try:
        from captum.attr import LayerGradCam
    except ImportError:
        return None
    if not hasattr(model, "layer4"):
        return None
    method = LayerGradCam(model, model.layer4)
    return lambda: method.attribute(clip, target=1, relu_attributions=True)


def measure(name: str, preset: str, *, rounds: int, frames: int) -> dict[str, Any]:
    """Return one network's ratios."""
    network = NetworkConfig.model_validate(load_preset(preset)["networks"][name])
    network = network.model_copy(update={"inference": network.inference.model_copy(update={"batch_size": 1})})
    torch.manual_seed(0)
    model = build_from_config(name, network).eval()
    card = ModelCard(name=name, source=name, network=network)
    cine = np.random.default_rng(0).integers(0, 256, (frames, SIDE_PX, SIDE_PX), dtype=np.uint8)
    work = jobs(model, card, cine)
    work["forward"]()  # the first pass allocates
    times: dict[str, list[float]] = {key: [] for key in work}
    for _ in range(rounds):
        for key, job in work.items():
            times[key].append(timed(job))

    def ratio(a: str, b: str) -> float | None:
        pairs = zip(times.get(a, []), times[b], strict=False)
        found = [first / second for first, second in pairs]
        return round(statistics.median(found), 2) if found else None

    clip = network.clip
    return {
        "network": f"{name} {clip.frames}×{clip.side_px}²",
        "forward_ms": round(1000 * statistics.median(times["forward"]), 1),
        "map_passes": ratio("map", "forward"),
        "captum_passes": ratio("captum", "forward"),
        "clips": f"{len(tiles(frames, clip))} for {-(-frames // clip.frames)}",
        "every_frame_passes": ratio("every_frame", "score_every_frame"),
    }


def table_of(results: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    columns = list(results[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    rows = ["| " + " | ".join("–" if row[key] is None else str(row[key]) for key in columns) + " |" for row in results]
    return "\n".join([*lines, *rows])


def main() -> None:
    """Measure the networks of a preset and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--networks", default="tin,r2plus1d,resnet3d,image,x3d,mvit")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for name in wanted.networks.split(","):
        results.append(measure(name, wanted.preset, rounds=wanted.rounds, frames=wanted.frames))
        print(results[-1], flush=True)
    record = {
        "made": now(), "machine": machine(), "versions": versions(), "threads": 1, "frames": wanted.frames,
        "rounds": wanted.rounds, "preset": wanted.preset, "bounds": BOUNDS, "results": results,
    }  # fmt: skip
    (HERE / "explanation.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    about = f"""# What a heatmap costs, in forward passes

`python benchmarks/explanation.py --preset {wanted.preset} --rounds {wanted.rounds} --frames {wanted.frames}`,
{record["made"]}, {os.cpu_count()} cores ({machine()["machine"]}), one thread, torch {versions()["torch"]}; float32,
random weights, batch 1; medians of interleaved rounds' ratios of processor time.

`map_passes`: a clip's Grad-CAM over one forward pass of the clip (bound {BOUNDS["clip"]}). `captum_passes`:
`captum.attr.LayerGradCam` of the same clip and stage. `every_frame_passes`: map and weight of every frame of the cine
over the forward passes that scoring every frame once takes (bound {BOUNDS["every_frame"]}); `clips`: how many tile
the cine, for how many hold every frame once.

"""
    (HERE / "explanation.md").write_text(about + table_of(results) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
