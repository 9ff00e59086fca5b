"""Names of the files that a report writes."""

from __future__ import annotations


def file_stem(name: str) -> str:
    """Return a name that is safe as a file's: letters, digits, dot, dash and underscore."""
    return "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name) or "_"
