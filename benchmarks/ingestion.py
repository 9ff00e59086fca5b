"""Ingestion against bare decoding, and reading frames out of the store: ratios of one run, from the command line.

Bare decoding (ingestion_bare.py) is PyAV or pydicom on as many processes with one thread each, every frame's luma taken
as a numpy array and dropped. Both are timed with the start of their processes, in
turns; the ratios, of wall time and of processor time (which other work on the machine disturbs less), are medians over
the rounds. Reading takes 16 random frames of a random cine as arrays, cold (its
pages are dropped from the page cache before) and warm. Writes ingestion.md beside this file.

    python benchmarks/ingestion.py [--videos 24] [--frames 200] [--size 640x480] [--rounds 3] [--folder DIR]

The issue's full size is --videos 300; it needs 20 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage, generate_uid

from alnus.media import CineStore, IngestItem, ingest
from alnus.provenance import machine, now, versions

HERE = Path(__file__).resolve().parent
BARE = HERE / "ingestion_bare.py"
Frames = NDArray[np.uint8]
DISTINCT = 4  # files are made so many times with different pictures, and copied
CODECS = {  # container, codec, pixel format
    "H.264 in MP4": ("mp4", "libx264", "yuv420p"),
    "MJPEG in AVI": ("avi", "mjpeg", "yuvj420p"),
    "MPEG-2": ("mpeg", "mpeg2video", "yuv420p"),
}
DICOM = ("DICOM, JPEG Baseline", "DICOM, uncompressed grey", "DICOM, uncompressed RGB")
FORMATS = (*CODECS, *DICOM)
READ_FRAMES = 16
READS = 60


def scene(frames: int, height: int, width: int, seed: int) -> Frames:
    """Return speckle that drifts under a sector, with a static caption: about as hard to code as an ultrasound scan."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(height + 40, width + 40)).astype(np.float32)
    smooth = sum(np.roll(noise, (y, x), (0, 1)) for y in range(3) for x in range(4)) / 12
    speckle = np.clip(60 + 160 * np.abs(smooth), 0, 255)
    rows, columns = np.mgrid[0:height, 0:width]
    sector = np.abs(columns - width / 2) < (rows + 0.3 * height) * 0.55
    found = np.zeros((frames, height, width), np.uint8)
    for index in range(frames):
        y, x = (round(10 + 9 * np.sin(index / 9 + phase)) for phase in (0, 1))
        grain = generator.normal(scale=4, size=(height, width)).astype(np.float32)
        found[index] = np.clip(speckle[y : y + height, x : x + width] + grain, 0, 255) * sector
    found[:, 8:20, 8:120:6] = 200
    return found


def write_video(path: Path, frames: Frames, container: str, codec: str, pix_fmt: str) -> None:
    """Code the frames as a scanner's export would be: 8 Mbit/s at 640x480."""
    with av.open(str(path), "w", format=container) as media:
        stream = media.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], pix_fmt
        stream.bit_rate = 26 * frames.shape[1] * frames.shape[2] * (4 if codec == "mjpeg" else 1)
        if codec == "libx264":
            stream.options = {"preset": "veryfast"}
        for pixels in frames:
            media.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray").reformat(format=pix_fmt)))
        media.mux(stream.encode())


def write_dicom(path: Path, frames: Frames, kind: str) -> None:
    """Write a US multi-frame image that states its region."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundMultiFrameImageStorage, generate_uid()
    dataset.Modality, dataset.FrameTime = "US", "40"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = frames.shape[2] - 1, frames.shape[1] - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.01
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if "JPEG" in kind else ExplicitVRLittleEndian
    if "JPEG" in kind:
        dataset.PixelData = encapsulate([jpeg(frame) for frame in frames])
    elif "RGB" in kind:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
        dataset.PixelData = np.repeat(frames[..., None], 3, axis=-1).tobytes()
    else:
        dataset.PixelData = frames.tobytes()
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)


def jpeg(frame: Frames) -> bytes:
    """Return a frame as a JPEG stream."""
    content = BytesIO()
    Image.fromarray(frame).save(content, "JPEG", quality=90)
    return content.getvalue()


def make(kind: str, folder: Path, videos: int, frames: int, size: tuple[int, int]) -> list[Path]:
    """Return the files of a format, made where they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:04d}.bin" for index in range(videos)]
    for index, path in enumerate(paths):
        if path.exists():
            continue
        if index >= DISTINCT:
            shutil.copyfile(paths[index % DISTINCT], path)
        elif kind in CODECS:
            write_video(path, scene(frames, size[1], size[0], index), *CODECS[kind])
        else:
            write_dicom(path, scene(frames, size[1], size[0], index), kind)
    return paths


