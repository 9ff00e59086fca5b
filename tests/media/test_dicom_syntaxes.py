"""What others' encoders write in every transfer syntax opens as the pixels that went in: exactly, or within a bound."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames

from alnus.media import open_cine

EXACT = 0
PICTURES = ("grey", "rgb", "twelve bits", "sixteen bits")


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    """Three smooth frames each of 8-bit grey and RGB, and of grey levels that use all of 12 and 16 bits.

    All levels from black to white are there: lossy encoders may stretch what is narrower.
    """
    rows, columns = np.mgrid[0:48, 0:64]
    levels = np.stack([columns / 63 * 0.6 + rows / 47 * 0.4, columns / 63, rows / 47])
    grey, twelve = (levels * 255).round().astype(np.uint8), (levels * 4095).round().astype(np.uint16)
    return {
        "grey": grey,
        "rgb": np.stack([grey, 255 - grey, grey // 2 + 40], axis=-1),
        "twelve bits": twelve,
        "sixteen bits": twelve * 16 + 5,
    }


def source(make, path: Path, frames: np.ndarray, picture: str) -> Path:
    dataset = make.ultrasound(frames)
    if picture == "twelve bits":
        dataset.BitsStored, dataset.HighBit = 12, 11
    return make.saved(path, dataset)


def converted(tmp_path: Path, path: Path, program: str, *arguments: str) -> Path:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    out = tmp_path / "out.dcm"
    subprocess.run([program, *arguments, str(path), str(out)], check=True, capture_output=True, timeout=60)
    return out


def assert_opens(path: Path, syntax: str, frames: np.ndarray, bound: int) -> None:
    """bound: largest difference of an 8-bit level."""
    assert pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    expected = frames if frames.dtype == np.uint8 else frames // (16 if frames.max() < 4096 else 256)
    opened = open_cine(path).frames
    assert opened.shape == expected.shape
    difference = int(np.abs(opened.astype(int) - expected).max())
    assert difference <= bound


DCMTK = [
    ("dcmconv", ("+ti",), uid.ImplicitVRLittleEndian, EXACT, PICTURES),
    ("dcmconv", ("+te", "-e"), uid.ExplicitVRLittleEndian, EXACT, PICTURES),
    ("dcmconv", ("+tb",), uid.ExplicitVRBigEndian, EXACT, PICTURES),
    ("dcmconv", ("+td",), uid.DeflatedExplicitVRLittleEndian, EXACT, PICTURES),
    ("dcmcrle", (), uid.RLELossless, EXACT, PICTURES),
    ("dcmcjpeg", ("+eb", "+q", "95"), uid.JPEGBaseline8Bit, 12, ("grey",)),
    ("dcmcjpeg", ("+eb", "+q", "100", "+cr"), uid.JPEGBaseline8Bit, 3, ("rgb",)),
    ("dcmcjpeg", ("+eb", "+q", "100", "+cy", "+s4"), uid.JPEGBaseline8Bit, 6, ("rgb",)),
    ("dcmcjpeg", ("+ee", "+q", "98"), uid.JPEGExtended12Bit, 8, ("grey", "twelve bits")),
    ("dcmcjpeg", ("+el",), uid.JPEGLossless, EXACT, ("grey", "rgb", "twelve bits", "sixteen bits")),
    ("dcmcjpeg", ("+e1",), uid.JPEGLosslessSV1, EXACT, ("grey", "rgb", "twelve bits", "sixteen bits")),
    ("dcmcjpls", ("+el",), uid.JPEGLSLossless, EXACT, PICTURES),
    ("dcmcjpls", ("+en", "+md", "2"), uid.JPEGLSNearLossless, 2, ("grey", "rgb")),
]

GDCM = [
    (("--raw",), uid.ExplicitVRLittleEndian, EXACT, ("grey",)),
    (("--deflated",), uid.DeflatedExplicitVRLittleEndian, EXACT, ("grey",)),
    (("--rle",), uid.RLELossless, EXACT, PICTURES),
    (("--jpeg",), uid.JPEGLosslessSV1, EXACT, ("grey", "rgb", "twelve bits", "sixteen bits")),
    (("--jpeg", "--lossy", "-q", "95"), uid.JPEGBaseline8Bit, 12, ("grey",)),
    (("--jpegls",), uid.JPEGLSLossless, EXACT, PICTURES),
    (("--j2k",), uid.JPEG2000Lossless, EXACT, PICTURES),
    (("--j2k", "--lossy", "-r", "4"), uid.JPEG2000, 3, ("grey", "rgb")),
]


def named(cases):
    for *case, pictures in cases:
        for picture in pictures:
            flat = [part for item in case[:-2] for part in ([item] if isinstance(item, str) else item)]
            yield pytest.param(*case, picture, id=" ".join([*flat, picture]))


@pytest.mark.parametrize(("program", "arguments", "syntax", "bound", "picture"), list(named(DCMTK)))
def test_what_dcmtk_writes_opens(tmp_path, make, pictures, program, arguments, syntax, bound, picture):
    path = source(make, tmp_path / "in.dcm", pictures[picture], picture)
    assert_opens(converted(tmp_path, path, program, *arguments), syntax, pictures[picture], bound)


@pytest.mark.parametrize(("arguments", "syntax", "bound", "picture"), list(named(GDCM)))
def test_what_gdcm_writes_opens(tmp_path, make, pictures, arguments, syntax, bound, picture):
    path = source(make, tmp_path / "in.dcm", pictures[picture], picture)
    assert_opens(converted(tmp_path, path, "gdcmconv", *arguments), syntax, pictures[picture], bound)


PYDICOM = [
    (uid.RLELossless, {}, EXACT, PICTURES),
    (uid.JPEGLSLossless, {}, EXACT, PICTURES),
    (uid.JPEGLSNearLossless, {"jls_error": 3}, 3, ("grey", "rgb")),
    (uid.JPEG2000Lossless, {}, EXACT, PICTURES),
    (uid.JPEG2000, {"j2k_cr": [4]}, 3, ("grey", "rgb", "twelve bits")),
]


@pytest.mark.parametrize(
    ("syntax", "options", "bound", "picture"),
    [pytest.param(*case, picture, id=f"{case[0].keyword} {picture}") for *case, many in PYDICOM for picture in many],
)
def test_what_pydicoms_encoders_write_opens(tmp_path, make, pictures, syntax, options, bound, picture):
    path = source(make, tmp_path / "in.dcm", pictures[picture], picture)
    dataset = pydicom.dcmread(path)
    if syntax == uid.JPEG2000 and picture == "rgb":
        dataset.PhotometricInterpretation = "YBR_ICT"
    dataset.compress(syntax, generate_instance_uid=False, **options)
    assert_opens(make.saved(tmp_path / "out.dcm", dataset), syntax, pictures[picture], bound)


# 16x24 frames coded by OpenJPH 0.26.3 (imagecodecs 2026.3.6, htj2k_encode; reversible, RGB with its transform;
# irreversible): no encoder of HTJ2K is among the tools that a test may expect.
HTJ2K_GREY = (
    "/0//UQApQAAAAAAYAAAAEAAAAAAAAAAAAAAAGAAAABAAAAAAAAAAAAABBwEB/1AACAACAAAAAv9SAAwAAgABAAUEBEAB/1wAEyBIUFBQUFBQUFBQUFBQ"
    "SEhI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAHcAAf+TwCXpAId0AMASgIgBB3QAwBHAEwAXcwCiogBCNADAE0AVAKL4gAt0AFAI+gDk"
    "d1UAwBPAFYAAANinwnUApjHGmOAA9gAB7LgAwCqgFpCqqvPwKenp4ngAEAAAAAAA/v8cnv3ye/fJ7LsA/9k="
)
HTJ2K_RGB = (
    "/0//UQAvQAAAAAAYAAAAEAAAAAAAAAAAAAAAGAAAABAAAAAAAAAAAAADBwEBBwEBBwEB/1AACAACAAAAA/9SAAwAAgABAQUEBEAB/1wAEyBQWFhYWFhY"
    "WFhYWFhYUFBQ/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAUsAAf+TwBIA/gBjAMASgMsBB3QAwBKA0QEHdADACQAAR3QAwAlAzAEHdADA"
    "CUAQAYd0AKAEoHP+MjMAwAkgBMD9J3MA9vYAQjQAwAjgBOAncwBIkf4AYjQAwAjgBMCbcwCZ/AN3VADACaAE4Lb9gAt0AHpdAOR3VQDACaAFSEjkgIt0"
    "AKIi0QAAAHdWAMAJIASwAjDdPVQA59/stQDwQwDACeAFYKqq2KfCdQC61lrr4AD2AAHsuADACogBWkII8dpwAnUAUAiCIOjgCPYQgey4AMAWzAFUAAiA"
    "AAiAAFXXXXUm2tazlXXXXU8mMYzjAf9//xA66666mADAFXAFopIkSfPwp6enQngAGBERERER/xye/fJ798nsuwDAFXAFrrZt2/Pwp6enQngAohBCCCGE"
    "EOL/EAAAHv2AAHv2AAHsvwD/2Q=="
)
HTJ2K_LOSSY = (
    "/0//UQApQAAAAAAYAAAAEAAAAAAAAAAAAAAAGAAAABAAAAAAAAAAAAABBwEB/1AACAACAAAAIv9SAAwAAgABAAUEBEAA/1wAIyJ3GHbqdup2vG8AbwBu"
    "4mdMZ0xnZFADUANQRlfSV9JXYf9kABcAAU9wZW5KUEggVmVyIDAuMjYuMy7/kAAKAAAAAACjAAH/k8ABMNn8Awd0AMABMDr+Aod0AMACWABOxQCHdAAs"
    "ZOEAojQAwAVMAFaAAOfo+gDI+bUABSAFQApA/gAhA362AMAVsAWsZEYVzqj+BJn+K4t3ACpJWoAL4AIswAVYgAIphCBTdTXqOgDAFbAFuAAAAHP1P2n7"
    "T9i5GgACIBwchsNwGA7DYfh/QJKdMkp0ySm761616jAB/9k="
)


@pytest.mark.parametrize(
    ("syntax", "stream", "bound"),
    [
        (uid.HTJ2KLossless, HTJ2K_GREY, EXACT),
        (uid.HTJ2KLosslessRPCL, HTJ2K_RGB, EXACT),
        (uid.HTJ2K, HTJ2K_LOSSY, 1),
    ],
    ids=lambda value: value.keyword if isinstance(value, uid.UID) else "",
)
def test_what_openjph_writes_opens(tmp_path, make, syntax, stream, bound):
    rows, columns = np.mgrid[0:16, 0:24]
    grey = (rows * 9 + columns * 4).astype(np.uint8)
    picture = np.stack([grey, 255 - grey, grey // 2 + 40], axis=-1) if stream == HTJ2K_RGB else grey
    dataset = make.ultrasound(picture[None])
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([base64.b64decode(stream)])
    dataset["PixelData"].is_undefined_length = True
    assert_opens(make.saved(tmp_path / "a.dcm", dataset), syntax, picture[None], bound)


def test_a_frame_in_several_fragments_opens(tmp_path, make, pictures):
    for syntax in (uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless):
        dataset = make.ultrasound(pictures["grey"])
        dataset.compress(syntax, generate_instance_uid=False)
        streams = list(generate_frames(dataset.PixelData, number_of_frames=3))
        for has_table in (True, False)[: 1 + (syntax != uid.RLELossless)]:
            dataset.PixelData = encapsulate(streams, fragments_per_frame=3, has_bot=has_table)
            cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
            np.testing.assert_array_equal(cine.frames, pictures["grey"])
