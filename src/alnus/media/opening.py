"""`open_cine`: any supported file or folder, told by its content, as a Cine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alnus.errors import MediaError
from alnus.media.cine import Cine
from alnus.media.containers import STILLS, bytes_of, first_bytes, is_jpeg_sequence, sniffed
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.opened import Coloured, Colours, Opened, settled_times
from alnus.media.refusal import EXPORT_AGAIN, OutOfMemory, Refused, quiet, shown
from alnus.media.stills import open_folder, open_still


def open_cine(path: Path | str, *, limits: DecodeLimits = DEFAULT_LIMITS) -> Cine:
    """Read an ultrasound video or still whole: DICOM, MP4, MOV, AVI, MPEG, MKV, WMV, DV, GIF, image, folder of images.

    The file's first bytes decide what it is, not its suffix. Frames are grey (T, H, W) where the file has no colours
    beyond those that compression leaves, else RGB (T, H, W, 3): a coloured mark or a Doppler window keeps it RGB.
    Grey levels span 0-255: video coded in 16-235 is stretched. The file's region is stated, not cut out.
    Raises MediaError, one line that names the file and holds nothing of its header's text.
    """
    path = Path(path)
    try:
        return read_cine(path, limits=limits)
    except Refused as refused:
        raise MediaError(f"{shown(path)}: {refused}") from None


def read_cine(path: Path, *, limits: DecodeLimits) -> Cine:
    """Do what `open_cine` does, but raise Refused, whose text is the reason without the path."""
    with foreign_faults(), quiet():
        try:
            return _collected(open_frames(path, limits=limits, colours="grey", threads=0))
        except Coloured:
            return _collected(open_frames(path, limits=limits, colours="rgb", threads=0))


class foreign_faults:  # noqa: N801  reads as a statement: with foreign_faults()
    """Turn whatever a decoding library raises over a broken file into Refused, naming the kind of exception only."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Let verdicts and the user's interruption pass, and write faults of the store (AlnusError)."""
        if isinstance(error, (Refused, Coloured, MediaError)) or not isinstance(error, Exception):
            return
        if isinstance(error, MemoryError):
            raise OutOfMemory("decoding it needs more memory than there is") from None
        raise Refused(f"it cannot be decoded ({type(error).__name__}); {EXPORT_AGAIN}") from None


def open_frames(
    path: Path, *, limits: DecodeLimits, colours: Colours, threads: int, only: frozenset[int] | None = None
) -> Opened:
    """Check a file's header and return it with its frames still to come. Raises Refused.

    threads: of a video decoder; 0 lets FFmpeg choose. Call it, and take its frames, inside `quiet()`.
    only: numbers of frames, from 0: where the reader can leave out others, it does (`Opened.is_chosen`).
    """
    opened = _told_by_content(path, limits, colours, threads, only)
    opened.frames = limits.metered(opened.frames, bytes_of(path))
    return opened


def _told_by_content(
    path: Path, limits: DecodeLimits, colours: Colours, threads: int, only: frozenset[int] | None
) -> Opened:
    head = first_bytes(path)
    if not head:
        return open_folder(path, limits=limits, colours=colours)
    kind = sniffed(head)
    if kind is None:
        raise Refused("it is not a DICOM or video file, nor an image; export it again as one, or leave it out")
    if kind == "jpeg" and is_jpeg_sequence(path):
        kind = "mjpeg"
    if kind in STILLS:
        return open_still(path, limits=limits, colours=colours)
    if kind == "dicom":
        from alnus.media.dicom.reading import open_dicom  # pydicom takes 0.2 s to import

        return open_dicom(path, limits=limits, colours=colours, threads=threads, only=only)
    from alnus.media.video import open_video

    return open_video(path, kind, limits=limits, colours=colours, threads=threads, only=only)


def _collected(opened: Opened) -> Cine:
    times_s, frames = [], []
    for time_s, frame in opened.frames:
        times_s.append(time_s)
        frames.append(frame)
    times = settled_times(times_s, opened)
    return Cine(
        np.stack(frames),
        times,
        opened.spacing_mm,
        opened.kind,
        region=opened.region,
        phantom=opened.phantom,
        notes=tuple(opened.notes),
    )
