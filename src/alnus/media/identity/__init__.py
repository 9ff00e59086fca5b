"""De-identification by default denial: the header's listed elements, the scanned tissue's pixels, and nothing else."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.media.identity.finding import Find, find_identity
    from alnus.media.identity.header import deidentified
    from alnus.media.identity.key import default_key_path, load_or_make_key
    from alnus.media.identity.writing import Written, kept_pixels, write_deidentified

_HOMES = {
    "Find": "finding",
    "find_identity": "finding",
    "deidentified": "header",
    "default_key_path": "key",
    "load_or_make_key": "key",
    "Written": "writing",
    "kept_pixels": "writing",
    "write_deidentified": "writing",
}

__all__ = [
    "Find",
    "Written",
    "default_key_path",
    "deidentified",
    "find_identity",
    "kept_pixels",
    "load_or_make_key",
    "write_deidentified",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for: pydicom takes its time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'alnus.media.identity' has no attribute '{name}'")
    return getattr(import_module(f"alnus.media.identity.{_HOMES[name]}"), name)
