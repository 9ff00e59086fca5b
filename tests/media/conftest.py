"""Ultrasound-like files made in code: a grey scene that moves, in DICOM of any syntax and in any container."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundMultiFrameImageStorage,
)

Pixels = NDArray[np.uint8]
DicomWriter = Callable[..., Path]


@pytest.fixture(scope="session")
def scene() -> Pixels:
    """12 grey frames of 64x96: a bright bar that moves to the right over a smooth gradient."""
    rows, columns = np.mgrid[0:64, 0:96]
    frames = [20 + rows + (np.abs(columns - 10 - 6 * index) < 5) * 120 for index in range(12)]
    return np.stack(frames).astype(np.uint8)


def write_video(path: Path, frames: Pixels, *, container: str, codec: str, pix_fmt: str, **metadata: str) -> Path:
    with av.open(str(path), "w", format=container) as media:
        media.metadata.update(metadata)
        stream = media.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if codec != "gif":
            stream.bit_rate = 4_000_000
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="gray" if pixels.ndim == 2 else "rgb24")
            media.mux(stream.encode(frame.reformat(format=pix_fmt)))
        media.mux(stream.encode())
    return path


def jpeg(pixels: Pixels, *, quality: int = 90) -> bytes:
    content = BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return content.getvalue()


def ultrasound(frames: Pixels, *, photometric: str | None = None, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """An uncompressed US multi-frame data set with a planted patient; (T, H, W) or (T, H, W, 3) of 8 or 16 bits."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.SOPClassUID, dataset.SOPInstanceUID = UltrasoundMultiFrameImageStorage, "1.2.3.4"
    dataset.Modality, dataset.Manufacturer = "US", "Some maker"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Leaked^Name", "LEAKEDID", "19610203"
    dataset.InstitutionName = "LeakedHospital"
    dataset.FrameTime = "40"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape[:3]
    dataset.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    dataset.PhotometricInterpretation = photometric or ("RGB" if frames.ndim == 4 else "MONOCHROME2")
    if frames.ndim == 4:
        dataset.PlanarConfiguration = 0
    bits = frames.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = 0
    big = syntax == ExplicitVRBigEndian
    dataset.PixelData = frames.astype(frames.dtype.newbyteorder(">" if big else "<")).tobytes()
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
    return dataset


def saved(path: Path, dataset: Dataset) -> Path:
    syntax = dataset.file_meta.TransferSyntaxUID
    dataset.save_as(
        path,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return path


def with_jpeg(dataset: Dataset, streams: list[bytes], *, photometric: str = "MONOCHROME2") -> Dataset:
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].is_undefined_length = True
    dataset.PhotometricInterpretation = photometric
    return dataset


@pytest.fixture
def dicom(tmp_path: Path, scene: Pixels) -> DicomWriter:
    """Write the scene as DICOM, its elements changed by keyword; None removes one."""

    def write(
        name: str = "cine.dcm", *, frames: Pixels = scene, photometric: str | None = None, **changes: Any
    ) -> Path:
        dataset = ultrasound(frames, photometric=photometric)
        for keyword, value in changes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        return saved(tmp_path / name, dataset)

    return write


def us_region(x0: int, y0: int, x1: int, y1: int, **changes: Any) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX, item.PhysicalDeltaY = 0.02, 0.01
    for keyword, value in changes.items():
        setattr(item, keyword, value)
    return item


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders above, for tests: a conftest's functions cannot be imported."""
    return SimpleNamespace(
        video=write_video, jpeg=jpeg, ultrasound=ultrasound, saved=saved, with_jpeg=with_jpeg, region=us_region
    )
