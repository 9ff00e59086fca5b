"""A video's de-identified DICOM file beside its entry in the store, named by the entry's key, whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alnus.errors import MediaError
from alnus.media.frames_file import StoreWriteError
from alnus.media.limits import DecodeLimits
from alnus.media.refusal import Refused
from alnus.media.rules import Rules
from alnus.media.sources import IngestItem, entry_key

FAILED = "dicom_out_failed"


def dicom_path(item: IngestItem, rules: Rules) -> Path | None:
    """Return where an item's DICOM file goes: its name is of the table's text alone."""
    return None if rules.dicom_out is None else rules.dicom_out / f"{entry_key(item)}.dcm"


def is_written(item: IngestItem, rules: Rules, meta: dict[str, Any]) -> bool:
    """Tell whether what is asked for is there, or was tried of the same source and cannot be made."""
    path = dicom_path(item, rules)
    if path is None:
        return True
    if meta.get("dicom") != rules.dicom_state(item.patient):
        return False
    return path.exists() or any(found.get("code") == FAILED for found in meta.get("findings", []))


def dicom_findings(item: IngestItem, rules: Rules, limits: DecodeLimits) -> list[dict[str, str]]:
    """Write an item's DICOM file where that is asked for; return why it is not there, as a finding, or nothing.

    What cannot be cleaned stays in the store, whose pixels are for the study alone. Raises StoreWriteError.
    """
    path = dicom_path(item, rules)
    if path is None:
        return []
    from alnus.media.identity import write_deidentified  # pydicom and its dictionaries, where they are needed

    path.unlink(missing_ok=True)  # an older source's
    try:
        write_deidentified(item.path, path, key=rules.key, limits=limits, patient=item.patient)
    except Refused as refused:
        return [{"code": FAILED, "severity": "warn", "text": f"no DICOM was written: {refused}"}]
    except (MediaError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreWriteError(f"{reason}") from None
    return []
