"""Whose a DICOM file is, as keyed pseudonyms: asked of a decoding process, which alone reads the header's text.

The same patient has the same pseudonym in every file, the same examination too; nobody without the key can tell who.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from alnus.media.containers import first_bytes, sniffed
from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
from alnus.media.opening import foreign_faults
from alnus.media.refusal import quiet

IDENTIFY_TASK = "identify"
_LETTERS = {"patient": "P", "study": "S"}
_TAGS = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")


def pseudonym(key: bytes, kind: Literal["patient", "study"], text: str) -> str:
    """Return what stands for a patient or an examination, such as "P-0F3A99C1D2E4"."""
    digest = hmac.new(key, f"{kind}\n{text}".encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
    return f"{_LETTERS[kind]}-{digest[:12].upper()}"


def identify_task(path: Path, key: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Return the request to read whose a file is; the answer is `identified`'s."""
    bounds = asdict(replace(limits, pulse=None))
    return {"do": IDENTIFY_TASK, "path": str(path.absolute()), "key": key.hex(), "limits": bounds}


def identified(path: Path, key: bytes) -> dict[str, Any]:
    """Return {"patient", "study"}: pseudonyms of the header's patient id with its issuer, and of its study's UID.

    Each is None where the header does not state it, both where the file is no DICOM. Raises Refused. This runs in the
    decoding process.
    """
    if sniffed(first_bytes(path)) != "dicom":
        return {"patient": None, "study": None}
    import pydicom

    from alnus.media.identity.header import patient_of

    with foreign_faults(), quiet():
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
        patient, study = patient_of(header), str(header.get("StudyInstanceUID", "")).strip(" \0")
    return {
        "patient": pseudonym(key, "patient", patient) if patient.startswith("id\n") else None,
        "study": pseudonym(key, "study", study) if study else None,
    }
