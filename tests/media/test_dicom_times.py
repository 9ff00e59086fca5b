"""Which frames of a DICOM cine are kept, in which order and at what times; the panes that a header tells apart."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from alnus.errors import MediaError
from alnus.media import Box, open_cine
from alnus.media.dicom.facts import DicomFacts, Pane, is_ultrasound
from alnus.media.limits import DEFAULT_LIMITS
from alnus.media.opened import Opened
from alnus.media.opening import open_frames


def opened(path) -> Opened:
    found = open_frames(path, limits=DEFAULT_LIMITS, colours="luma", threads=1)
    assert len(list(found.frames)) > 0
    return found


def facts(path) -> DicomFacts:
    found = opened(path).facts
    assert found is not None
    return found


def test_a_trimmed_cine_keeps_the_stated_frames_and_starts_at_zero(dicom, scene):
    cine = open_cine(dicom(StartTrim=3, StopTrim=7))
    np.testing.assert_array_equal(cine.frames, scene[2:7])
    assert cine.frame_times_s == pytest.approx(np.arange(5) * 0.04)
    assert "frames 3 to 7 of 12 are kept, as its StartTrim and StopTrim say" in cine.notes


@pytest.mark.parametrize(("changes", "kept"), [({"StartTrim": 4}, slice(3, 12)), ({"StopTrim": 4}, slice(0, 4))])
def test_one_end_alone_may_be_trimmed(dicom, scene, changes, kept):
    np.testing.assert_array_equal(open_cine(dicom(**changes)).frames, scene[kept])


def test_a_trimmed_cine_keeps_the_increments_of_its_frame_time_vector(dicom):
    vector = ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100", "110"]
    path = dicom(FrameTime=None, FrameTimeVector=vector, StartTrim=3, StopTrim=5)
    assert open_cine(path).frame_times_s == pytest.approx([0, 0.03, 0.07])
    assert facts(path).trimmed == (2, 4)
    assert facts(path).frame_rate_source == "FrameTimeVector"


def test_the_whole_cine_as_trim_is_no_trim(dicom):
    path = dicom(StartTrim=1, StopTrim=12)
    assert open_cine(path).notes == ()
    assert facts(path).trimmed is None


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (5, 13), (7, 3), (-1, 4), (13, 20)])
def test_a_trim_that_is_no_range_of_the_cine_is_not_used(dicom, start, stop):
    cine = open_cine(dicom(StartTrim=start, StopTrim=stop))
    assert len(cine.frames) == 12
    assert any("StartTrim and StopTrim are no range within its 12 frames" in note for note in cine.notes)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.DeflatedExplicitVRLittleEndian])
def test_a_compressed_cine_is_trimmed_alike(tmp_path, make, scene, syntax):
    dataset = make.ultrasound(scene)
    dataset.StartTrim, dataset.StopTrim = 11, 12
    if syntax == uid.RLELossless:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_array_equal(open_cine(make.saved(tmp_path / "a.dcm", dataset)).frames, scene[10:])


def test_an_encapsulated_video_is_trimmed_alike(tmp_path, make, scene):
    video = make.video(tmp_path / "v", scene, container="h264", codec="libx264", pix_fmt="yuv420p").read_bytes()
    dataset = make.ultrasound(scene, photometric="YBR_PARTIAL_420")
    dataset.file_meta.TransferSyntaxUID = uid.MPEG4HP41
    dataset.PixelData = encapsulate([video])
    dataset["PixelData"].is_undefined_length = True
    dataset.StartTrim, dataset.StopTrim = 2, 4
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    assert np.abs(cine.frames.astype(int) - scene[1:4]).mean() < 3
    assert cine.frame_times_s == pytest.approx([0, 0.04, 0.08])


def test_the_duration_of_a_frame_is_the_last_resort(dicom):
    path = dicom(FrameTime=None, ActualFrameDuration=25)
    assert open_cine(path).frame_times_s == pytest.approx(np.arange(12) * 0.025)
    assert facts(path).frame_rate_source == "ActualFrameDuration"


def test_a_frame_increment_pointer_does_not_change_where_the_times_come_from(dicom):
    for pointer in (0x00181065, 0x00181063, [0x00181063, 0x00541010], 0x99999999):
        assert open_cine(dicom(FrameIncrementPointer=pointer)).frame_times_s[1] == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"FrameTime": "900000"}, "FrameTime is 900000 ms, which no cine has"),
        ({"FrameTime": None, "CineRate": "100000000"}, r"CineRate is 1e\+08, which no cine has"),
        ({"FrameTime": None, "RecommendedDisplayFrameRate": -1}, "RecommendedDisplayFrameRate is -1"),
        ({"FrameTime": None, "ActualFrameDuration": 0}, "ActualFrameDuration is 0"),
        ({"FrameTime": None, "FrameTimeVector": ["0", "40"] + ["1e9"] * 10}, r"FrameTimeVector is 1e\+09 ms"),
    ],
)
def test_a_time_that_no_cine_has_is_refused_by_its_element(dicom, changes, message):
    with pytest.raises(MediaError, match=message):
        open_cine(dicom(**changes))


def enhanced(make, frames, *, times_s=None, moments=None, positions=None, spacing=("0.3", "0.2"), kind=None) -> Dataset:
    """An Enhanced US Volume whose functional groups say so."""
    dataset = make.ultrasound(frames)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = uid.EnhancedUSVolumeStorage
    del dataset.FrameTime
    measures, shared = Dataset(), Dataset()
    measures.PixelSpacing = list(spacing)
    shared.PixelMeasuresSequence = [measures]
    if kind:
        described = Dataset()
        described.DataType = kind
        shared.ImageDataTypeSequence = [described]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = [Dataset() for _ in frames]
    for index, group in enumerate(groups):
        if times_s is not None:
            item = Dataset()
            item.TemporalPositionTimeOffset = times_s[index]
            group.TemporalPositionSequence = [item]
        if moments is not None:
            item = Dataset()
            item.FrameReferenceDateTime = moments[index]
            group.FrameContentSequence = [item]
        if positions is not None:
            item = Dataset()
            item.ImagePositionVolume = positions[index]
            group.PlanePositionVolumeSequence = [item]
    dataset.PerFrameFunctionalGroupsSequence = groups
    return dataset


def test_enhanced_us_takes_times_spacing_and_kind_from_its_functional_groups(tmp_path, make, scene):
    dataset = enhanced(make, scene, times_s=np.arange(12) * 0.05 + 7, kind="TISSUE_INTENSITY")
    path = make.saved(tmp_path / "a.dcm", dataset)
    cine = open_cine(path)
    np.testing.assert_array_equal(cine.frames, scene)
    assert cine.frame_times_s == pytest.approx(np.arange(12) * 0.05)
    assert cine.spacing_mm == pytest.approx((0.3, 0.2))
    found = facts(path)
    assert found.is_enhanced
    assert found.panes == (Pane(Box(0, 0, 96, 64), "tissue"),)
    assert found.frame_rate_source == "TemporalPositionTimeOffset"


def test_enhanced_us_frames_are_put_in_order_of_time(tmp_path, make, scene):
    order = np.random.default_rng(0).permutation(12)
    dataset = enhanced(make, scene[order], times_s=order * 0.05)
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    np.testing.assert_array_equal(cine.frames, scene)
    assert cine.frame_times_s == pytest.approx(np.arange(12) * 0.05)
    assert any("put in order of time" in note for note in cine.notes)


def test_enhanced_us_reads_the_clock_where_there_is_no_offset(tmp_path, make, scene):
    moments = [f"20240229235959.{index * 80000:06d}" for index in range(12)]
    cine = open_cine(make.saved(tmp_path / "a.dcm", enhanced(make, scene, moments=moments)))
    assert cine.frame_times_s == pytest.approx(np.arange(12) * 0.08)


def test_a_volume_is_given_plane_by_plane_with_a_note(tmp_path, make, scene):
    positions = [[0.0, 0.0, float(11 - index) / 2] for index in range(12)]
    dataset = enhanced(make, scene, times_s=np.zeros(12), positions=positions)
    cine = open_cine(make.saved(tmp_path / "a.dcm", dataset))
    np.testing.assert_array_equal(cine.frames, scene[::-1])
    assert any("12 frames hold 1 time points: a volume" in note for note in cine.notes)


def test_functional_groups_that_lie_are_refused_by_name_or_left_out(tmp_path, make, scene):
    times_s = np.arange(12) * 0.05
    times_s[5] = np.nan
    with pytest.raises(MediaError, match="TemporalPositionTimeOffset is nan; it must be finite"):
        open_cine(make.saved(tmp_path / "a.dcm", enhanced(make, scene, times_s=times_s)))
    dataset = enhanced(make, scene, times_s=np.arange(12) * 0.05)
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:4]
    cine = open_cine(make.saved(tmp_path / "b.dcm", dataset))
    assert any("functional groups of 4 frames are not used for 12 frames" in note for note in cine.notes)


def test_panes_are_told_apart_by_format_and_data(dicom, make):
    regions = [
        make.region(0, 0, 39, 39),
        make.region(48, 0, 95, 39),
        make.region(50, 5, 90, 35, RegionDataType=2),
        make.region(0, 40, 47, 49, RegionSpatialFormat=2),
        make.region(0, 50, 47, 59, RegionSpatialFormat=3, RegionDataType=3),
        make.region(48, 50, 95, 59, RegionSpatialFormat=3, RegionDataType=4),
        make.region(0, 60, 9, 63, RegionSpatialFormat=5, RegionDataType=14),
        make.region(0, 0, 39, 39),
    ]
    path = dicom(SequenceOfUltrasoundRegions=regions)
    kinds = [pane.kind for pane in facts(path).panes]
    assert kinds == ["tissue", "tissue", "colour", "m-mode", "doppler", "doppler", "other"]
    assert open_cine(path).region == Box(48, 0, 48, 40)
    assert any("2 regions of 2-D tissue" in note for note in open_cine(path).notes)


def test_colour_flow_is_the_region_where_no_tissue_is_stated(dicom, make):
    cine = open_cine(dicom(SequenceOfUltrasoundRegions=[make.region(10, 8, 79, 59, RegionDataType=2)]))
    assert cine.region == Box(10, 8, 70, 52)
    assert any("that of colour flow is used" in note for note in cine.notes)


@pytest.mark.parametrize(
    ("corners", "is_doubtful"), [((0, 0, 95, 63), False), ((0, 0, 96, 64), False), ((30, 20, 400, 200), True)]
)
def test_a_region_well_beyond_the_frame_is_doubtful(dicom, make, corners, is_doubtful):
    assert facts(dicom(SequenceOfUltrasoundRegions=[make.region(*corners)])).region_doubtful == is_doubtful


def test_a_regions_corners_that_are_absurd_are_left_out(dicom, make):
    absurd = make.region(0, 0, 95, 63)
    absurd.RegionLocationMaxX1 = None
    assert open_cine(dicom(SequenceOfUltrasoundRegions=[absurd])).region is None


def test_facts_name_the_syntax_and_whether_pixels_were_ever_lossy(tmp_path, make, scene, dicom):
    assert not facts(dicom()).lossy
    assert facts(dicom(LossyImageCompression="01")).lossy
    dataset = make.with_jpeg(make.ultrasound(scene), [make.jpeg(frame) for frame in scene])
    found = facts(make.saved(tmp_path / "b.dcm", dataset))
    assert found.lossy
    assert found.transfer_syntax == uid.JPEGBaseline8Bit
    assert found.photometric == "MONOCHROME2"


US_CLASSES = [
    uid.UltrasoundImageStorage,
    uid.UltrasoundMultiFrameImageStorage,
    "1.2.840.10008.5.1.4.1.1.6",  # retired
    "1.2.840.10008.5.1.4.1.1.3",
    uid.EnhancedUSVolumeStorage,
]
CAPTURES = [
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
]


@pytest.mark.parametrize("sop_class", [*US_CLASSES, *CAPTURES])
def test_every_class_of_ultrasound_and_secondary_capture_is_read(dicom, scene, sop_class):
    path = dicom(SOPClassUID=sop_class, Modality="OT")
    np.testing.assert_array_equal(open_cine(path).frames, scene)
    assert facts(path).modality_is_ultrasound == (True if sop_class in US_CLASSES else None)


@pytest.mark.parametrize(
    ("modality", "verdict"), [("US", True), ("IVUS", True), ("CT", False), ("OT", None), ("", None)]
)
def test_a_modality_tells_ultrasound_or_not_or_nothing(modality, verdict):
    assert is_ultrasound(modality, uid.SecondaryCaptureImageStorage) is verdict
