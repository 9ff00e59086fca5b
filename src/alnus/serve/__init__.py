"""The reading room: a web application, a REST service and a DICOM node around trained networks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alnus.serve.app import create_app
    from alnus.serve.settings import ServeSettings

_HOMES = {"ServeSettings": "settings", "create_app": "app"}

__all__ = ["ServeSettings", "create_app"]


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for: FastAPI and SQLAlchemy take their time."""
    if name not in _HOMES:
        raise AttributeError(f"module 'alnus.serve' has no attribute '{name}'")
    return getattr(import_module(f"alnus.serve.{_HOMES[name]}"), name)
