"""Every full-size network in every engine and precision against the rivals' eager speed, one clip at a time.

Rivals: torchvision's `r2plus1d_18` and `r3d_18` and MMAction2's TIN-R50, in PyTorch eager float32 as their users run
them: the same layers and weights as ours, without folding and without our faster temporal convolution; TIN's shift, for
which MMAction2 has a CUDA kernel only, is a gather. torchvision does not import beside a CPU build of torch, so the
layers are built here from ours, whose logits are tested to be theirs. Each rival runs in both memory formats, and the
faster one counts. All share the rounds: within a round everything runs once, in turn; a ratio is the median of the
rounds' ratios. Accuracy is the largest change of a probability against our network in eager float32: with --run, of the
networks that `alnus train --preset paper` has trained, on that run's videos; without, on clips of real ultrasound
videos (ALNUS_SAMPLE_DATA), else of the phantom, by random weights that are not degenerate: normalisations hold the
statistics of those clips, and the last layer is scaled such that the clips' logits spread by one.

    python benchmarks/engines.py [--rounds 7] [--networks tin,image8,r2plus1d,resnet3d] [--without compile,onnx,int8]
        [--run RUN]

Writes engines.json, engines.md and engines.png beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alnus.clips import Sample, cine_clips
from alnus.config import NetworkConfig, load_preset
from alnus.inference.agreement import agreement
from alnus.inference.engines import CompiledEngine, TorchEngine, compiler, fast_eager
from alnus.inference.exporting import Draft, draft_export
from alnus.inference.graph_engines import OnnxEngine
from alnus.media import CineStore, IngestItem, ingest
from alnus.models import ModelCard, Network, build_from_config, lay_for_device, load_model
from alnus.models.interlacing import GROUPS, TemporalInterlace
from alnus.models.video_resnet import TemporalConvolution
from alnus.phantom import PhantomConfig, write_phantom
from alnus.provenance import commit, machine, now, versions

HERE = Path(__file__).resolve().parent
TITLES = {
    "tin": "TIN-R50 8×224²",
    "image8": "ResNet-50 on the same 8 frames",
    "r2plus1d": "R(2+1)D-18 16×112²",
    "resnet3d": "ResNet-3D-18 16×112²",
}
TARGETS = {"tin": (3.0, 5.0), "r2plus1d": (3.0, 6.0), "resnet3d": (2.5, 4.8)}  # float accuracy, int8 (DESIGN.md 5)
CLIPS = 6  # that are compared; as many others calibrate int8
VIDEOS = 12
PACKAGES = ("onnx", "onnxruntime", "openvino", "nncf")
Run = Callable[[], object]


class GatherInterlace(nn.Module):
    """MMAction2's and X-Temporal's interlacing with its CUDA kernel's two shifts as gathers."""

    def __init__(self, ours: TemporalInterlace) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, x: Tensor) -> Tensor:
        """(batch * frames, channels, height, width) -> the same."""
        frames, shifted = self.ours.frames, self.ours.shifted
        data = x[:, :shifted].reshape(-1, frames, shifted, *x.shape[2:])
        pooled = data.mean((3, 4)).transpose(1, 2)
        offsets = self.ours.offset_net(pooled)
        offsets = torch.cat([offsets, -offsets], 1)
        weights = self.ours.weight_net(pooled)
        weights = torch.cat([weights, weights], 1).repeat_interleave(shifted // GROUPS, 1).transpose(1, 2)
        low = offsets.floor()
        share = (offsets - low).repeat_interleave(shifted // GROUPS, 1)[:, None, :, None, None]
        moved = (1 - share) * self.taken(data, low) + share * self.taken(data, low + 1)
        moved = (moved * weights[..., None, None]).reshape(len(x), shifted, *x.shape[2:])
        return torch.cat([moved, x[:, shifted:]], 1)

    def taken(self, data: Tensor, offset: Tensor) -> Tensor:
        """Return each channel's frames moved by whole offsets (batch, groups), zeros from outside."""
        frames, channels = data.shape[1:3]
        source = torch.arange(frames)[None, :, None] - offset.long().repeat_interleave(channels // GROUPS, 1)[:, None]
        inside = ((source >= 0) & (source < frames))[..., None, None]
        index = source.clamp(0, frames - 1)[..., None, None].expand_as(data)
        return data.gather(1, index) * inside


def as_rival(network: Network) -> Network:
    """Return a copy with the operations that the rivals' users run."""
    made = build_like(network)
    for module in list(made.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, TemporalInterlace):
                setattr(module, name, GatherInterlace(child))
            elif isinstance(child, TemporalConvolution):
                frames, before, stride = child.kernel_size[0], child.padding[0], child.stride[0]
                plain = nn.Conv3d(
                    child.in_channels, child.out_channels, (frames, 1, 1), (stride, 1, 1), (before, 0, 0), bias=False
                )
                plain.weight = child.weight
                setattr(module, name, plain)
    return made


def build_like(network: Network) -> Network:
    """Return a deep copy."""
    import copy

    return copy.deepcopy(network).eval()


def configured(name: str, preset_name: str) -> NetworkConfig:
    """Return a preset's size of a network; `image8` sees TIN's eight frames."""
    preset = load_preset(preset_name)["networks"]
    values = preset["tin" if name == "image8" else name]
    return NetworkConfig.model_validate({**values, "dropout": 0.0, "weights": None})


def lively(name: str, config: NetworkConfig, clips: Tensor) -> Network:
    """Return a network of random weights with the clips' statistics and logits that spread by one over them."""
    torch.manual_seed(0)
    network = build_from_config("image" if name == "image8" else name, config)
    for module in network.modules():
        if isinstance(module, TemporalInterlace):
            nn.init.normal_(module.offset_net.fc2.bias, 0.0, 0.7)  # offsets of every size
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_running_stats()
            module.momentum = None  # the mean over the batches
    network.train()
    with torch.no_grad():
        for part in clips.split(2):
            network(part)
        network.eval()
        logits = torch.cat([network(clip[None]) for clip in clips])
        margin = logits[:, 1] - logits[:, 0]
        network.fc.weight.div_(margin.std())
        network.fc.bias.sub_(torch.stack([torch.zeros(()), margin.mean() / margin.std()]))
    return network


def real_store(folder: Path) -> tuple[CineStore, str]:
    """Return a store of some real ultrasound videos, or of the phantom's, and whose they are."""
    data = Path(os.environ.get("ALNUS_SAMPLE_DATA", HERE.parents[1] / "shared" / "data"))
    videos = sorted((data / "lung_us" / "videos").rglob("*.*"))[:VIDEOS]
    whose = "lung ultrasound (covid19_pocus_ultrasound)"
    if not videos:
        table = write_phantom(folder / "phantom", PhantomConfig(patients=(8, 2, 2), seed=0, format="avi"))
        videos, whose = sorted((table.parent / "videos").iterdir()), "the phantom"
    ingest([IngestItem(video=path.name, path=path) for path in videos], folder / "store", workers=1)
    return CineStore(folder / "store"), whose


def run_store(run: Path) -> tuple[CineStore, str]:
    """Return a run's store, and what its videos are."""
    store = CineStore(run / "store")
    return store, "the phantom" if store.entry(store.videos()[0]).phantom else "the run's videos"


def epochs_of(run: Path, names: list[str]) -> str:
    """Return how many epochs the run's networks were trained."""
    cards = [load_model(run / "models" / name)[1] for name in names if (run / "models" / name).is_dir()]
    return ", ".join(sorted({str(card.network.training.epochs) for card in cards}))


def real_clips(store: CineStore, config: NetworkConfig, count: int) -> Tensor:
    """Return clips of the store's videos, the same number of each."""
    videos = store.videos()
    each = -(-count // len(videos))
    made = [cine_clips(store.frames(Sample(video, video).video), config.clip, each)[0][:each] for video in videos]
    return torch.cat(made)[:count]


def rivals(network: Network, clip: Tensor) -> dict[str, Run]:
    """Return the rival in both memory formats."""
    plain, last = as_rival(network), as_rival(network)
    flat = any(isinstance(module, nn.Conv2d) for module in last.modules())
    last = last.to(memory_format=torch.channels_last if flat else torch.channels_last_3d)
    ordered = clip if flat else clip.to(memory_format=torch.channels_last_3d)
    return {"contiguous": lambda: eager(plain, clip), "channels last": lambda: eager(last, ordered)}


@torch.inference_mode()
def eager(network: nn.Module, clip: Tensor) -> Tensor:
    """Run a network as its users do."""
    return network(clip)


def engines_of(network: Network, card: ModelCard, clips: Tensor, without: set[str]) -> dict[str, Any]:
    """Return our engines, by name and precision."""
    trained = build_like(network)
    lay_for_device(trained)
    made: dict[str, Any] = {"eager float32": TorchEngine(trained), "eager folded float32": fast_eager(network)}
    made["eager folded bf16"] = fast_eager(network, precision="bf16")
    if "compile" not in without and compiler() is not None:
        made["compile float32"] = CompiledEngine(network)
    if "openvino" not in without:
        draft = draft_export(network, card, to="openvino")
        made |= {f"openvino {precision}": draft.open(precision) for precision in ("float32", "bf16")}
        if "int8" not in without:
            made["openvino int8"] = draft_export(network, card, to="openvino", calibration=clips).open("int8")
    if "onnx" not in without:
        draft = draft_export(network, card, to="onnx")
        made["onnx float32"] = OnnxEngine(Draft("onnx", False, draft.files).files["network.onnx"], origin="onnx")
    return made


def measured(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Return each run's seconds in every round; all are warmed up first."""
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(first: list[float], second: list[float]) -> float:
    """Return the median over the rounds of first / second."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


@torch.no_grad()
def centred(network: Network, clips: Tensor) -> Network:
    """Shift the last bias such that the probabilities lie about one half, where a change of a logit counts most."""
    logits = torch.cat([network(clip[None]) for clip in clips])
    network.fc.bias[1] -= (logits[:, 1] - logits[:, 0]).mean()
    return network


def weighted(
    name: str, store: CineStore, count: int, preset: str, run: Path | None
) -> tuple[Network, ModelCard, Tensor]:
    """Return a network with trained weights or lively ones, and clips: some to compare, as many to calibrate."""
    if run is not None and (run / "models" / name).is_dir():
        network, card = load_model(run / "models" / name)
        clips = real_clips(store, card.network, 2 * count)
        return centred(network.eval(), clips[:count]), card, clips
    config = configured(name, preset)
    clips = real_clips(store, config, 2 * count)
    card = ModelCard(name="image" if name == "image8" else name, source=name, network=config)
    return lively(name, config, clips[:count]), card, clips


def prepared(
    name: str, store: CineStore, without: set[str], count: int, preset: str, run: Path | None
) -> tuple[dict[str, Run], dict[str, float]]:
    """Return a network's runs, rivals' and ours, and the largest change of a probability by each engine."""
    network, card, clips = weighted(name, store, count, preset, run)
    engines = engines_of(network, card, clips[count:], without)
    reference = TorchEngine(network, batch_size=1)
    expected = reference.logits(clips[:count]).softmax(1)[:, 1]
    print(f"{name}: probabilities {float(expected.min()):.2f} to {float(expected.max()):.2f}", flush=True)
    changes = {key: agreement(engine, reference, clips[:count]).largest_change for key, engine in engines.items()}
    clip = clips[:1].clone()
    for key, theirs_alone in (theirs := rivals(network, clip)).items():
        gap = float((theirs_alone().softmax(1)[:, 1] - expected[:1]).abs().max())  # type: ignore[attr-defined]
        if gap > 1e-4:
            raise SystemExit(f"the rival of {name} ({key}) is another network: probability off by {gap:.2g}")
    runs: dict[str, Run] = {f"{name}|rival {key}": alone for key, alone in theirs.items()}
    runs |= {f"{name}|{key}": lambda engine=engine: engine.logits(clip) for key, engine in engines.items()}
    return runs, changes


def summary(name: str, seconds: dict[str, list[float]], changes: dict[str, float]) -> list[dict[str, Any]]:
    """Return a row for each engine of a network."""
    mine = {key.split("|")[1]: values for key, values in seconds.items() if key.startswith(f"{name}|")}
    rival = min((key for key in mine if key.startswith("rival")), key=lambda key: statistics.median(mine[key]))
    rows = []
    for key, values in mine.items():
        row = {"network": name, "engine": key, "median_ms": 1e3 * statistics.median(values)}
        row |= {"fastest_ms": 1e3 * min(values), "times_rival": ratio(mine[rival], values), "best_rival": rival}
        row["largest_change"] = changes.get(key)
        floor = seconds.get(f"image8|{key}")
        row["over_resnet50"] = ratio(values, floor) if name == "tin" and floor else None
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    head = [
        "network",
        "engine",
        "median ms",
        "fastest ms",
        "times the rival's speed",
        "over ResNet-50",
        "largest change of p",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        change, floor = row["largest_change"], row["over_resnet50"]
        cells = [TITLES[row["network"]], row["engine"], f"{row['median_ms']:.0f}", f"{row['fastest_ms']:.0f}"]
        cells += [f"{row['times_rival']:.2f}", "" if floor is None else f"{floor:.2f}"]
        lines.append("| " + " | ".join([*cells, "" if change is None else f"{change:.1g}"]) + " |")
    return "\n".join(lines)


def against_targets(rows: list[dict[str, Any]]) -> list[str]:
    """Say of each target whether this run reached it."""
    lines = []
    for name, (wanted, wanted_int8) in TARGETS.items():
        mine = [row for row in rows if row["network"] == name and row["largest_change"] is not None]
        true = [row for row in mine if row["largest_change"] <= 0.01 and "int8" not in row["engine"]]
        int8 = [row for row in mine if "int8" in row["engine"]]
        for label, found, least in (("p within 0.01", true, wanted), ("int8", int8, wanted_int8)):
            if found:
                best = max(found, key=lambda row: row["times_rival"])
                word = "reached" if best["times_rival"] >= least else "not reached"
                word += "; what it costs the AUC is not measured here" if label == "int8" else ""
                speed = f"{best['times_rival']:.1f}x by {best['engine']}"
                lines.append(f"- {TITLES[name]}, {label}: {speed} (speed wanted {least}x): {word}")
    for row in rows:
        if row["over_resnet50"] is not None and not row["engine"].startswith("rival"):
            word = "reached" if row["over_resnet50"] <= 1.15 else "not reached"
            lines.append(f"- TIN over ResNet-50, {row['engine']}: {row['over_resnet50']:.2f} (wanted 1.15): {word}")
    return lines


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw each engine's speed over the rival's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [name for name in TITLES if any(row["network"] == name for row in rows)]
    figure, axes = pyplot.subplots(1, len(names), figsize=(3.4 * len(names), 3.6), sharey=True, squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        mine = [row for row in rows if row["network"] == name]
        labels = [row["engine"] for row in mine]
        colours = ["#9a9a9a" if label.startswith("rival") else "#00796b" for label in labels]
        bars = axis.barh(labels, [row["times_rival"] for row in mine], color=colours)
        axis.bar_label(bars, fmt="%.1f", padding=2, fontsize=7)
        axis.axvline(1, color="black", linewidth=0.6)
        for wanted, style in zip(TARGETS.get(name, ()), ("--", ":"), strict=False):
            axis.axvline(wanted, color="#b23b3b", linewidth=0.9, linestyle=style)
        axis.set_title(TITLES[name], fontsize=8)
        axis.tick_params(labelsize=7)
        axis.margins(x=0.15)
        axis.set_xlabel("times the rival's speed", fontsize=7)
    axes[0][0].invert_yaxis()
    figure.text(0.01, 0.005, "dashed: wanted at p within 0.01; dotted: wanted with int8", fontsize=6)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


def processor() -> str:
    """Return the processor's name and what it can multiply in."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    name = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    known = [
        flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8") if flag in flags
    ]
    return f"{name} ({' '.join(known)})"


RANDOM = """`largest change of p` is of random weights whose logits were scaled to a spread of one over few clips, which
probably enlarges the rounding of bf16 and int8 too; `--run` measures trained networks."""
TRAINED = """`largest change of p` is of networks of this size that were trained on that cohort for {epochs} epochs
(ResNet-50 has random weights), their last bias shifted such that the probabilities lie about one half, where a change
counts most: what the engines round, not how well anything is predicted."""


def header(record: dict[str, Any]) -> str:
    """Return what the figures were made with."""
    found = " ".join(f"{name} {value}" for name, value in record["versions"].items())
    before, after = record["load_before"], record["load_after"]
    busy = max(before, after - record["threads"])
    warning = (
        f"\n**The machine was busy (load {before:.1f} before, {after:.1f} after, {os.cpu_count()} cores): the ratios "
        "are disturbed.** Run it again on an idle machine.\n"
        if busy > 0.5
        else ""
    )
    return (
        "# Networks, engines, precisions\n\n"
        f"`{record['command']}`, {record['made']}, {record['processor']},\n"
        f"{os.cpu_count()} cores, {record['threads']} threads; load {before:.1f} before, {after:.1f} after. {found}.\n"
        f"Accuracy on {record['clips']} clips of {record['whose']}. No GPU was there: its path is not measured.\n"
        f"{warning}\n"
        "`rival`: the reference networks in eager float32 (see the head of engines.py). `eager float32` is ours as it\n"
        "trains; `times the rival's speed` compares with the faster of the rival's two memory formats.\n"
        f"{record['weights']}\n"
        "`alnus predict` compares on your own clips, and goes back to float32 where a probability changes\n"
        "by more than 0.01.\n\n"
    )


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--preset", default="paper", help="small: a trial of this program, not a result")
    parser.add_argument("--networks", default="tin,image8,r2plus1d,resnet3d")
    parser.add_argument("--without", default="")
    parser.add_argument("--run", type=Path, help="a run of `alnus train --preset paper`, for accuracy")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    names, without = arguments.networks.split(","), set(arguments.without.split(","))
    load = os.getloadavg()[0]
    torch.set_num_threads(os.cpu_count() or 1)
    runs: dict[str, Run] = {}
    changes: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store, whose = real_store(Path(folder)) if arguments.run is None else run_store(arguments.run)
        for name in names:
            made, changes[name] = prepared(name, store, without, arguments.clips, arguments.preset, arguments.run)
            runs |= made
        seconds = measured(runs, arguments.rounds)
    rows = [row for name in names for row in summary(name, seconds, changes[name])]
    from importlib import metadata

    found = {"torch": versions()["torch"], **{package: metadata.version(package) for package in PACKAGES}}
    record = {
        "made": now(),
        "command": " ".join(["python", "benchmarks/engines.py", *sys.argv[1:]]),
        "commit": commit(),
        "machine": machine(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "rounds": arguments.rounds,
        "versions": found,
        "clips": arguments.clips,
        "whose": whose,
        "weights": RANDOM if arguments.run is None else TRAINED.format(epochs=epochs_of(arguments.run, names)),
        "results": rows,
        "seconds": seconds,
    }
    text = header(record) + "\n".join(against_targets(rows)) + "\n\n" + table(rows) + "\n\n![speeds](engines.png)\n"
    (arguments.out / "engines.json").write_text(
        json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (arguments.out / "engines.md").write_text(text, encoding="utf-8")
    draw(rows, arguments.out / "engines.png")
    print(text)


if __name__ == "__main__":
    main()
