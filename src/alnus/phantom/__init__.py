"""Simulated breast-ultrasound cines with a known truth, written as DICOM, AVI or MP4 like a scanner would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.phantom.write import PhantomConfig as PhantomConfig
    from alnus.phantom.write import write_phantom as write_phantom

__all__ = ["PhantomConfig", "write_phantom"]


def __getattr__(name: str) -> Any:
    """Import the room's public names when they are first used: `alnus --help` must not wait for SciPy."""
    if name in __all__:
        from alnus.phantom import write

        return getattr(write, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
