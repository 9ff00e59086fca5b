"""How the samples of a DICOM image lie in its pixel data, checked once before any is read.

Source: DICOM PS3.3 C.7.6.3 (image pixel), PS3.5 8.1.1 (bits allocated, bits stored, high bit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from alnus.media.colour import Pixels, Space
from alnus.media.dicom.header import number_of, text_of
from alnus.media.refusal import Refused

SPACES: dict[str, Space] = {
    "MONOCHROME1": "grey",
    "MONOCHROME2": "grey",
    "PALETTE COLOR": "grey",  # its indices
    "RGB": "rgb",
    "YBR_FULL": "ycc",
    "YBR_FULL_422": "ycc",
    "YBR_ICT": "rgb",  # the decoder undoes the transform, which belongs to JPEG 2000
    "YBR_RCT": "rgb",
    "YBR_PARTIAL_420": "ycc",  # of videos
    "YBR_PARTIAL_422": "ycc",
}


@dataclass(frozen=True)
class Layout:
    """What the header says of a frame's samples.

    bits: stored in each; the lowest of them is bit `down` of the `allocated`. is_planar: the colours lie one after the
    other. photometric: one of SPACES.
    """

    count: int
    width: int
    height: int
    samples: int
    allocated: int
    bits: int
    down: int
    is_planar: bool
    photometric: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame whose colours lie pixel by pixel."""
        return (self.height, self.width) if self.samples == 1 else (self.height, self.width, self.samples)


def layout_of(header: Dataset, size: tuple[int, int, int], notes: list[str]) -> Layout:
    """Read and check what the header says; size: (frames, columns, rows). Raises Refused.

    A photometric interpretation that the number of samples contradicts is replaced, with a note.
    """
    samples = number_of(header, "SamplesPerPixel", default=1)
    if samples not in (1, 3):
        raise Refused(f"its pixels have {samples} samples; 1 and 3 are read")
    if number_of(header, "PixelRepresentation", default=0) != 0:
        raise Refused("its pixels are signed; ultrasound's are not")
    allocated, bits, down = _bits(header, notes)
    photometric = _photometric(header, samples, notes)
    is_planar = samples == 3 and number_of(header, "PlanarConfiguration", default=0) == 1
    count, width, height = size
    return Layout(count, width, height, samples, allocated, bits, down, is_planar, photometric)


def _bits(header: Dataset, notes: list[str]) -> tuple[int, int, int]:
    """Return (bits allocated, bits stored, number of the lowest stored bit)."""
    allocated = number_of(header, "BitsAllocated")
    stored = number_of(header, "BitsStored", default=allocated)
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise Refused(f"its pixels have {stored} of {allocated} bits; 8 and 16 are read")
    high = number_of(header, "HighBit", default=stored - 1)
    if not stored - 1 <= high < allocated:
        notes.append(f"the header's HighBit {high} contradicts its {stored} of {allocated} bits and is not used")
        high = stored - 1
    return allocated, stored, high + 1 - stored


def _photometric(header: Dataset, samples: int, notes: list[str]) -> str:
    stated = text_of(header, "PhotometricInterpretation").upper()
    if not stated:
        notes.append("the header states no photometric interpretation")
        return "RGB" if samples == 3 else "MONOCHROME2"
    if stated not in SPACES:
        raise Refused("its photometric interpretation is not supported; export it as RGB or MONOCHROME2")
    if (SPACES[stated] == "grey") != (samples == 1):
        notes.append(f"the header states {stated} for {samples} sample{'s' * (samples > 1)} a pixel, which is not used")
        return "RGB" if samples == 3 else "MONOCHROME2"
    return stated


def depth_note(layout: Layout) -> str:
    """Return what to say of samples that do not fit 8 bits, "" where they do."""
    return f"pixels of {layout.bits} bits, of which the upper 8 are kept" if layout.bits > 8 else ""


def stored_values(array: NDArray[np.uint8 | np.uint16], layout: Layout) -> NDArray[np.uint8 | np.uint16]:
    """Return native samples without what lies beside their stored bits: older files keep overlays there."""
    if layout.bits == layout.allocated:
        return array
    mask = (1 << layout.bits) - 1
    return ((array >> layout.down) & array.dtype.type(mask)).astype(array.dtype, copy=False)


def eight_bits(values: NDArray[np.uint8 | np.uint16], bits: int) -> Pixels:
    """Return samples of so many bits as 8: the upper eight of more, fewer spread upwards."""
    if bits > 8:
        upper: Pixels = np.minimum(values >> (bits - 8), 255).astype(np.uint8)
        return upper
    if bits < 8:
        return (values << (8 - bits)).astype(np.uint8)
    return values.astype(np.uint8, copy=False)
