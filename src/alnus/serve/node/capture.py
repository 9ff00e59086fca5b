"""The multi-frame Secondary Capture: every frame under its heat, in colour, at the cine's own times, with a caption.

Source: DICOM PS3.3 A.8.4 (IOD), C.8.6.1 and C.8.6.3 (SC equipment, multi-frame image), C.7.6.3 (pixels), C.7.6.5
(cine).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import JPEGBaseline8Bit, MultiFrameTrueColorSecondaryCaptureImageStorage

from alnus.explanation.drawing import Rgb, overlay, sheet
from alnus.media.refusal import Refused
from alnus.media.store import META, CineStore
from alnus.serve.node.heading import Source, identified
from alnus.serve.node.statement import RESEARCH, SOFTWARE, Statement

QUALITY = 90
_EVEN = 0.02  # share by which intervals may differ and still be one FrameTime
_SHORTEST_MS = 0.001


def heatmap(source: Source, statement: Statement, *, key: bytes, cine: Path, heat: Path) -> Dataset:
    """Return the cine under its heat. cine: the room's store of the video; heat: (T, h, w) uint8. Raises Refused."""
    store = CineStore(cine)
    frames = store.frames(store.videos()[0])
    levels: NDArray[np.uint8] = np.load(heat, mmap_mode="r", allow_pickle=False)
    if len(levels) != len(frames):
        raise Refused(f"its cine has {len(frames)} frames, its heat {len(levels)}")
    made = Dataset()
    made.SOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    identified(made, source, statement, key=key, kind="heatmap")
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    _describe(made, source, frames=len(frames))
    _time(made, _times_s(store))
    pictures = [_jpeg(picture) for picture in _drawn(frames, levels, statement)]
    _fill(made, pictures)
    return made


def _drawn(frames: NDArray[np.uint8], levels: NDArray[np.uint8], statement: Statement) -> Iterator[Rgb]:
    page = sheet(frames.shape[1:], statement.caption, panels=1, warning=statement.warning)
    height, width = frames.shape[1:]
    for number, (grey, level) in enumerate(zip(frames, levels, strict=True)):
        large = Image.fromarray(np.asarray(level)).resize((width, height), Image.Resampling.BILINEAR)
        coloured = overlay(np.asarray(grey), np.asarray(large, np.float32) / np.float32(255))
        yield page.filled([coloured], [f"frame {number + 1} of {len(frames)}"])


def _jpeg(picture: Rgb) -> tuple[bytes, tuple[int, int]]:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:2")
    return buffer.getvalue(), picture.shape[:2]


def _describe(made: Dataset, source: Source, *, frames: int) -> None:
    """State what kind of picture it is, and of what it was made: these frames, where the header counts as the cine."""
    made.Modality = "US"  # of the source, C.7.3.1.1.1
    made.ConversionType = "WSD"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.SecondaryCaptureDeviceManufacturer = SOFTWARE
    made.Laterality = made.PatientOrientation = None  # as far as is known
    made.DerivationDescription = "Grey cine, cropped, under a Grad-CAM heatmap of a network. Research use only."
    made.ImageComments = RESEARCH
    made.BurnedInAnnotation = "NO" if source.is_clean else "YES"  # C.7.6.1: whether text may name the patient
    reference = source.reference
    if source.count > 1 and frames == source.frames:
        reference.ReferencedFrameNumber = [source.number(frame) for frame in range(source.frames)]
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    reference.PurposeOfReferenceCodeSequence = [purpose]
    made.SourceImageSequence = [reference]


def _times_s(store: CineStore) -> list[float]:
    entry = store.entry(store.videos()[0])
    times: list[float] = json.loads((store.root / entry.key / META).read_text(encoding="utf-8"))["frame_times_s"]
    return times


def _time(made: Dataset, times_s: list[float]) -> None:
    """Keep the cine's times: one FrameTime where frames come evenly, else each frame's own increment."""
    steps_ms = np.diff(times_s) * 1000
    if not len(steps_ms):
        made.FrameIncrementPointer, made.FrameTime = Tag("FrameTime"), "0"
        return
    middle = float(np.median(steps_ms))
    made.RecommendedDisplayFrameRate = max(1, round(1000 / max(middle, _SHORTEST_MS)))
    if np.abs(steps_ms - middle).max() <= _EVEN * middle:
        made.FrameIncrementPointer, made.FrameTime = Tag("FrameTime"), _decimal(middle)
    else:
        made.FrameIncrementPointer = Tag("FrameTimeVector")
        made.FrameTimeVector = ["0", *map(_decimal, steps_ms)]


def _decimal(value_ms: float) -> str:
    return f"{value_ms:.6g}"[:16]  # PS3.5 6.2: DS has at most 16 characters


def _fill(made: Dataset, pictures: list[tuple[bytes, tuple[int, int]]]) -> None:
    """Add the pixels and what describes them."""
    made.NumberOfFrames = len(pictures)
    made.Rows, made.Columns = pictures[0][1]
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "YBR_FULL_422", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    coded = sum(len(picture) for picture, _ in pictures)
    made.LossyImageCompression, made.LossyImageCompressionMethod = "01", "ISO_10918_1"
    made.LossyImageCompressionRatio = f"{len(pictures) * made.Rows * made.Columns * 3 / coded:.2f}"
    made.PixelData = encapsulate([picture for picture, _ in pictures])
    made["PixelData"].VR = "OB"
