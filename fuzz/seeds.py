"""Write the fuzzer's first inputs: a small file of every kind that `open_cine` reads. Usage: seeds.py FOLDER."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

Pixels = NDArray[np.uint8]

CONTAINERS = [  # container, codec, pixel format
    ("avi", "mjpeg", "yuvj420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("avi", "rawvideo", "gray"),
    ("avi", "ffv1", "gray"),
    ("avi", "huffyuv", "yuv422p"),
    ("avi", "msmpeg4v2", "yuv420p"),
    ("mp4", "h264", "yuv420p"),
    ("mp4", "hevc", "yuv420p"),
    ("mov", "mjpeg", "yuvj420p"),
    ("mov", "qtrle", "rgb24"),
    ("mov", "prores", "yuv422p10le"),
    ("matroska", "h264", "yuv420p"),
    ("matroska", "vp8", "yuv420p"),
    ("webm", "vp9", "yuv420p"),
    ("mpeg", "mpeg1video", "yuv420p"),
    ("mpeg", "mpeg2video", "yuv420p"),
    ("mpegts", "mpeg2video", "yuv420p"),
    ("mpeg1video", "mpeg1video", "yuv420p"),
    ("mpegts", "h264", "yuv420p"),
    ("asf", "wmv2", "yuv420p"),
    ("gif", "gif", "rgb8"),
]
ENCODED = (uid.RLELossless, uid.JPEGLSLossless, uid.JPEGLSNearLossless, uid.JPEG2000Lossless)
LARGEST_BYTES = 32_768


def main() -> None:
    """Write every seed that this machine's encoders can make, and pydicom's own small test files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in [*_videos(), *_pictures(), *_dicom(), *_bundled()]:
        if len(content) <= LARGEST_BYTES:
            (folder / name).write_bytes(content)
    sys.stdout.write(f"{len(list(folder.iterdir()))} seeds in {folder}\n")


def scene(height: int = 32, width: int = 48, frames: int = 3) -> Pixels:
    """Return a bright bar that moves over a gradient, (frames, height, width)."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([20 + rows + (np.abs(columns - 9 - 6 * t) < 4) * 120 for t in range(frames)]).astype(np.uint8)


def _video(container: str, codec: str, pixel_format: str) -> bytes:
    frames = scene(128, 128) if codec == "hevc" else scene()  # x265 corrupts its memory over pictures below a block
    content = BytesIO()
    with av.open(content, "w", format=container) as media:
        stream = media.add_stream(codec, rate=25)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = pixel_format
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="gray")
            media.mux(stream.encode(frame.reformat(format=pixel_format)))
        media.mux(stream.encode())
    return content.getvalue()


def _videos() -> Iterator[tuple[str, bytes]]:
    for container, codec, pixel_format in CONTAINERS:
        try:
            yield f"{container}-{codec}", _video(container, codec, pixel_format)
        except (av.FFmpegError, ValueError) as error:
            sys.stderr.write(f"no {codec} in {container}: {type(error).__name__}\n")


def _pictures() -> Iterator[tuple[str, bytes]]:
    images = [Image.fromarray(frame) for frame in scene()]
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "GIF"):
        content = BytesIO()
        more = {"save_all": True, "append_images": images[1:]} if kind in ("PNG", "TIFF", "GIF") else {}
        images[0].save(content, kind, **more)
        yield f"still-{kind.lower()}", content.getvalue()
    for compression in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits", "group4"):
        content = BytesIO()
        picture = images[0].convert("1") if compression == "group4" else images[0]
        picture.save(content, "TIFF", compression=compression)
        yield f"still-tiff-{compression}", content.getvalue()


def ultrasound(frames: Pixels) -> Dataset:
    """Return a US multi-frame data set with a region and frame times."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = uid.UltrasoundMultiFrameImageStorage, "1.2.3.4"
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        "1.2.3.4",
    )
    dataset.Modality, dataset.PatientName = "US", "A^B"
    dataset.FrameTime, dataset.CineRate = "40", "25"
    dataset.FrameTimeVector = ["0", "40", "40"]
    dataset.StartTrim, dataset.StopTrim = "1", "3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 4, 4
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 40, 28
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, 0.01
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.PixelData = frames.tobytes()
    dataset["PixelData"].VR = "OB"
    return dataset


def _saved(dataset: Dataset, syntax: str) -> bytes:
    dataset.file_meta.TransferSyntaxUID = syntax
    content = BytesIO()
    implicit, little = syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
    dataset.save_as(content, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return content.getvalue()


def _dicom() -> Iterator[tuple[str, bytes]]:
    for syntax in (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian):
        yield f"dicom-{syntax.name}".replace(" ", "-"), _saved(ultrasound(scene()), syntax)
    for syntax in ENCODED:
        dataset = ultrasound(scene())
        dataset.compress(syntax, generate_instance_uid=False)
        yield f"dicom-{syntax.name}".replace(" ", "-").replace("/", "-"), _saved(dataset, syntax)
    streams = []
    for frame in scene():
        content = BytesIO()
        Image.fromarray(frame).save(content, "JPEG")
        streams.append(content.getvalue())
    yield "dicom-jpeg", _saved(_with_pixels(encapsulate(streams), scene()), uid.JPEGBaseline8Bit)
    for syntax, container, codec in (
        (uid.MPEG2MPML, "mpeg2video", "mpeg2video"),
        (uid.MPEG4HP41, "h264", "h264"),
        (uid.HEVCMP51, "hevc", "hevc"),
    ):
        try:
            stream = _video(container, codec, "yuv420p")
        except (av.FFmpegError, ValueError):
            continue
        frames = scene(128, 128) if codec == "hevc" else scene()
        yield f"dicom-{codec}", _saved(_with_pixels(encapsulate([stream]), frames), syntax)


def _with_pixels(data: bytes, frames: Pixels) -> Dataset:
    dataset = ultrasound(frames)
    dataset.PixelData = data
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _bundled() -> Iterator[tuple[str, bytes]]:
    """Yield pydicom's own test files: they lie with the package, nothing is downloaded."""
    for path in map(Path, get_testdata_files("*.dcm")):
        if "dicomdirtests" not in path.parts:
            yield f"pydicom-{path.stem}", path.read_bytes()


if __name__ == "__main__":
    main()
