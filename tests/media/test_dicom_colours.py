"""The colours and depths of DICOM: every interpretation, and files whose header says another than their pixels have."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate

from alnus.errors import MediaError
from alnus.media import open_cine
from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.opening import open_frames


@pytest.fixture(scope="module")
def coloured(scene) -> np.ndarray:
    """Two frames: a grey scene on black with a smooth red-yellow window, as in colour Doppler."""
    frames = np.repeat(scene[:2, ..., None], 3, axis=-1)
    frames[:, :, :30] = 0
    frames[:, 24:48, 48:80] = (200, 90, 40)
    return frames


def ycc(frames: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(frame).convert("YCbCr")) for frame in frames])


def shared_chroma(full: np.ndarray) -> bytes:
    """YBR_FULL_422: the two lumas of each pair of pixels, then the first one's chroma."""
    pairs = full.reshape(-1, 2, 3)
    return np.concatenate([pairs[:, :, 0], pairs[:, 0, 1:]], axis=1).tobytes()


def stream(frame: np.ndarray, **options) -> bytes:
    content = BytesIO()
    Image.fromarray(frame).save(content, "JPEG", quality=98, subsampling=0, **options)
    return content.getvalue()


def without_markers(jpeg: bytes) -> bytes:
    """Take out the JFIF and Adobe segments and number the components 1, 2 and 3: nothing tells the colour space."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        segment = bytearray(jpeg[at:end])
        if segment[1] == 0xC0:
            segment[10], segment[13], segment[16] = 1, 2, 3
        if segment[1] not in (0xE0, 0xEE):
            out += bytes(segment)
        at = end
    scan = bytearray(jpeg[at:])
    scan[5], scan[7], scan[9] = 1, 2, 3
    return out + bytes(scan)


def assert_colours(path, expected: np.ndarray, *, bound: int, note: str | None) -> None:
    cine = open_cine(path)
    assert np.abs(cine.frames.astype(int) - expected).max() <= bound
    assert any(note in told for told in cine.notes) if note else not any("header states" in told for told in cine.notes)


SAID_YCC = "the code stream is in YCbCr, unlike the header states"
SAID_RGB = "the code stream is in RGB, unlike the header states"


@pytest.mark.parametrize(
    ("options", "strips", "photometric", "note"),
    [
        ({}, False, "YBR_FULL_422", None),
        ({}, False, "YBR_FULL", None),
        ({}, False, "RGB", SAID_YCC),
        ({}, True, "YBR_FULL_422", None),
        ({"keep_rgb": True}, False, "RGB", None),
        ({"keep_rgb": True}, False, "YBR_FULL_422", SAID_RGB),
        ({"keep_rgb": True}, True, "RGB", None),
        ({"keep_rgb": True}, True, "YBR_FULL_422", "the pixels are in RGB, unlike the header states"),
        ({}, True, "RGB", "the pixels are in YCbCr, unlike the header states"),
    ],
)
def test_a_jpeg_has_the_colours_that_its_stream_tells(tmp_path, make, coloured, options, strips, photometric, note):
    streams = [stream(frame, **options) for frame in coloured]
    if strips:
        streams = [without_markers(one) for one in streams]
    dataset = make.with_jpeg(make.ultrasound(coloured), streams, photometric=photometric)
    path = make.saved(tmp_path / "a.dcm", dataset)
    reference = np.stack([np.asarray(Image.open(BytesIO(stream(f, **options))).convert("RGB")) for f in coloured])
    assert_colours(path, reference, bound=2, note=note)


@pytest.mark.parametrize("photometric", ["RGB", "YBR_RCT", "YBR_ICT", "YBR_FULL"])
def test_jpeg_2000_that_was_transformed_is_rgb_whatever_the_header_says(tmp_path, make, coloured, photometric):
    dataset = make.ultrasound(coloured)
    dataset.PhotometricInterpretation = "YBR_RCT"
    dataset.compress(uid.JPEG2000Lossless, generate_instance_uid=False)
    dataset.PhotometricInterpretation = photometric
    note = SAID_RGB if photometric == "YBR_FULL" else None
    assert_colours(make.saved(tmp_path / "a.dcm", dataset), coloured, bound=0, note=note)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_lossless_ybr_is_ybr_in_every_syntax(tmp_path, make, coloured, syntax, photometric):
    dataset = make.ultrasound(ycc(coloured), photometric="YBR_FULL")
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.PhotometricInterpretation = photometric
    assert_colours(make.saved(tmp_path / "a.dcm", dataset), coloured, bound=3, note=None)


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
@pytest.mark.parametrize("shares", [False, True])
def test_uncompressed_ybr_shares_its_chroma_if_its_length_says_so(tmp_path, make, coloured, photometric, shares):
    full = ycc(coloured)
    dataset = make.ultrasound(full, photometric=photometric)
    if shares:
        dataset.PixelData = shared_chroma(full)
    note = None if shares == (photometric == "YBR_FULL_422") else "chroma, unlike the header states"
    path = make.saved(tmp_path / "a.dcm", dataset)
    assert_colours(path, coloured, bound=3, note=note)


def test_uncompressed_pixels_in_another_space_than_stated_are_read_in_theirs(tmp_path, make, coloured):
    mislabelled = make.saved(tmp_path / "a.dcm", make.ultrasound(ycc(coloured), photometric="RGB"))
    assert_colours(mislabelled, coloured, bound=3, note="the pixels are in YCbCr, unlike the header states")
    mislabelled = make.saved(tmp_path / "b.dcm", make.ultrasound(coloured, photometric="YBR_FULL"))
    assert_colours(mislabelled, coloured, bound=0, note="the pixels are in RGB, unlike the header states")


def test_a_frame_full_of_colours_keeps_the_space_that_the_header_states(tmp_path, make):
    noise = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    assert_colours(make.saved(tmp_path / "a.dcm", make.ultrasound(noise)), noise, bound=0, note=None)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless])
def test_colours_in_planes_are_the_same_colours(tmp_path, make, coloured, syntax):
    planes = np.ascontiguousarray(coloured.transpose(0, 3, 1, 2)).reshape(coloured.shape)
    dataset = make.ultrasound(planes, syntax=syntax)
    dataset.PlanarConfiguration = 1
    if syntax == uid.RLELossless:
        dataset = make.ultrasound(coloured)
        dataset.compress(syntax, generate_instance_uid=False)
    path = make.saved(tmp_path / "a.dcm", dataset)
    assert_colours(path, coloured, bound=0, note=None)
    luma = [frame for _, frame in open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1).frames]
    expected = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in coloured])
    np.testing.assert_array_equal(np.stack(luma), expected)


def test_samples_that_contradict_the_interpretation_win(tmp_path, make, scene, coloured):
    path = make.saved(tmp_path / "a.dcm", make.ultrasound(coloured, photometric="MONOCHROME2"))
    assert_colours(path, coloured, bound=0, note="the header states MONOCHROME2 for 3 samples a pixel")
    path = make.saved(tmp_path / "b.dcm", make.ultrasound(scene, photometric="RGB"))
    assert_colours(path, scene, bound=0, note="the header states RGB for 1 sample a pixel")


def test_a_grey_stream_under_a_coloured_header_is_grey(tmp_path, make, scene):
    dataset = make.ultrasound(np.repeat(scene[..., None], 3, axis=-1))
    dataset = make.with_jpeg(dataset, [make.jpeg(frame) for frame in scene], photometric="YBR_FULL_422")
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    assert cine.frames.shape == scene.shape
    assert any("coded in grey" in note for note in cine.notes)


def test_a_stream_of_another_kind_than_its_syntax_says_is_read_with_a_note(tmp_path, make, scene):
    dataset = make.with_jpeg(make.ultrasound(scene), [make.jpeg(frame) for frame in scene])
    dataset.file_meta.TransferSyntaxUID = uid.JPEGLosslessSV1
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    assert np.abs(cine.frames.astype(int) - scene).mean() < 2
    assert any("coded as jpeg, not as the transfer syntax states" in note for note in cine.notes)


def test_compressed_frames_without_file_meta_information_are_read(tmp_path, make, scene):
    dataset = make.with_jpeg(make.ultrasound(scene), [make.jpeg(frame) for frame in scene])
    content = make.saved(tmp_path / "a.dcm", dataset).read_bytes()
    (tmp_path / "b.dcm").write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
    np.testing.assert_array_equal(open_cine(tmp_path / "b.dcm").frames, open_cine(tmp_path / "a.dcm").frames)


@pytest.mark.parametrize(("stored", "high"), [(16, 15), (12, 11), (12, 15), (12, 13), (10, 9), (9, 8), (8, 7), (6, 5)])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless])
def test_stored_bits_are_found_wherever_they_lie_and_whatever_lies_beside(tmp_path, make, scene, syntax, stored, high):
    if syntax == uid.RLELossless and stored <= 8:
        pytest.skip("pydicom 3.0's encoder loses half of the pixels where 8 of 16 bits are stored")
    values = (scene.astype(np.uint16) << 8) >> (16 - stored)
    beside = ~(((1 << stored) - 1) << (high + 1 - stored)) & 0xFFFF
    samples = (values << (high + 1 - stored)) | np.uint16(beside)
    dataset = make.ultrasound(samples, syntax=syntax if syntax != uid.RLELossless else uid.ExplicitVRLittleEndian)
    dataset.BitsStored, dataset.HighBit = stored, high
    if syntax == uid.RLELossless:
        dataset.compress(syntax, generate_instance_uid=False)
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    np.testing.assert_array_equal(cine.frames, scene if stored >= 8 else scene >> (8 - stored) << (8 - stored))


def test_a_high_bit_that_cannot_be_is_not_used(dicom, scene):
    cine = open_cine(dicom(frames=scene.astype(np.uint16), BitsStored=8, HighBit=3))
    np.testing.assert_array_equal(cine.frames, scene)
    assert any("HighBit 3 contradicts its 8 of 16 bits" in note for note in cine.notes)


def test_bytes_in_big_endian_words_are_put_in_order(tmp_path, make):
    frames = np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8)  # frames of an odd number of bytes
    dataset = make.ultrasound(frames, syntax=uid.ExplicitVRBigEndian)
    data = frames.tobytes() + b"\0"
    dataset.PixelData = np.frombuffer(data, np.uint8).reshape(-1, 2)[:, ::-1].tobytes()
    dataset["PixelData"].VR = "OW"
    np.testing.assert_array_equal(open_cine(make.saved(tmp_path / "a.dcm", dataset)).frames, frames)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"BitsAllocated": 32, "BitsStored": 32}, "its pixels have 32 of 32 bits"),
        ({"BitsStored": 0}, "its pixels have 0 of 8 bits"),
        ({"BitsStored": 12}, "its pixels have 12 of 8 bits"),
        ({"SamplesPerPixel": 4}, "its pixels have 4 samples"),
        ({"PixelRepresentation": 1}, "its pixels are signed"),
        ({"PhotometricInterpretation": "HSV"}, "photometric interpretation is not supported"),
    ],
)
def test_pixels_that_ultrasound_does_not_have_are_refused(dicom, changes, message):
    with pytest.raises(MediaError, match=message):
        open_cine(dicom(**changes))


def test_a_signed_code_stream_is_refused_whatever_the_header_says(tmp_path, make, scene):
    dataset = make.ultrasound(scene[:1].view(np.int8))
    dataset.PixelRepresentation = 1
    dataset.compress(uid.JPEG2000Lossless, generate_instance_uid=False)
    dataset.PixelRepresentation = 0
    with pytest.raises(MediaError, match="its pixels are signed"):
        open_cine(make.saved(tmp_path / "a.dcm", dataset))


def test_colour_is_noticed_in_luma_whatever_the_syntax(tmp_path, make, coloured):
    frames = np.concatenate([coloured, coloured])
    streams = [stream(frame) for frame in frames]
    native = make.ultrasound(frames)
    rle = make.ultrasound(frames)
    rle.compress(uid.RLELossless, generate_instance_uid=False)
    ybr = make.ultrasound(ycc(frames), photometric="YBR_FULL")
    jpeg = make.with_jpeg(make.ultrasound(frames), streams, photometric="YBR_FULL_422")
    for index, dataset in enumerate((native, rle, ybr, jpeg)):
        path = make.saved(tmp_path / f"{index}.dcm", dataset)
        opened = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
        luma = np.stack([frame for _, frame in opened.frames])
        assert luma.shape == frames.shape[:3]
        assert np.abs(luma.astype(int) - ycc(frames)[..., 0]).max() <= 6
        assert opened.chroma is not None
        assert opened.chroma.shape == (8, 12)
        assert opened.chroma[4, 8] > 100
        assert opened.chroma[1, 1] < 10


def test_a_grey_cine_has_no_chroma(dicom):
    opened = open_frames(dicom(), limits=DEFAULT_LIMITS, colours="luma", threads=1)
    assert len(list(opened.frames)) == 12
    assert opened.chroma is None


def test_a_palettes_luma_is_that_of_its_colours(tmp_path, make, scene):
    dataset = make.ultrasound(scene, photometric="PALETTE COLOR")
    table = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint8)
    for colour, levels in zip(("Red", "Green", "Blue"), table, strict=True):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", (levels.astype("<u2") * 257).tobytes())
    path = make.saved(tmp_path / "a.dcm", dataset)
    rgb = table.T[scene]
    np.testing.assert_array_equal(open_cine(path).frames, rgb)
    opened = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
    expected = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in rgb])
    np.testing.assert_array_equal(np.stack([frame for _, frame in opened.frames]), expected)
    assert opened.chroma is not None


def test_a_damaged_frame_is_named(tmp_path, make, scene):
    streams = [make.jpeg(frame) for frame in scene]
    streams[6] = streams[6][: len(streams[6]) // 2]
    path = make.saved(tmp_path / "a.dcm", make.with_jpeg(make.ultrasound(scene), streams))
    with pytest.raises(MediaError, match=r"frame 7 cannot be decoded"):
        open_cine(path)


def test_a_missing_delimiter_costs_no_frame(tmp_path, make, scene):
    dataset = make.ultrasound(scene)
    dataset.PixelData = encapsulate([make.jpeg(frame) for frame in scene])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    content = make.saved(tmp_path / "a.dcm", dataset).read_bytes()
    assert content.endswith(b"\xfe\xff\xdd\xe0" + bytes(4))
    (tmp_path / "a.dcm").write_bytes(content[:-8])
    assert len(open_cine(tmp_path / "a.dcm").frames) == 12
