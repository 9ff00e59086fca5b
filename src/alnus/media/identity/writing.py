"""A file of any kind into a DICOM file that may be handed on: a clean header, and tissue alone in its pixels.

Source: DICOM PS3.15 E.3.1 (Clean Pixel Data Option); PS3.5 A.2 (Explicit VR Little Endian, uncompressed: nothing of a
code stream's comments survives); PS3.3 A.6, A.7 (ultrasound), A.8.1, A.8.3, A.8.5 (Secondary Capture).
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset

from alnus.errors import MediaError
from alnus.media.cine import Box
from alnus.media.colour import luma_of
from alnus.media.containers import first_bytes, sniffed
from alnus.media.identity.header import deidentified, settle_frames, state_method
from alnus.media.identity.picture import (
    KeptPixels,
    blacken,
    bounding_box,
    clip_regions,
    kept_pixels,
    state_pixels,
    state_times,
)
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.opened import Coloured, Colours, Opened, settled_times
from alnus.media.opening import foreign_faults, open_frames
from alnus.media.quality import Observed, Observer, find_sector, static_marks
from alnus.media.quality.marks import can_tell_marks
from alnus.media.refusal import Refused, quiet, shown
from alnus.provenance import atomic_path, file_sha256

__all__ = ["Written", "kept_pixels", "write_deidentified"]

LEAST_CONFIDENCE = 0.5  # of a sector that was found from the pixels
_WHOLE = 0.98  # a stated region with this share of the frame leaves no margin out, so it says nothing of text
_MOST_BYTES = 0xFFFFFFFE  # an element's length has 32 bits (PS3.5 7.1.2)
_NO_REGION = (
    "no scanned region is stated or can be found with confidence, so nothing tells the patient's name from tissue: "
    "not written as DICOM"
)
_UNTOLD = "too little moves to tell text inside the region from tissue: look at it before it is handed on"

_LOSSY: dict[str, str] = {  # PS3.3 C.7.6.1.1.5.1; what the source's transfer syntax did to the pixels
    uid.JPEGBaseline8Bit: "ISO_10918_1",
    uid.JPEGExtended12Bit: "ISO_10918_1",
    uid.JPEGLSNearLossless: "ISO_14495_1",
    uid.JPEG2000: "ISO_15444_1",
    uid.HTJ2K: "ISO_15444_15",
    **dict.fromkeys((uid.MPEG2MPML, uid.MPEG2MPMLF, uid.MPEG2MPHL, uid.MPEG2MPHLF), "ISO_13818_2"),
    **dict.fromkeys((uid.HEVCMP51, uid.HEVCM10P51), "ISO_23008_2"),
}


@dataclass(frozen=True)
class Written:
    """What was written, free of identity. region: what is shown; masked_px: pixels blacked inside it."""

    sop_class_uid: str
    sop_instance_uid: str
    frames: int
    height: int
    width: int
    coloured: bool
    region: Box
    masked_px: int
    pixels_cleaned: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Film:
    """Decoded frames on disk, in a file without a name that goes with its handle."""

    spill: IO[bytes]
    shape: tuple[int, ...]
    times_s: list[float]
    opened: Opened
    observed: Observed | None


def write_deidentified(
    path: Path,
    out: Path,
    *,
    key: bytes,
    keep: KeptPixels | None = None,
    keep_is_clean: bool = True,
    patient: str | None = None,
    limits: DecodeLimits = DEFAULT_LIMITS,
    threads: int = 1,
) -> Written:
    """Write any file or folder that can be read as an uncompressed, de-identified DICOM image, whole or not at all.

    keep: (height, width), True where a pixel is shown, as `kept_pixels` makes it. None: the region that the header
    states, else the sector that is found from the pixels, without static marks; a cine without either is refused.
    keep_is_clean: of `keep`, whether marks could be told from tissue (`can_tell_marks`); else the file does not state
    that its pixels are clean. patient: as in `deidentified`.
    Memory holds one frame; the disk of `out` holds the frames once more meanwhile.
    Raises Refused for what cannot be read or cleaned, MediaError where `out` cannot be written.
    """
    with quiet(), _spilling(out) as spill:
        with foreign_faults():
            film = _decoded(path, out, spill, limits=limits, threads=threads, observe=keep is None)
            header = _header(path)
        notes = list(film.opened.notes)
        keep, cleaned = _found(film, header, notes) if keep is None else (keep, keep_is_clean)
        if not cleaned:
            notes.append(_UNTOLD)
        box = bounding_box(keep)
        if box is None:
            raise Refused(_NO_REGION)
        if keep.shape != film.shape[1:3]:
            raise Refused(f"the pixels to keep are {keep.shape}, its frames {film.shape[1:3]}")
        with _writing(out):
            blacken(np.memmap(spill, np.uint8, "r+", shape=film.shape), keep)
        clean = deidentified(header, key=key, patient=patient, fallback=_content_hash(path))
        _state(clean, film, header, box, notes, cleaned=cleaned)
        _save(clean, spill, out)
    masked = box.w * box.h - int(keep.sum())
    return Written(
        str(clean.SOPClassUID),
        str(clean.SOPInstanceUID),
        frames=film.shape[0],
        height=film.shape[1],
        width=film.shape[2],
        coloured=len(film.shape) == 4,
        region=box,
        masked_px=masked,
        pixels_cleaned=cleaned,
        notes=tuple(notes),
    )


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Tell a fault of the disk from one of the file that is read."""
    try:
        yield
    except OSError as error:
        raise MediaError(
            f"{shown(out)}: cannot be written ({error.strerror or error}); free space and run again"
        ) from None


