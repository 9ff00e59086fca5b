"""Every file that pydicom brings along opens or is refused for a reason; what opens has pydicom's own pixels."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom import examples

from alnus.errors import MediaError
from alnus.media import Cine, open_cine

ROOT = Path(pydicom.data.__file__).parent
NO_DICOM = (".py", ".pyc", ".json", ".txt", ".dump", ".icc", ".md")
FILES = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.suffix not in NO_DICOM)

OTHERWISE = ("examples_palette.dcm",)  # pydicom's pixels are the palette's indices


def opened(path: Path) -> Cine | str:
    try:
        return open_cine(path)
    except MediaError as error:
        return str(error)


def test_each_file_opens_or_is_refused_in_one_line_that_names_it():
    assert len(FILES) > 100
    told = {path: opened(path) for path in FILES}
    reasons = {path: text for path, text in told.items() if isinstance(text, str)}
    for path, text in reasons.items():
        assert text.startswith(f"{path}: ")
        assert "\n" not in text
    assert len(told) - len(reasons) >= 45
    undecoded = {path.name for path, text in reasons.items() if "cannot be decoded" in text}
    assert undecoded <= {"JPEG-lossy.dcm"}  # its scan header is not what sequential JPEG allows; libjpeg refuses it


def test_what_opens_has_pydicoms_pixels():
    compared = 0
    for path in FILES:
        cine = opened(path)
        if isinstance(cine, str) or path.name in OTHERWISE:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            expected = dataset.pixel_array
        bits = max(dataset.BitsStored, 8)
        expected = (expected >> (bits - 8)).reshape(-1, *expected.shape[-2 if dataset.SamplesPerPixel == 1 else -3 :])
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            expected = 255 - expected
        if cine.frames.ndim == 3 and expected.ndim == 4:  # grey, or nearly so, in three components
            expected = expected @ np.array([0.299, 0.587, 0.114])
        assert cine.frames.shape == expected.shape, path.name
        assert np.abs(cine.frames.astype(float) - expected).max() <= 4, path.name
        compared += 1
    assert compared >= 40


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("rgb_color", (1, 240, 320, 3)),
        ("ybr_color", (30, 240, 320, 3)),
        ("palette_color", (1, 350, 800, 3)),
        ("jpeg2k", (1, 480, 640, 3)),
    ],
)
def test_pydicoms_ultrasound_opens(name, shape):
    assert open_cine(examples.get_path(name)).frames.shape == shape
