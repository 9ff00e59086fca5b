"""Why a file cannot be read: the reason alone, without the file's path and without any header's text."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

COPY_AGAIN = "copy it again from its source"
EXPORT_AGAIN = "export it again from the scanner or PACS"
CONVERT = "convert it to MP4 (H.264)"
COPY_OR_CONVERT = "copy it again from its source, or convert it to MP4 (H.264)"
CORRECT = "correct its header or export it again from the scanner or PACS"

# The libraries that log or warn about a file they read, and quote its header while doing so.
_TALKATIVE = ("pydicom", "pylibjpeg", "libjpeg", "openjpeg", "PIL", "libav")


class Refused(Exception):  # noqa: N818  it is a verdict on a file; `open_cine` turns it into a MediaError with the path
    """A file is not read, for the reason that is the exception's text."""


class OutOfMemory(Refused):
    """Decoding it needs more memory than the process may take."""


def shown(path: Path | str) -> str:
    """Return a path as one printable line, whatever characters its name holds."""
    text = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the decoders' warnings and log lines: they quote header values, which may name the patient.

    What they warn of and what matters is found again by the readers' own checks, and told as a note or a refusal.
    """
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