@contextmanager
def _spilling(out: Path) -> Iterator[IO[bytes]]:
    """Yield a file without a name on the disk of `out`: whatever happens, no raw frame is left behind."""
    with _writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        spill = tempfile.TemporaryFile(dir=out.parent)  # noqa: SIM115  closed below, where its faults are not the disk's
    with spill:
        yield spill


def _decoded(path: Path, out: Path, spill: IO[bytes], *, limits: DecodeLimits, threads: int, observe: bool) -> _Film:
    try:
        return _spilled(path, out, spill, "grey", limits=limits, threads=threads, observe=observe)
    except Coloured:
        return _spilled(path, out, spill, "rgb", limits=limits, threads=threads, observe=observe)


def _spilled(
    path: Path, out: Path, spill: IO[bytes], colours: Colours, *, limits: DecodeLimits, threads: int, observe: bool
) -> _Film:
    opened = open_frames(path, limits=limits, colours=colours, threads=threads)
    times_s: list[float] = []
    shape: tuple[int, ...] = ()
    observer = None
    spill.seek(0)
    spill.truncate()
    for time_s, frame in opened.frames:
        if not times_s:
            shape = frame.shape
            observer = Observer(*shape[:2]) if observe else None
        if observer is not None:
            observer.add(frame if colours == "grey" else luma_of(frame))
        with _writing(out):
            spill.write(np.ascontiguousarray(frame).data)
        times_s.append(time_s)
    with _writing(out):
        spill.flush()
    return _Film(spill, (len(times_s), *shape), times_s, opened, None if observer is None else observer.observed())


def _header(path: Path) -> Dataset:
    """Return a file's header where it is DICOM, an empty one where it is not. Called on what a reader accepted."""
    head = first_bytes(path)
    if not head or sniffed(head) != "dicom":
        return Dataset()
    return pydicom.dcmread(path, stop_before_pixels=True, force=True)


def _found(film: _Film, header: Dataset, notes: list[str]) -> tuple[KeptPixels, bool]:
    """Return the pixels of the stated region, else of the sector that moves, and whether marks could be told from them.

    Raises Refused where there is neither.
    """
    assert film.observed is not None  # `_decoded` was asked to observe
    _, height, width = film.shape[:3]
    box, sector = film.opened.region, None
    if box is None or box.w * box.h > _WHOLE * width * height or _exceeds(header, width, height):
        found = find_sector(film.observed)
        if found is None or found.confidence < LEAST_CONFIDENCE:
            raise Refused(_NO_REGION)
        box, sector = found.box, found.mask
        notes.append("the scanned region was found from the pixels")
    keep = kept_pixels((width, height), box, sector=sector, marks=static_marks(film.observed, box))
    return keep, can_tell_marks(film.observed, box)


def _exceeds(header: Dataset, width: int, height: int) -> bool:
    """Tell whether a stated region reaches out of the frame: then nothing tells where it really lies."""
    try:
        corners = [
            (item.RegionLocationMaxX1, item.RegionLocationMaxY1)
            for item in header.get("SequenceOfUltrasoundRegions", ())
        ]
        return any(int(x1) >= width or int(y1) >= height for x1, y1 in corners)
    except Exception:  # pydicom raises many kinds over a malformed sequence
        return True


def _content_hash(path: Path) -> str:
    """Return a hash of a file's bytes, or of those of a folder's files in the order of their names."""
    if not path.is_dir():
        return file_sha256(path)
    names = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return hashlib.sha256("".join(file_sha256(name) for name in names).encode()).hexdigest()


def _state(clean: Dataset, film: _Film, header: Dataset, box: Box, notes: list[str], *, cleaned: bool) -> None:
    """Complete the header: class, pixels, times, regions, compression, method."""
    state_pixels(clean, film.shape)
    settle_frames(clean, frames=film.shape[0], coloured=len(film.shape) == 4)
    notes.extend(state_times(clean, settled_times(film.times_s, film.opened)))
    clip_regions(clean, box)
    _state_compression(clean, header)
    state_method(clean, pixels_cleaned=cleaned)
    if "SecondaryCapture" in str(clean.SOPClassUID.keyword):
        _state_capture(clean, of_dicom=bool(header))


def _state_compression(clean: Dataset, header: Dataset) -> None:
    """State that pixels were lossy once (PS3.3 C.7.6.1.1.5): it stays true whatever they are stored as now."""
    syntax = str(getattr(header, "file_meta", Dataset()).get("TransferSyntaxUID", ""))
    method = _LOSSY.get(syntax) or ("ISO_14496_10" if syntax.startswith("1.2.840.10008.1.2.4.10") else None)
    if method or not header:
        clean.LossyImageCompression = "01"
    if method and "LossyImageCompressionMethod" not in clean:
        clean.LossyImageCompressionMethod = method


def _state_capture(clean: Dataset, *, of_dicom: bool) -> None:
    """State what Secondary Capture needs besides (PS3.3 C.8.6.1, C.8.6.3)."""
    clean.ConversionType = "DI" if of_dicom else "WSD"
    if "MultiFrameGrayscale" in str(clean.SOPClassUID.keyword):
        clean.PresentationLUTShape = "IDENTITY"
        clean.RescaleIntercept, clean.RescaleSlope, clean.RescaleType = 0, 1, "US"


def _save(clean: Dataset, spill: IO[bytes], out: Path) -> None:
    with _writing(out):
        length = spill.seek(0, 2)
        if length > _MOST_BYTES:
            raise Refused(f"{length} bytes of pixels are more than an uncompressed DICOM element holds")
        if length % 2:
            spill.write(b"\0")
        spill.seek(0)
        clean.PixelData = spill
        clean["PixelData"].VR = "OB"
        with atomic_path(out) as temporary:
            clean.save_as(temporary, enforce_file_format=True)
