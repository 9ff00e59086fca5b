"""Fuzz `alnus.media.open_cine`: whatever the bytes, it returns a valid cine or raises MediaError in one line.

See README.md beside this file for how to run it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["alnus.media", "pydicom", "PIL"]):
    import numpy as np
    import PIL.BmpImagePlugin  # the formats are imported here, so that they are instrumented
    import PIL.JpegImagePlugin
    import PIL.PngImagePlugin
    import PIL.TiffImagePlugin  # noqa: F401  as above
    import pydicom.pixels.decoders  # noqa: F401  as above

    import alnus.media.dicom.reading
    import alnus.media.video  # noqa: F401  as above
    from alnus.errors import MediaError
    from alnus.media import Cine, DecodeLimits, open_cine

from mutations import mutated

LIMITS = DecodeLimits(max_frames=200, max_side_px=1024, max_pixels=8_000_000, max_inflated_bytes=1 << 24)
SCRATCH = Path(tempfile.mkdtemp(prefix="alnus-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
INPUT = SCRATCH / "PATIENTFREE.avi"
OWN_CODE = f"{os.sep}alnus{os.sep}media{os.sep}"
SWALLOWED = ": it cannot be decoded ("
STRICT = "ALNUS_FUZZ_STRICT" in os.environ
_seen: set[str] = set()


def one_input(data: bytes) -> None:
    """Open the bytes as a file. Anything but a valid cine or a MediaError of one line is a find."""
    INPUT.write_bytes(data)
    try:
        cine = open_cine(INPUT, limits=LIMITS)
    except MediaError as error:
        _check_reason(str(error))
        _report_swallowed(error, data)
    else:
        _check(cine)


def _check_reason(reason: str) -> None:
    assert reason.isprintable(), "a reason of several lines"
    assert reason.startswith(str(INPUT)), "a reason without its file"


def _check(cine: Cine) -> None:
    assert cine.frames.shape[0] == len(cine.frame_times_s) <= LIMITS.max_frames
    assert cine.frame_times_s[0] == 0, "times start elsewhere"
    assert np.isfinite(cine.frame_times_s).all(), "times that are not finite"
    assert (np.diff(cine.frame_times_s) > 0).all(), "times that do not increase"
    if cine.spacing_mm is not None:
        assert all(np.isfinite(size) and size > 0 for size in cine.spacing_mm), "a spacing that is none"
    if cine.region is not None:
        box, (height, width) = cine.region, cine.frames.shape[1:3]
        assert 0 <= box.x < box.x + box.w <= width, "a region outside the frame"
        assert 0 <= box.y < box.y + box.h <= height, "a region outside the frame"
    assert all(note.isprintable() for note in cine.notes)


def _report_swallowed(error: BaseException, data: bytes) -> None:
    """Tell, once a place, what fault of our own code `foreign_faults` turned into a refusal: it hides a missing check.

    A fault of a decoding library over a broken file is what it is for, and not told.
    """
    fault = error.__context__.__context__ if error.__context__ else None
    if SWALLOWED not in str(error) or fault is None or fault.__traceback__ is None:
        return
    last = traceback.extract_tb(fault.__traceback__)[-1]
    place = f"{type(fault).__name__} at {Path(last.filename).name}:{last.lineno}"
    if OWN_CODE in last.filename and place not in _seen and type(fault).__name__ not in ("Refused", "Coloured"):
        _seen.add(place)
        if STRICT:
            raise fault
        sys.stderr.write(f"SWALLOWED {place}\n")
        (Path(os.environ.get("ALNUS_FUZZ_FINDS", SCRATCH)) / f"swallowed-{place.replace(' ', '-')}").write_bytes(data)


def main() -> None:
    """Hand over to libFuzzer."""
    atheris.Setup(sys.argv, one_input, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
