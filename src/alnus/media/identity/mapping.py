"""What stands for a patient, a UID and a date: keyed, so that the same in gives the same out and nobody else can tell.

Source: DICOM PS3.15 E.1 (dummy values, internally consistent) and E.3.6 (modified dates); PS3.5 B.2 (UUID-derived
UIDs, root 2.25); RFC 9562, 5.8 (UUID version 8: custom content); RFC 2104 (HMAC).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

MAPPED_ROOT = "2.25."
PSEUDONYM = re.compile(r"ALN-[0-9a-f]{16}")
MOST_DAYS_BACK = 3650  # ten years: season and year tell nothing
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
_FIRST_YEAR, _LAST_YEAR = 1950, 2100  # of an ultrasound examination, at either end with room to spare


@dataclass(frozen=True)
class Mapping:
    """The keyed functions for one patient. patient: whatever tells the patient from others; it leaves only hashed."""

    key: bytes = field(repr=False)
    patient: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a key that can be guessed: a programming error, not a user's."""
        if len(self.key) < 16:
            raise ValueError("a key has at least 16 bytes")

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.new(self.key, f"{purpose}\n{text}".encode("utf-8", "surrogateescape"), hashlib.sha256).digest()

    def uid(self, uid: str) -> str:
        """Return the UID that stands for another, wherever that one stands."""
        octets = bytearray(self._digest("uid", uid.strip(" \0"))[:16])
        octets[6] = octets[6] & 0x0F | 0x80  # version 8
        octets[8] = octets[8] & 0x3F | 0x80  # the variant of RFC 9562
        return f"{MAPPED_ROOT}{UUID(bytes=bytes(octets)).int}"

    def pseudonym(self) -> str:
        """Return the patient's name and id from now on."""
        return f"ALN-{self._digest('patient', self.patient).hex()[:16]}"

    def days_back(self) -> int:
        """Return by how many days all of the patient's dates are moved into the past, 1 to MOST_DAYS_BACK."""
        number = int.from_bytes(self._digest("date", self.patient)[:8], "big")
        return 1 + number % MOST_DAYS_BACK

    def day(self, text: str) -> str | None:
        """Return a date YYYYMMDD moved back; None where the text is no date or no plausible one."""
        found = _DAY.fullmatch(text.strip())
        if found is None or not _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
            return None
        try:
            moved = date(int(found[1]), int(found[2]), int(found[3])) - timedelta(days=self.days_back())
        except ValueError:  # the 31st of February
            return None
        return moved.strftime("%Y%m%d")
