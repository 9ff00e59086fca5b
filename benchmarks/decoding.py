"""Decoding for inference against OpenCV, decord and bare PyAV: whole cines in grey, and 16 frames of a cine.

Each reader as its users have it at its best: OpenCV reads and converts to grey, and for 16 frames the faster of seeking
and of passing over the others; decord its batches, whose colours it gives by itself; PyAV `to_ndarray("gray")`, frame
by frame. All with their own choice of threads, on the same files, in turns; ratios are medians of the rounds' ratios.
Rivals that are not installed are left out: pip install opencv-python-headless decord. Writes decoding.md.

    python benchmarks/decoding.py [--frames 300] [--size 640x480] [--rounds 7]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from ingestion import CODECS, DICOM, scene, write_dicom, write_video

from alnus.media import open_cine, read_frames
from alnus.provenance import machine, now, versions

HERE = Path(__file__).resolve().parent
CHOSEN = 16
RIVALS = {"OpenCV": "cv2", "decord": "decord", "PyAV": "av"}
WANTED = {"whole": {"OpenCV": 1.15}, "chosen": {"decord": 1.0, "OpenCV": 10.0}}
Read = Callable[[], Any]


def opencv_whole(path: Path) -> Any:
    """Read every frame and convert it to grey."""
    import cv2

    film = cv2.VideoCapture(str(path))
    frames = []
    while True:
        more, frame = film.read()
        if not more:
            return np.stack(frames)
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))


def opencv_seeking(path: Path, indices: list[int]) -> Any:
    """Set the position before each frame."""
    import cv2

    film = cv2.VideoCapture(str(path))
    frames = []
    for index in indices:
        film.set(cv2.CAP_PROP_POS_FRAMES, index)
        frames.append(cv2.cvtColor(film.read()[1], cv2.COLOR_BGR2GRAY))
    return np.stack(frames)


def opencv_passing(path: Path, indices: list[int]) -> Any:
    """Grab every frame, retrieve the chosen ones."""
    import cv2

    film, frames = cv2.VideoCapture(str(path)), []
    for index in range(indices[-1] + 1):
        film.grab()
        if index in indices:
            frames.append(cv2.cvtColor(film.retrieve()[1], cv2.COLOR_BGR2GRAY))
    return np.stack(frames)


def decord_batch(path: Path, indices: list[int] | None) -> Any:
    """Read a batch of frames, or all."""
    import decord

    reader = decord.VideoReader(str(path))
    return reader.get_batch(indices if indices is not None else range(len(reader))).asnumpy()


def pyav_whole(path: Path) -> Any:
    """Decode with as many threads as FFmpeg likes, each frame to grey."""
    with av.open(str(path)) as media:
        media.streams.video[0].thread_type = "AUTO"
        return np.stack([frame.to_ndarray(format="gray") for frame in media.decode(video=0)])


def readers(path: Path, indices: list[int], *, is_video: bool) -> dict[str, dict[str, Read]]:
    """Return, by task and name, what is timed."""
    whole: dict[str, Read] = {"Alnus": lambda: open_cine(path).frames}
    chosen: dict[str, Read] = {"Alnus": lambda: read_frames(path, indices)}
    if is_video:
        whole |= {
            "OpenCV": lambda: opencv_whole(path),
            "decord": lambda: decord_batch(path, None),
            "PyAV": lambda: pyav_whole(path),
        }
        chosen |= {
            "OpenCV": lambda: opencv_passing(path, indices),
            "OpenCV, seeking": lambda: opencv_seeking(path, indices),
            "decord": lambda: decord_batch(path, indices),
        }
    there = {name for name, module in RIVALS.items() if importlib.util.find_spec(module)} | {"Alnus"}
    return {
        task: {name: read for name, read in found.items() if name.split(",")[0] in there}
        for task, found in (("whole", whole), ("chosen", chosen))
    }


def timed(runs: dict[str, Read], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each round, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            if number:
                taken[name].append((time.perf_counter() - begin) * 1e3)
    return taken


def rows_of(kind: str, task: str, taken: dict[str, list[float]]) -> list[str]:
    """Return the lines of the table; OpenCV counts by the faster of its two ways."""
    title = "every frame" if task == "whole" else f"{CHOSEN} frames"
    lines = []
    for name, values in taken.items():
        ratio = statistics.median(rival / own for rival, own in zip(values, taken["Alnus"], strict=True))
        lines.append(f"| {kind} | {title} | {name} | {statistics.median(values):.0f} | {ratio:.2f} |")
    return lines


def main() -> None:
    """Make the files, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    indices = np.linspace(0, options.frames - 1, CHOSEN).round().astype(int).tolist()
    load, lines = os.getloadavg()[0], []
    with tempfile.TemporaryDirectory() as folder:
        frames = scene(options.frames, height, width, 0)
        for kind in ("H.264 in MP4", "MJPEG in AVI", DICOM[0]):
            container = CODECS[kind][0] if kind in CODECS else "dcm"
            path = Path(folder) / f"{kind.split()[0].strip(',')}.{container}"
            write_video(path, frames, *CODECS[kind]) if kind in CODECS else write_dicom(path, frames, kind)
            for task, runs in readers(path, indices, is_video=kind in CODECS).items():
                lines += rows_of(kind, task, timed(runs, options.rounds))
                print("\n".join(lines[-len(runs) :]), flush=True)
    about = (
        "# Decoding for inference\n\n"
        f"`python benchmarks/decoding.py --frames {options.frames} --size {options.size} --rounds {options.rounds}`,\n"
        f"{now()}, {machine()['machine']}, {os.cpu_count()} cores, load {load:.1f} before; av {versions()['av']}.\n\n"
        "`times ours`: how long the reader takes as a multiple of Alnus. Wanted: OpenCV 1.15 for every frame; for 16\n"
        "frames decord 1 or more, and OpenCV 10 where frames are coded apart (Motion JPEG). decord gives RGB.\n\n"
        "| file | what | reader | ms | times ours |\n|---|---|---|---|---|\n"
    )
    (HERE / "decoding.md").write_text(about + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
