"""DICOM ultrasound: the header is read and checked before any pixel is decoded.

US Image and US Multi-frame Image, their retired variants, Enhanced US Volume, Secondary Capture: any class of images
is read, and `DicomFacts` says whether it is an ultrasound. No text of the header goes into a message or a note: it may
name the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from pathlib import Path

from pydicom import uid
from pydicom.config import IGNORE

from alnus.media.colour import Pixels
from alnus.media.dicom.decoders import NATIVE, VIDEO_SYNTAXES, is_supported
from alnus.media.dicom.facts import ENHANCED_US_VOLUME, DicomFacts, is_ultrasound
from alnus.media.dicom.geometry import Geometry, geometry_of
from alnus.media.dicom.groups import Groups, groups_of, pane_of
from alnus.media.dicom.header import NOT_NATIVE, DicomFile, checked_size, read_header, text_of
from alnus.media.dicom.layout import SPACES, layout_of
from alnus.media.dicom.pixels import decoded_frames, video_stream
from alnus.media.dicom.times import frame_times, trimmed
from alnus.media.limits import DecodeLimits
from alnus.media.opened import Colours, Opened
from alnus.media.refusal import CORRECT, Refused

PHANTOM_MANUFACTURER = "Alnus phantom"
_LOSSY = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.HTJ2K,
    *VIDEO_SYNTAXES,
)


def open_dicom(
    path: Path, *, limits: DecodeLimits, colours: Colours, threads: int, only: frozenset[int] | None = None
) -> Opened:
    """Open a DICOM image or cine. Raises Refused; its frames raise Refused and Coloured.

    Frames outside StartTrim to StopTrim are left out: what counts frames (a keyframe) counts those that are kept.
    only: the numbers of the kept frames that are wanted; of an encapsulated video all come.
    """
    file = read_header(path, limits)
    count, width, height = size = checked_size(file, limits)
    _check_syntax(file)
    notes: list[str] = []
    geometry = geometry_of(file.header, width, height, notes)
    times_s, source = frame_times(file.header, count)
    kept = trimmed(file.header, count, notes)
    groups = groups_of(file.header, count, notes) if _is_enhanced(file) else None
    order: list[int] | range = kept
    if groups is not None:
        order = [index for index in groups.order if index in kept]
        times_s, source = (groups.times_s, groups.source) if groups.times_s else (times_s, source)
    if file.syntax in VIDEO_SYNTAXES:
        opened = video_stream(file, limits=limits, colours=colours, threads=threads)
        opened.frames = _counted(opened.frames, count, times_s, kept)
        opened.notes = notes + opened.notes
    else:
        opened = Opened("dicom", iter(()), notes=notes, is_chosen=only is not None)
        order = order if only is None else [index for number, index in enumerate(order) if number in only]
        frames = decoded_frames(file, layout_of(file.header, size, notes), order, colours, opened)
        opened.frame_count = len(order)
        opened.frames = _timed(frames, [times_s[index] for index in order] if times_s else [nan] * len(order))
    _describe(opened, file, geometry, groups)
    opened.facts = _facts(file, geometry, groups, size, (kept[0], kept[-1]) if len(kept) < count else None, source)
    return opened


def _describe(opened: Opened, file: DicomFile, geometry: Geometry, groups: Groups | None) -> None:
    opened.kind = "dicom"
    opened.region, opened.spacing_mm = geometry.region, geometry.spacing_mm
    if groups is not None and opened.spacing_mm is None:
        opened.spacing_mm = groups.spacing_mm
    opened.phantom = text_of(file.header, "Manufacturer") == PHANTOM_MANUFACTURER
    if text_of(file.header, "Modality") not in ("US", "IVUS"):
        opened.notes.append("the header states a modality other than ultrasound, or none")


def _facts(
    file: DicomFile,
    geometry: Geometry,
    groups: Groups | None,
    size: tuple[int, int, int],
    trimmed_to: tuple[int, int] | None,
    source: str,
) -> DicomFacts:
    header, (_, width, height) = file.header, size
    photometric = text_of(header, "PhotometricInterpretation").upper()
    return DicomFacts(
        modality_is_ultrasound=is_ultrasound(text_of(header, "Modality"), text_of(header, "SOPClassUID")),
        is_enhanced=groups is not None,
        panes=geometry.panes or (pane_of(groups, width, height) if groups else ()),
        region_doubtful=geometry.is_doubtful,
        transfer_syntax=file.syntax,
        photometric=photometric if photometric in SPACES else "",
        lossy=file.syntax in _LOSSY or text_of(header, "LossyImageCompression") == "01",
        trimmed=trimmed_to,
        frame_rate_source=source,
    )


def _is_enhanced(file: DicomFile) -> bool:
    return text_of(file.header, "SOPClassUID") == ENHANCED_US_VOLUME


def _check_syntax(file: DicomFile) -> None:
    if file.syntax and not is_supported(file.syntax):
        raise Refused(f"its transfer syntax is not supported ({_name_of(file.syntax)}); convert it to one that is")
    if file.pixels_length is None and file.syntax in NATIVE:
        raise Refused(NOT_NATIVE)


def _name_of(syntax: str) -> str:
    """Return a transfer syntax's name in the standard; of another one no text of the file."""
    known = uid.UID(syntax, validation_mode=IGNORE)
    return known.name if known.name != known else "none of the standard"


def _timed(frames: Iterator[Pixels], times_s: list[float]) -> Iterator[tuple[float, Pixels]]:
    yield from zip(times_s, frames, strict=True)


def _counted(
    frames: Iterator[tuple[float, Pixels]], count: int, times_s: list[float] | None, kept: range
) -> Iterator[tuple[float, Pixels]]:
    """Give a video's frames the header's times, where it has them, and hold their number against the header's."""
    found = 0
    for found, (time_s, pixels) in enumerate(frames, start=1):
        if found > count:
            raise Refused(f"its NumberOfFrames is {count}, but its video has more frames; {CORRECT}")
        if found - 1 in kept:
            yield (times_s[found - 1] if times_s else time_s), pixels
    if found < count:
        raise Refused(f"its NumberOfFrames is {count}, but its video has {found} frames; {CORRECT}")
