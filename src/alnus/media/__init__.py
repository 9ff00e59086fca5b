"""A file on disk becomes a Cine: frames, frame times and spacing, without the patient's identity."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.media.chosen import read_frames
    from alnus.media.cine import Box, Cine, Frames, Times
    from alnus.media.guarded import open_guarded
    from alnus.media.ingestion import Exclusion, IngestItem, IngestReport, ingest
    from alnus.media.limits import DEFAULT_LIMITS, DecodeLimits
    from alnus.media.opening import open_cine
    from alnus.media.store import CineStore, StoreEntry
    from alnus.media.writing import write_mp4

_HOMES = {
    "Box": "cine",
    "Cine": "cine",
    "Frames": "cine",
    "Times": "cine",
    "open_guarded": "guarded",
    "Exclusion": "ingestion",
    "IngestItem": "ingestion",
    "IngestReport": "ingestion",
    "ingest": "ingestion",
    "DEFAULT_LIMITS": "limits",
    "DecodeLimits": "limits",
    "open_cine": "opening",
    "read_frames": "chosen",
    "CineStore": "store",
    "StoreEntry": "store",
    "write_mp4": "writing",
}

__all__ = [
    "DEFAULT_LIMITS",
    "Box",
    "Cine",
    "CineStore",
    "DecodeLimits",
    "Exclusion",
    "Frames",
    "IngestItem",
    "IngestReport",
    "StoreEntry",
    "Times",
    "ingest",
    "open_cine",
    "open_guarded",
    "read_frames",
    "write_mp4",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for: PyAV and pydicom take their time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'alnus.media' has no attribute '{name}'")
    return getattr(import_module(f"alnus.media.{_HOMES[name]}"), name)
