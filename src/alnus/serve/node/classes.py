"""Which DICOM objects the node takes: pictures of ultrasound and secondary captures, in every syntax that is read.

Source: DICOM PS3.4 B.5 (SOP classes).
"""

from __future__ import annotations

from alnus.media.dicom.decoders import NATIVE, STREAM_KINDS, VIDEO_SYNTAXES
from alnus.media.dicom.facts import US_CLASSES

RLE = "1.2.840.10008.1.2.5"
SECONDARY_CAPTURE = (
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.2",  # multi-frame, grey, 8 bits
    "1.2.840.10008.5.1.4.1.1.7.3",  # multi-frame, grey, 16 bits
    "1.2.840.10008.5.1.4.1.1.7.4",  # multi-frame, colour
)
CLASSES = (*US_CLASSES, *SECONDARY_CAPTURE)
SYNTAXES = tuple(str(syntax) for syntax in (*NATIVE, RLE, *STREAM_KINDS, *VIDEO_SYNTAXES))
