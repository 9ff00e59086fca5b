"""Which object a DICOM file says it is, from its first bytes: class and instance stand in its head, in plain form.

Nothing else of the header is read in this process. Source: DICOM PS3.10 7.1 (file meta information).
"""

from __future__ import annotations

from typing import NamedTuple

from alnus.serve.node.keys import is_uid

_START = 132  # behind the preamble and "DICM"
_LONG = (b"OB", b"OW", b"UN", b"UT", b"SQ")  # PS3.5 7.1.2: a length of four bytes, after two that are reserved
_CLASS, _INSTANCE = b"\x02\x00\x02\x00", b"\x02\x00\x03\x00"
_NO_PICTURES = (
    "1.2.840.10008.1.3.10",  # the directory of a disk
    "1.2.840.10008.5.1.4.1.1.88.",  # structured reports, key objects
    "1.2.840.10008.5.1.4.1.1.11.",  # presentation states
    "1.2.840.10008.5.1.4.1.1.104.",  # documents
)


class Head(NamedTuple):
    """UIDs of an object's class and of the object itself; "" where the head does not state it."""

    sop_class: str
    instance: str

    @property
    def has_no_pictures(self) -> bool:
        """Whether the object is of a class that has no pixels, such as those beside the images on an exported disk."""
        return self.sop_class.startswith(_NO_PICTURES)


def read_head(first: bytes) -> Head:
    """Return what a file's first bytes (512 will do) state; nothing where it is no DICOM file with a head."""
    found = {_CLASS: "", _INSTANCE: ""}
    at = _START
    while first[128:132] == b"DICM" and first[at : at + 2] == b"\x02\x00":
        is_long = first[at + 4 : at + 6] in _LONG
        begin = at + (12 if is_long else 8)
        length = int.from_bytes(first[begin - 4 : begin] if is_long else first[begin - 2 : begin], "little")
        if first[at : at + 4] in found:
            found[first[at : at + 4]] = first[begin : begin + length].decode("ascii", "replace").strip("\0 ")
        at = begin + length
    return Head(*(text if is_uid(text) else "" for text in found.values()))
