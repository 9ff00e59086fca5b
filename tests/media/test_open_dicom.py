"""DICOM of every syntax opens as the pixels that were put in; the header's times, region and spacing come along."""

from __future__ import annotations

import zlib

import numpy as np
import pydicom
import pytest
from pydicom import examples, uid
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut

from alnus.errors import MediaError
from alnus.media import Box, DecodeLimits, open_cine

LOSSLESS = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
]


def _coded(make, frames, syntax):
    dataset = make.ultrasound(
        frames, syntax=syntax if syntax == uid.ExplicitVRBigEndian else uid.ExplicitVRLittleEndian
    )
    if uid.UID(syntax).is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: uid.UID(syntax).keyword)
def test_a_lossless_grey_cine_opens_exactly(tmp_path, scene, make, syntax):
    cine = open_cine(make.saved(tmp_path / "a.dcm", _coded(make, scene, syntax)))
    assert cine.kind == "dicom"
    np.testing.assert_array_equal(cine.frames, scene)
    assert cine.frame_times_s == pytest.approx(np.arange(12) * 0.04)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: uid.UID(syntax).keyword)
def test_a_lossless_rgb_cine_opens_exactly(tmp_path, scene, make, syntax):
    frames = np.stack([scene, scene[..., ::-1], scene // 2], axis=-1)
    np.testing.assert_array_equal(
        open_cine(make.saved(tmp_path / "a.dcm", _coded(make, frames, syntax))).frames, frames
    )


def test_jpeg_baseline_opens_close_to_the_original(tmp_path, scene, make):
    dataset = make.with_jpeg(make.ultrasound(scene), [make.jpeg(frame) for frame in scene])
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    assert np.abs(cine.frames.astype(int) - scene).mean() < 2


def test_a_coloured_jpeg_in_ybr_opens_in_its_colours(tmp_path, make):
    frames = np.full((2, 32, 48, 3), (200, 40, 60), np.uint8)
    dataset = make.with_jpeg(make.ultrasound(frames), [make.jpeg(f) for f in frames], photometric="YBR_FULL_422")
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    assert np.abs(cine.frames.astype(int) - frames).max() <= 3


@pytest.mark.parametrize(
    ("syntax", "container", "codec"),
    [
        (uid.MPEG2MPML, "mpegts", "mpeg2video"),
        (uid.MPEG2MPHL, "mpeg2video", "mpeg2video"),
        (uid.MPEG4HP41, "mp4", "libx264"),
        (uid.MPEG4HP41BD, "h264", "libx264"),
        (uid.HEVCMP51, "hevc", "libx265"),
    ],
)
def test_an_encapsulated_video_opens_with_the_headers_times(tmp_path, scene, make, syntax, container, codec):
    video = make.video(tmp_path / "stream", scene, container=container, codec=codec, pix_fmt="yuv420p").read_bytes()
    dataset = make.ultrasound(scene, photometric="YBR_PARTIAL_420")
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate([video])
    dataset["PixelData"].is_undefined_length = True
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    assert cine.kind == "dicom"
    assert np.abs(cine.frames.astype(int) - scene).mean() < 3
    assert cine.frame_times_s == pytest.approx(np.arange(12) * 0.04)
    dataset.NumberOfFrames = 15
    with pytest.raises(MediaError, match=r"NumberOfFrames is 15, but its video has 12 frames"):
        open_cine(make.saved(tmp_path / "b.dcm", dataset))


def test_monochrome1_is_inverted(dicom, scene):
    np.testing.assert_array_equal(open_cine(dicom(photometric="MONOCHROME1")).frames, 255 - scene)


def test_sixteen_bits_keep_their_upper_eight_with_a_note(dicom, scene):
    cine = open_cine(dicom(frames=scene.astype(np.uint16) * 16, BitsStored=12, HighBit=11))
    np.testing.assert_array_equal(cine.frames, scene)
    assert "12 bits" in cine.notes[0]


def test_a_single_frame_without_times_is_a_cine_of_one(dicom, scene):
    cine = open_cine(dicom(frames=scene[:1], NumberOfFrames=None, FrameTime=None))
    assert cine.frames.shape == (1, 64, 96)
    assert cine.notes == ()


def test_a_palette_gives_its_colours():
    path = examples.get_path("palette_color")
    dataset = pydicom.dcmread(path)
    expected = apply_color_lut(dataset.pixel_array, dataset) >> 8
    np.testing.assert_array_equal(open_cine(path).frames[0], expected)


def test_pydicoms_real_cine_opens_with_its_region_clamped():
    cine = open_cine(examples.get_path("ybr_color"))
    assert cine.frames.shape == (30, 240, 320, 3)
    assert cine.frame_times_s[1] == pytest.approx(0.033333)
    assert cine.region == Box(84, 31, 320 - 84, 240 - 31)
    assert cine.spacing_mm == pytest.approx((0.5105, 0.5105), abs=1e-4)
    assert any("(84,31)-(595,414) exceeds the 320x240 frame" in note for note in cine.notes)


def test_an_alnus_phantom_says_so(dicom):
    assert open_cine(dicom(Manufacturer="Alnus phantom")).phantom
    assert not open_cine(dicom("real.dcm")).phantom


@pytest.mark.parametrize(
    ("changes", "interval_s"),
    [
        ({"FrameTime": "20", "CineRate": 10}, 0.02),
        ({"FrameTime": None, "CineRate": 10, "RecommendedDisplayFrameRate": 5}, 0.1),
        ({"FrameTime": None, "RecommendedDisplayFrameRate": 5}, 0.2),
        ({"FrameTime": None, "FrameTimeVector": ["0"] + ["50"] * 11, "CineRate": 10}, 0.05),
    ],
)
def test_frame_times_come_from_the_first_element_that_states_them(dicom, changes, interval_s):
    assert open_cine(dicom(**changes)).frame_times_s == pytest.approx(np.arange(12) * interval_s)


def test_without_frame_times_a_rate_is_assumed_and_noted(dicom):
    cine = open_cine(dicom(FrameTime=None))
    assert np.diff(cine.frame_times_s) == pytest.approx(0.04)
    assert any("25 frames/s assumed" in note for note in cine.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"FrameTime": "0"}, "FrameTime is 0; it must be finite and positive"),
        ({"FrameTime": "-5"}, "FrameTime is -5"),
        ({"FrameTime": None, "CineRate": 0}, "CineRate is 0"),
        ({"FrameTime": None, "FrameTimeVector": ["0", "40"]}, "FrameTimeVector has 2 values for 12 frames"),
        ({"FrameTime": None, "FrameTimeVector": ["0"] * 12}, "FrameTimeVector is 0"),
        ({"NumberOfFrames": 13}, "NumberOfFrames is 13, but its pixel data hold 12 frames"),
        ({"NumberOfFrames": 5}, "NumberOfFrames is 5, but its pixel data hold 12 frames"),
        ({"NumberOfFrames": 0}, "NumberOfFrames is 0"),
        ({"NumberOfFrames": 30_000}, "30000 frames or more; at most 20000"),
        ({"Rows": 65000, "Columns": 65000}, "65000x65000 pixels; at most 8192"),
        ({"PixelData": None}, "its pixel data were taken out"),
        ({"PixelRepresentation": 1}, "signed"),
        ({"PhotometricInterpretation": "CMYK"}, "photometric interpretation is not supported"),
        ({"Rows": None}, "holds no image"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value|Value:UserWarning")  # pydicom, over what the test writes
def test_a_lying_header_is_refused_by_its_element(dicom, changes, message):
    with pytest.raises(MediaError, match=message):
        open_cine(dicom(**changes))


def test_a_frame_time_that_is_no_number_is_refused_without_quoting_it(tmp_path, make, scene):
    content = make.saved(tmp_path / "a.dcm", make.ultrasound(scene, photometric=None)).read_bytes()
    tag = b"\x18\x00\x63\x10DS\x02\x00"
    for text in (b"no", b"na"):
        (tmp_path / "b.dcm").write_bytes(content.replace(tag + b"40", tag + text))
        with pytest.raises(MediaError, match=r"b\.dcm: its FrameTime is not a number; correct its header[\w ]*$"):
            open_cine(tmp_path / "b.dcm")


def test_nan_as_a_frame_time_is_refused(tmp_path, make, scene):
    dataset = make.ultrasound(scene)
    dataset.FrameTime = "4000"
    content = make.saved(tmp_path / "a.dcm", dataset).read_bytes()
    (tmp_path / "b.dcm").write_bytes(content.replace(b"DS\x04\x004000", b"DS\x04\x00nan "))
    with pytest.raises(MediaError, match=r"its FrameTime is nan; it must be finite and positive"):
        open_cine(tmp_path / "b.dcm")


def test_too_few_and_too_many_code_streams_are_refused(tmp_path, make, scene):
    streams = [make.jpeg(frame) for frame in scene]
    for count in (1, 11, 13):
        dataset = make.with_jpeg(make.ultrasound(scene), streams)
        dataset.NumberOfFrames = count
        with pytest.raises(MediaError, match=f"NumberOfFrames is {count}, but"):
            open_cine(make.saved(tmp_path / f"{count}.dcm", dataset))


def test_a_code_stream_larger_than_its_header_is_refused_before_it_is_decoded(tmp_path, make, scene):
    bomb = bytearray(make.jpeg(scene[0]))
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = (65500).to_bytes(2, "big") * 2
    dataset = make.with_jpeg(make.ultrasound(scene[:1]), [bytes(bomb)])
    with pytest.raises(MediaError, match=r"frame 1 is coded as 65500x65500 pixels, but the header states 96x64"):
        open_cine(make.saved(tmp_path / "a.dcm", dataset))


def test_a_deflate_bomb_is_refused_before_it_is_held(tmp_path, make, scene):
    dataset = make.ultrasound(scene)
    dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
    path = make.saved(tmp_path / "a.dcm", dataset)
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    squeezer = zlib.compressobj(wbits=-15)
    private = b"\x09\x00\x01\x10OB\x00\x00" + (1 << 25).to_bytes(4, "little")
    body = squeezer.compress(private + bytes(1 << 25)) + squeezer.flush()
    path.write_bytes(content[:start] + body)
    with pytest.raises(MediaError, match="inflates to more than 16777216 bytes"):
        open_cine(path, limits=DecodeLimits(max_inflated_bytes=1 << 24))


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: uid.UID(syntax).keyword)
def test_a_dicom_file_that_is_cut_anywhere_says_so(tmp_path, scene, make, syntax):
    dataset = _coded(make, scene, syntax)
    dataset.SequenceOfUltrasoundRegions = [make.region(10, 8, 79, 59)]
    whole = make.saved(tmp_path / "whole.dcm", dataset).read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")  # the data set, after the file meta information
    open_cine(tmp_path / "whole.dcm")
    path = tmp_path / "a.dcm"
    for length in [*range(start, start + 600, 5), *range(start + 600, len(whole) - 100, len(whole) // 20)]:
        path.write_bytes(whole[:length])
        with pytest.raises(MediaError, match=r"a\.dcm: the file is cut") as caught:
            open_cine(path)
        assert "eaked" not in str(caught.value)


def test_a_cut_uncompressed_cine_says_how_many_frames_are_left(dicom):
    path = dicom()
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(MediaError, match=r"cine\.dcm: the file is cut: only 8 of 12 frames are there; copy it again"):
        open_cine(path)


def test_an_unknown_transfer_syntax_is_refused(tmp_path, make, scene):
    dataset = make.ultrasound(scene)
    path = make.saved(tmp_path / "a.dcm", dataset)
    content = path.read_bytes().replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.2.9\x00")
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"transfer syntax is not supported \(none of the standard\); convert"):
        open_cine(path)


def test_a_retired_transfer_syntax_is_refused_by_its_name(tmp_path, make, scene):
    dataset = make.with_jpeg(make.ultrasound(scene), [make.jpeg(pixels) for pixels in scene])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.55"
    with pytest.raises(MediaError, match=r"not supported \(JPEG Full Progression"):
        open_cine(make.saved(tmp_path / "a.dcm", dataset))


def test_the_largest_tissue_region_counts_and_others_do_not(dicom, make):
    doppler = make.region(0, 0, 95, 63, RegionSpatialFormat=3)
    small, large = make.region(0, 0, 9, 9), make.region(10, 8, 79, 59)
    cine = open_cine(dicom(SequenceOfUltrasoundRegions=[doppler, small, large]))
    assert cine.region == Box(10, 8, 70, 52)
    assert cine.spacing_mm == pytest.approx((0.1, 0.2))
    assert any("2 regions" in note for note in cine.notes)


@pytest.mark.parametrize(
    "changes", [{"PhysicalUnitsXDirection": 4}, {"PhysicalDeltaX": 0.0}, {"PhysicalDeltaY": float("nan")}]
)
def test_spacing_is_none_where_it_is_not_in_cm_or_not_usable(dicom, make, changes):
    cine = open_cine(dicom(SequenceOfUltrasoundRegions=[make.region(10, 8, 79, 59, **changes)]))
    assert cine.spacing_mm is None
    assert cine.region == Box(10, 8, 70, 52)


def test_a_region_outside_the_frame_is_left_out_with_a_note(dicom, make):
    cine = open_cine(dicom(SequenceOfUltrasoundRegions=[make.region(200, 200, 300, 300)]))
    assert cine.region is None
    assert any("no pixel inside" in note for note in cine.notes)


def test_no_patient_data_in_cine_error_log_or_warning(dicom, tmp_path, capfd, caplog, recwarn):
    content = dicom().read_bytes()
    hostile = [content[:cut] for cut in range(300, len(content), 4001)]
    hostile += [
        content.replace(b"Leaked^Name", b"Leaked\xff\xfe\\^=N"),
        content.replace(b"DA\x08\x0019610203", b"DA\x08\x00LEAKED!!"),
    ]
    # values over which pydicom warns, quoting them, when they are read
    hostile.append(content.replace(b"CS\x02\x00US", b"CS\x08\x00leaked  "))
    hostile.append(content.replace(b"LO\x0a\x00Some maker", b"LO\x0a\x00LEA\\KED\x1b%X"))
    told = []
    for index, data in enumerate(hostile):
        path = tmp_path / f"{index}.dcm"
        path.write_bytes(data)
        try:
            told.append(repr(open_cine(path).notes))
        except MediaError as error:
            told.append(str(error))
    printed = capfd.readouterr()
    everything = " ".join([*told, printed.out, printed.err, caplog.text, *(str(w.message) for w in recwarn)])
    assert "leaked" not in everything.lower()
    assert len(recwarn) == 0
    assert caplog.text == ""