def clocks() -> NDArray[np.float64]:
    """Return wall time and the processor time of this process and of its children that have ended, in seconds."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return np.array([time.perf_counter(), spent])


def bare(paths: list[Path], workers: int) -> NDArray[np.float64]:
    """Return the seconds (wall, processor) that bare decoding takes, the files dealt out in turn."""
    begin = clocks()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    crew = [
        subprocess.Popen(
            [sys.executable, str(BARE), *map(str, paths[index::workers])],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for index in range(workers)
    ]
    if any(process.wait() for process in crew):
        raise SystemExit("bare decoding failed")
    return clocks() - begin


def ingested(paths: list[Path], store: Path, workers: int) -> NDArray[np.float64]:
    """Return the seconds (wall, processor) that ingestion into an empty store takes."""
    shutil.rmtree(store, ignore_errors=True)
    os.sync()  # what was written before must not be written while this is timed
    begin = clocks()
    report = ingest([IngestItem(path.name, path) for path in paths], store, workers=workers)
    taken = clocks() - begin
    if report.kept != len(paths):
        raise SystemExit(f"{report.excluded[0]}")
    return taken


def read_ms(store: Path, *, cold: bool) -> list[float]:
    """Return the milliseconds that each reading of 16 random frames takes."""
    cines, generator = CineStore(store), np.random.default_rng(0)
    taken = []
    for video in generator.choice(cines.videos(), READS):
        entry = cines.entry(video)
        if cold:
            drop_pages(store / entry.key / "frames.npy")
        chosen = np.sort(generator.choice(entry.frames, min(READ_FRAMES, entry.frames), replace=False))
        if not cold:
            cines.read(video, chosen)
        begin = time.perf_counter()
        cines.read(video, chosen)
        taken.append((time.perf_counter() - begin) * 1e3)
    return taken


def drop_pages(path: Path) -> None:
    """Drop a file from the page cache; only what is on the disk can be dropped."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def row(kind: str, paths: list[Path], folder: Path, workers: int, rounds: int, frames: int) -> list[str]:
    """Return a format's row of the table."""
    store = folder / "store"
    pairs = np.array([(bare(paths, workers), ingested(paths, store, workers)) for _ in range(rounds)])
    ratio, processor_ratio = np.median(pairs[:, 0] / pairs[:, 1], axis=0)
    rates = len(paths) * frames / np.median(pairs[:, :, 0], axis=0)
    cold, warm = (statistics.median(read_ms(store, cold=cold)) for cold in (True, False))
    cells = [kind, f"{rates[0]:.0f}", f"{rates[1]:.0f}", f"{ratio:.2f}", f"{processor_ratio:.2f}"]
    cells += [f"{cold:.1f}", f"{warm:.2f}"]
    print(" | ".join(cells), flush=True)
    return cells


def table_of(rows: list[list[str]]) -> str:
    """Return the rows as a Markdown table."""
    head = ["format", "bare, frames/s", "ingested, frames/s", "ratio", "ratio of processor time"]
    head += ["16 frames cold, ms", "16 frames warm, ms"]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows])


def arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS, metavar="FORMAT")
    parser.add_argument("--folder", type=Path, help="keep the videos here; default: a temporary folder")
    parser.add_argument("--write", action="store_true", help="write ingestion.md")
    return parser.parse_args()


def main() -> None:
    """Make the videos, measure, print the table."""
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        measured(options, options.folder or Path(name))


def measured(options: argparse.Namespace, folder: Path) -> None:
    """Measure every format and write the figures where that is asked for."""
    width, height = (int(side) for side in options.size.split("x"))
    rows = []
    for kind in options.formats:
        paths = make(kind, folder / kind.replace(" ", "_"), options.videos, options.frames, (width, height))
        rows.append(row(kind, paths, folder, options.workers, options.rounds, options.frames))
    shutil.rmtree(folder / "store", ignore_errors=True)
    table = table_of(rows)
    print(table)
    if options.write:
        asked = f"--videos {options.videos} --frames {options.frames} --size {options.size} --rounds {options.rounds}"
        about = (
            "# Ingestion against bare decoding\n\n"
            f"`python benchmarks/ingestion.py {asked} --write`,\n"
            f"{now()}, {options.workers} cores ({machine()['machine']}), "
            f"av {versions()['av']}, pydicom {versions()['pydicom']}.\n\n"
        )
        (HERE / "ingestion.md").write_text(about + table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
