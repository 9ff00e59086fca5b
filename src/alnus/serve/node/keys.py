"""UIDs as keyed digests, and the UIDs of what goes back: the same for the same source, network and kind, for ever.

A re-send after a crash is the same object then, and an archive that has it already has nothing twice. Keyed by the
room's secret, so that a UID in the database, or of an object of ours, tells nobody which examination it is of.
Source: DICOM PS3.5 B.2 (UIDs from 128 bits under 2.25).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Literal

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")

Level = Literal["instance", "series", "tracking", "device"]


def sop_key(secret: bytes, uid: str) -> str:
    """Return what stands for an instance's UID in the database, 64 hexadecimal digits."""
    return _digest(secret, "sop", uid).hex()


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID (PS3.5 9.1). pydicom's own test logs what it finds wrong."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def derived_uid(secret: bytes, level: Level, *, source: str = "", model: str = "", kind: str = "") -> str:
    """Return the UID of something that is made of a source instance (its UID) by a network (its key)."""
    return f"2.25.{int.from_bytes(_digest(secret, level, source, model, kind)[:16], 'big')}"


def _digest(secret: bytes, *parts: str) -> bytes:
    text = "\n".join(("dicom node", *parts))
    return hmac.new(secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
