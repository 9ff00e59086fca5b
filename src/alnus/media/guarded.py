"""`open_guarded`: `open_cine` for files that nobody vouches for, decoded in a process that may be lost.

The frames come back through a file without a name, which memory maps: nothing that the decoding process sends is
unpickled, and a long cine does not have to fit into memory twice.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from alnus.errors import MediaError
from alnus.media.cine import Box, Cine, Frames
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.opened import Coloured, Colours, settled_times
from alnus.media.opening import foreign_faults, open_frames
from alnus.media.pool import Answer, Task, Worker
from alnus.media.refusal import Refused, quiet, shown

FRAMES_TASK = "frames"


def open_guarded(path: Path | str, *, limits: DecodeLimits = DEFAULT_LIMITS, worker: Worker | None = None) -> Cine:
    """Do what `open_cine` does, but in another process with limits on memory and time: it survives whatever comes.

    worker: a process that is kept from file to file (0.5 s saved each), asked by one thread at a time; else one is
    started and ended. The frames lie in a deleted file under TMPDIR while the Cine lives; changes stay in memory.
    Raises MediaError, one line that names the file and holds nothing of its header's text.
    """
    path = Path(path)
    if worker is None:
        with Worker(timeout_s=limits.max_s) as own:
            return open_guarded(path, limits=limits, worker=own)
    with tempfile.TemporaryDirectory(prefix="alnus-") as folder:
        out = Path(folder) / "frames"
        answer = worker.ask(frames_task(path, out, limits))
        if "refused" in answer:
            raise MediaError(f"{shown(path)}: {answer['refused']}")
        return _cine(answer, out)


def frames_task(path: Path, out: Path, limits: DecodeLimits) -> Task:
    """Return the request to decode a file into raw frames at `out`."""
    bounds = asdict(replace(limits, pulse=None))
    return {"do": FRAMES_TASK, "path": str(path.absolute()), "out": str(out), "limits": bounds}


def _cine(answer: Answer, out: Path) -> Cine:
    shape = tuple(answer["shape"])
    if min(shape) < 1 or out.stat().st_size != int(np.prod(shape, dtype=np.int64)):
        raise MediaError("the decoding process left other frames than it says; report this file to Alnus")
    frames: Frames = np.asarray(np.memmap(out, np.uint8, "c", shape=shape))
    return Cine(
        frames,
        np.array(answer["frame_times_s"], np.float64),
        None if answer["spacing_mm"] is None else tuple(answer["spacing_mm"]),
        answer["kind"],
        region=None if answer["region"] is None else Box(**answer["region"]),
        phantom=answer["phantom"],
        notes=tuple(answer["notes"]),
    )


def written_frames(path: Path, out: Path, *, limits: DecodeLimits) -> Answer:
    """Decode a file into raw frames at `out`, one after another; return what `open_cine` tells of it. Raises Refused.

    This runs in the decoding process.
    """
    with foreign_faults(), quiet():
        try:
            return _written(path, out, limits, "grey")
        except Coloured:
            return _written(path, out, limits, "rgb")


def _written(path: Path, out: Path, limits: DecodeLimits, colours: Colours) -> dict[str, Any]:
    opened = open_frames(path, limits=limits, colours=colours, threads=1)
    times_s: list[float] = []
    shape: tuple[int, ...] = ()
    with out.open("wb") as stream:
        for time_s, frame in opened.frames:
            shape = shape or frame.shape
            if frame.shape != shape:
                raise Refused(f"frame {len(times_s) + 1} is of another size than the first")
            _write(stream.fileno(), np.ascontiguousarray(frame).data.cast("B"))
            times_s.append(time_s)
    times = settled_times(times_s, opened)
    return {
        "shape": [len(times), *shape],
        "frame_times_s": times.tolist(),
        "spacing_mm": opened.spacing_mm,
        "kind": opened.kind,
        "region": None if opened.region is None else asdict(opened.region),
        "phantom": opened.phantom,
        "notes": opened.notes,
    }


def _write(descriptor: int, data: memoryview) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as error:
        raise Refused(f"its frames cannot be written to the temporary folder ({error.strerror})") from None
