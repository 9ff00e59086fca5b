"""How many copies of a video `alnus check` finds after each kind of change, and how many false ones.

A set of videos of which no two share frames is made: simulated patients of one scanner, second sweeps over some of
them, and real lung clips where the sample data are at hand. Every video is changed in one way, and the audit compares
all originals and all changed ones with each other. The sources are halved by patient: on the one half the thresholds
were chosen, on the other they are measured. Prints a table, and writes it to copies.md beside this file.

    python benchmarks/copies.py [--half held-out] [--samples ../shared/data/lung_us] [--patients 24] [--most 8]
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from alnus.cohort.audit.copies import SAME, likely_pairs
from alnus.media import open_cine
from alnus.media.colour import luma_of
from alnus.media.fingerprint import fingerprint
from alnus.phantom.latents import draw_latents
from alnus.phantom.patient import draw_patient, simulate
from alnus.phantom.scanner import SCANNERS

Frames = NDArray[np.uint8]
HERE = Path(__file__).resolve().parent


def resized(frames: Frames, height: float, width: float) -> Frames:
    """Return frames scaled by two factors."""
    size = (round(frames.shape[2] * width), round(frames.shape[1] * height))
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR)) for frame in frames])


def x264(frames: Frames, crf: int) -> Frames:
    """Return frames after H.264 of a constant rate factor."""
    frames = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as media:
        stream = media.add_stream("libx264", rate=25, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="gray")
            media.mux(stream.encode(picture.reformat(format="yuv420p")))
        media.mux(stream.encode())
    content.seek(0)
    with av.open(content) as media:
        return np.stack([frame.to_ndarray(format="gray") for frame in media.decode(video=0)])


def jpeg(frames: Frames, quality: int) -> Frames:
    """Return frames after JPEG."""

    def coded(frame: Frames) -> Frames:
        content = io.BytesIO()
        Image.fromarray(frame).save(content, "JPEG", quality=quality)
        return np.asarray(Image.open(content))

    return np.stack([coded(frame) for frame in frames])


def cropped(frames: Frames, top: float, bottom: float, left: float, right: float) -> Frames:
    """Return frames with shares of each side cut off."""
    height, width = frames.shape[1:]
    rows = slice(round(top * height), height - round(bottom * height))
    return frames[:, rows, round(left * width) : width - round(right * width)]


def graded(frames: Frames, *, gamma: float = 1, gain: float = 1, offset: float = 0) -> Frames:
    """Return frames with another grey map."""
    levels = np.clip(255 * (np.arange(256) / 255) ** gamma * gain + offset, 0, 255).astype(np.uint8)
    return levels[frames]


def overlaid(frames: Frames) -> Frames:
    """Return frames with text, a filled box and a caliper line."""
    height, width = frames.shape[1:]
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    draw.text((width * 0.1, height * 0.1), "12:34  MI 0.9", fill=255)
    draw.rectangle([width * 0.7, height * 0.05, width * 0.95, height * 0.3], fill=200)
    draw.line([width * 0.3, height * 0.6, width * 0.7, height * 0.5], fill=255, width=3)
    marks = np.asarray(image)
    return np.where(marks > 0, marks, frames)


def respeeded(frames: Frames, speed: float) -> Frames:
    """Return frames resampled in time, neighbours blended."""
    place = np.arange(0, len(frames) - 1, speed)
    index, share = place.astype(int), (place % 1)[:, None, None]
    return (frames[index] * (1 - share) + frames[index + 1] * share).astype(np.uint8)


def short(frames: Frames) -> Frames:
    """Return 25 frames (one second), 16 of a cine of less than 60, from its middle."""
    start, count = len(frames) // 3, 25 if len(frames) >= 60 else 16
    return frames[start : start + count]


CHANGES: dict[str, Callable[[Frames], Frames]] = {
    "H.264, crf 28": lambda f: x264(f, 28),
    "H.264, crf 35": lambda f: x264(f, 35),
    "Motion JPEG, quality 30": lambda f: jpeg(f, 30),
    "half the size": lambda f: resized(f, 0.5, 0.5),
    "80% high, 120% wide": lambda f: resized(f, 0.8, 1.2),
    "10% cut off each side": lambda f: cropped(f, 0.1, 0.1, 0.1, 0.1),
    "20% cut off each side": lambda f: cropped(f, 0.2, 0.2, 0.2, 0.2),
    "5, 15, 0, 17% cut off the sides": lambda f: cropped(f, 0.05, 0.15, 0, 0.17),
    "15% cut off left and right, 5% above": lambda f: cropped(f, 0.05, 0, 0.15, 0.15),
    "gamma 0.6": lambda f: graded(f, gamma=0.6),
    "gamma 1.6": lambda f: graded(f, gamma=1.6),
    "less contrast, brighter": lambda f: graded(f, gain=0.7, offset=40),
    "more contrast, darker": lambda f: graded(f, gain=1.5, offset=-30),
    "text, a box and a line drawn over": overlaid,
    "1 s or 16 frames of it": short,
    "its second half": lambda f: f[len(f) // 2 :],
    "2 s of it": lambda f: f[len(f) // 3 : len(f) // 3 + 50],
    "each frame twice": lambda f: np.repeat(f, 2, axis=0),
    "every second frame": lambda f: f[::2],
    "1.5 times as fast, blended": lambda f: respeeded(f, 1.5),
    "0.7 times as fast, blended": lambda f: respeeded(f, 0.7),
    "every fifth frame dropped": lambda f: f[np.arange(len(f)) % 5 != 2],
    "reversed in time": lambda f: f[::-1],
    "mirrored": lambda f: f[:, :, ::-1],
    "mirrored, H.264 crf 28": lambda f: x264(f[:, :, ::-1], 28),
    "1 s of it, 20% cut off, half the size": lambda f: resized(cropped(short(f), 0.2, 0.2, 0.2, 0.2), 0.5, 0.5),
    "1 s of it, 5, 15, 0, 17% cut off": lambda f: cropped(short(f), 0.05, 0.15, 0, 0.17),
    "2/3 of it, cut, overlaid, gamma 0.8, 70% the size, H.264 crf 28": lambda f: x264(
        resized(cropped(graded(overlaid(f[len(f) // 3 :]), gamma=0.8), 0.1, 0.15, 0.12, 0.05), 0.7, 0.7), 28
    ),
}


@dataclass(frozen=True)
class Source:
    """A recording: whose it is, and its luma (T, H, W)."""

    patient: str
    name: str
    frames: Frames


def phantoms(patients: int) -> list[Source]:
    """Return tissue frames of simulated patients of one scanner, and a second sweep over every third."""
    scanner, latents = SCANNERS["A"], draw_latents(np.random.default_rng(1), patients)
    found = []
    for number in range(patients):
        drawn = [draw_patient(np.random.default_rng([2, number, k]), latents, number, frames=44) for k in range(2)]
        first = simulate(np.random.default_rng([3, number]), drawn[0], scanner).frames
        found.append(Source(f"{number}", f"phantom {number}", first))
        if number % 3 == 0:  # the same lesion's latents, filmed again
            again = simulate(np.random.default_rng([4, number]), drawn[1], scanner).frames
            found.append(Source(f"{number}", f"phantom {number} again", again))
    return found


def clips(folder: Path) -> list[Source]:
    """Return the clips that a cohort table names."""
    with (folder / "cohort.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    frames = [open_cine(folder / row["video"]).frames for row in rows]
    grey = [f if f.ndim == 3 else np.stack([luma_of(frame) for frame in f]) for f in frames]
    return [Source(row["patient_id"], row["video"], f) for row, f in zip(rows, grey, strict=True)]


def half_of(sources: list[Source], half: str) -> list[Source]:
    """Return the sources of every second patient by id: of the first on "chosen", of the second on "held-out"."""
    patients = sorted({source.patient for source in sources})
    kept = set({"chosen": patients[::2], "held-out": patients[1::2], "all": patients}[half])
    return [source for source in sources if source.patient in kept]


def measured(sources: list[Source], change: Callable[[Frames], Frames]) -> tuple[int, list[str], float]:
    """Return how many copies were found, the false ones, and the strength of the strongest pair that is none.

    All originals and all changed copies are compared with each other; a copy is found at a strength of 1.
    """
    both = [source.frames for source in sources] + [change(source.frames) for source in sources]
    pairs = likely_pairs([fingerprint(frames, np.arange(len(frames)) / 25) for frames in both])
    count = len(sources)
    own = [pair for pair in pairs if pair.first % count == pair.second % count]
    others = [pair for pair in pairs if pair.first % count != pair.second % count]
    named = [f"{sources[c.first % count].name} / {sources[c.second % count].name}" for c in others if c.strength >= 1]
    strongest = max((pair.strength for pair in others), default=0.0)
    return sum(pair.strength >= 1 for pair in own), sorted(set(named)), strongest


def main() -> None:
    """Measure every change and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=HERE.parents[1] / "shared" / "data" / "lung_us")
    parser.add_argument("--patients", type=int, default=24, help="phantoms before they are halved")
    parser.add_argument("--most", type=int, default=8, help="phantoms' cines that are kept of the half")
    parser.add_argument("--half", choices=["chosen", "held-out", "all"], default="held-out")
    options = parser.parse_args()
    sets = {"phantoms": half_of(phantoms(options.patients), options.half)[: options.most]}
    if options.samples.is_dir():
        sets["lung clips"] = half_of(clips(options.samples), options.half)
    lines = ["| change | " + " | ".join(f"{n}: found of {len(v)} | false | nearest" for n, v in sets.items()) + " |"]
    lines.append("|---|" + "---|---|---|" * len(sets))
    print("\n".join(lines), flush=True)
    false: set[str] = set()
    begin = time.process_time()
    for name, change in CHANGES.items():
        cells = []
        for sources in sets.values():
            right, wrong, strongest = measured(sources, change)
            false |= set(wrong)
            cells.append(f"{right} | {len(wrong)} | {strongest:.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    lines += ["", f"Thresholds (score, change) {SAME}. False pairs: {', '.join(sorted(false)) or 'none'}."]
    about = f"# Copies found\n\n`python benchmarks/copies.py --half {options.half} --patients {options.patients}`\n\n"
    (HERE / "copies.md").write_text(about + "\n".join(lines) + "\n", encoding="utf-8")
    print(lines[-1], f"{time.process_time() - begin:.0f} s of CPU time")


if __name__ == "__main__":
    main()
