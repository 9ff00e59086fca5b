"""What a DICOM header states beyond the pixels, and names no patient: for the gate that judges a cine's quality.

Source: DICOM PS3.4 B.5 (SOP classes), PS3.3 C.7.3.1.1.1 (modality), C.8.5.5.1 (kinds of US regions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alnus.media.cine import Box

PaneKind = Literal["tissue", "colour", "doppler", "m-mode", "other"]

ENHANCED_US_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
US_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.6.1",  # Ultrasound Image Storage
    "1.2.840.10008.5.1.4.1.1.3.1",  # Ultrasound Multi-frame Image Storage
    "1.2.840.10008.5.1.4.1.1.6",  # both, retired
    "1.2.840.10008.5.1.4.1.1.3",
    ENHANCED_US_VOLUME,
)
_ULTRASOUND = ("US", "IVUS", "BDUS")
_NOT_TELLING = ("", "OT", "SC", "DOC")  # what frame grabbers and Secondary Capture of ultrasound state


@dataclass(frozen=True)
class Pane:
    """A region that the header states, clamped to the frame. kind: tissue and colour are 2-D pictures of the body."""

    box: Box
    kind: PaneKind


@dataclass(frozen=True)
class DicomFacts:
    """What the header states.

    modality_is_ultrasound: None where the modality tells neither way (absent, other, secondary capture).
    region_doubtful: the stated region does not fit the frame, so it may belong to another picture: look for the region
    in the pixels. transfer_syntax: UID, "" where not stated. photometric: as stated, one of the standard's terms or "".
    lossy: the pixels were compressed lossily, now or ever. trimmed: first and last frame kept, of those in the file,
    from 0; None where all are. frame_rate_source: the element that gave the frame times, "" where none did.
    """

    modality_is_ultrasound: bool | None
    is_enhanced: bool
    panes: tuple[Pane, ...]
    region_doubtful: bool
    transfer_syntax: str
    photometric: str
    lossy: bool
    trimmed: tuple[int, int] | None
    frame_rate_source: str


def is_ultrasound(modality: str, sop_class: str) -> bool | None:
    """Tell an ultrasound by its class or modality; None where neither tells."""
    if sop_class in US_CLASSES or modality in _ULTRASOUND:
        return True
    return None if modality in _NOT_TELLING else False
