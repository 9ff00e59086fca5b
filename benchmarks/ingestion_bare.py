"""Bare decoding, one process of it: every frame's luma as a numpy array, and nothing else; ingestion.py divides by it.

Imports what its files need and no more, so that its start is as short as it can be.

    python benchmarks/ingestion_bare.py FILE...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
JPEG_BASELINE = b"1.2.840.10008.1.2.4.50"


def bare_luma(path: Path) -> Iterator[Frames]:
    """Yield each frame's luma as the decoder leaves it, in an array of its own."""
    with path.open("rb") as stream:
        head = stream.read(2048)
    yield from dicom_luma(path, head) if head[128:132] == b"DICM" else video_luma(path)


def dicom_luma(path: Path, head: bytes) -> Iterator[Frames]:
    """Decode by pydicom, of JPEG Baseline by the fastest of its plugins."""
    from PIL import Image
    from pydicom.pixels import iter_pixels

    plugin = "pillow" if JPEG_BASELINE in head else ""
    for pixels in iter_pixels(path, raw=True, decoding_plugin=plugin):
        yield np.asarray(Image.fromarray(pixels).convert("L")) if pixels.ndim == 3 else pixels.copy()


def video_luma(path: Path) -> Iterator[Frames]:
    """Decode by PyAV, taking the luma plane as it lies."""
    import av

    with av.open(str(path)) as media:
        stream = media.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in media.decode(stream):
            plane = frame.planes[0]
            lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            yield lines[: plane.height, : plane.width].copy()


if __name__ == "__main__":
    print(sum(1 for path in sys.argv[1:] for _ in bare_luma(Path(path))))
