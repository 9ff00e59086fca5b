"""What a file is that somebody took for weights, told before anything reads it whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

from alnus.errors import WeightsError

LOOKED_AT = 512  # bytes, enough to tell text from tensors
POINTER = b"version https://git-lfs"


def refuse_other_kinds(path: Path) -> None:
    """Raise WeightsError for what is surely no checkpoint, and for an archive that would swell on reading."""
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    reason = _no_checkpoint(start)
    if reason is None and start.startswith(b"PK"):
        reason = _no_torch_archive(path)
    if reason is not None:
        raise WeightsError(f"{path}: {reason}")


def _no_checkpoint(start: bytes) -> str | None:
    if not start:
        return "is empty"
    if start.startswith(POINTER):
        return "is a pointer of Git LFS, not the file itself: fetch that with `git lfs pull`"
    if start.startswith(b"\x1f\x8b"):
        return "is compressed by gzip: unpack it first"
    if _is_text(start):
        return "is text, not weights: was a page downloaded instead of the file?"
    return None


def _is_text(start: bytes) -> bool:
    """Say whether there are readable characters only. A safetensors file begins with a length, which is none."""
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # otherwise a character that the end has cut
            return False
        text = start[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n" for character in text)


def _no_torch_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None  # a damaged one, of which torch says more
    names = {entry.filename.rpartition("/")[2] for entry in entries}
    if "constants.pkl" in names:
        return "is a TorchScript archive, which holds code: save the module's state_dict instead"
    if "data.pkl" not in names:
        return "is a zip archive, but not one that torch wrote: unpack it first"
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        return "is a compressed archive, which torch never writes: save the state_dict again"
    return None
