"""The colours of a PALETTE COLOR image.

Source: DICOM PS3.3 C.7.6.3.1.5 (descriptor), C.7.6.3.1.6 (data), C.7.9.2 (segmented data).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from alnus.media.colour import Pixels
from alnus.media.dicom.header import value_of
from alnus.media.dicom.layout import Layout
from alnus.media.refusal import Refused

_COLOURS = ("Red", "Green", "Blue")
_MOST_ENTRIES = 1 << 16
_DISCRETE, _LINEAR = 0, 1
_BROKEN = "its colour palette is not what its descriptor says"


def palette_of(header: Dataset, layout: Layout) -> Pixels | None:
    """Return the colour of each stored value (values, 3) of a PALETTE COLOR image, else None. Raises Refused."""
    if layout.photometric != "PALETTE COLOR":
        return None
    try:
        _check_segments(header)
        depth = np.uint8 if layout.allocated == 8 else np.uint16
        table = apply_color_lut(np.arange(1 << layout.allocated, dtype=depth), header)
    except (Refused, MemoryError):
        raise
    except Exception:  # pydicom raises many kinds over a malformed palette
        raise Refused(_BROKEN) from None
    if table.dtype != np.uint8 and table.max() > 255:  # 16-bit entries; some files state 16 bits and use 8
        table = table >> 8
    return np.ascontiguousarray(table.astype(np.uint8))


def _check_segments(header: Dataset) -> None:
    """Refuse a palette larger than its indices before it is held: a segment of 6 bytes states 65,535 entries."""
    for colour in _COLOURS:
        for keyword in (f"{colour}PaletteColorLookupTableData", f"Segmented{colour}PaletteColorLookupTableData"):
            data = value_of(header, keyword, most_bytes=4 * _MOST_ENTRIES)
            if data and keyword.startswith("Segmented") and _entries(np.frombuffer(data, "<u2")) > _MOST_ENTRIES:
                raise Refused(_BROKEN)


def _entries(words: NDArray[np.uint16]) -> int:
    """Return how many entries segments expand to. Raises Refused for indirect ones, which no US file is known to have.

    The data of 8-bit entries are bytes; their words are read here as if of 16 bits, which at worst refuses them.
    """
    at, total = 0, 0
    while at + 1 < len(words):
        kind, length = int(words[at]), int(words[at + 1])
        if kind not in (_DISCRETE, _LINEAR):
            raise Refused("its colour palette has segments of a kind that is not read")
        total += length
        at += 2 + (length if kind == _DISCRETE else 1)
    return total
