"""JPEG frames decoded straight into the memory where they are wanted are those that Pillow reads from the file."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from alnus.media import CineStore, IngestItem, ingest, open_cine
from alnus.media.dicom.codestream import parsed
from alnus.media.jpeg import jpeg_luma


def coded(picture, **options):
    content = BytesIO()
    Image.fromarray(picture).save(content, "JPEG", **options)
    return content.getvalue()


def with_segment(stream, segment):
    return stream[:2] + segment + stream[2:]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "restart_marker_blocks": 2}])
@pytest.mark.parametrize("is_coloured", [False, True])
def test_the_luma_in_its_place_is_what_pillow_reads(scene, options, is_coloured):
    picture = np.stack([scene[0], scene[1], scene[2]], axis=-1) if is_coloured else scene[0]
    stream, room = coded(picture, **options), np.zeros((3, *scene[0].shape), np.uint8)
    found = jpeg_luma(stream, room[1])
    assert np.shares_memory(found, room)
    assert not room[[0, 2]].any()
    image = Image.open(BytesIO(stream))
    image.draft("YCbCr" if is_coloured else "L", image.size)
    wanted = np.asarray(image)
    np.testing.assert_array_equal(room[1], wanted[..., 0] if is_coloured else wanted)


@pytest.mark.parametrize("kept", [0, 2, 300, -400])
def test_a_cut_jpeg_is_refused(scene, kept):
    with pytest.raises(ValueError, match="image data"):
        jpeg_luma(coded(scene[0])[:kept], np.zeros(scene[0].shape, np.uint8))


def test_a_stream_is_plain_only_where_every_reader_finds_the_same_frame_header(scene):
    stream = coded(scene[0])
    assert parsed(stream).is_plain
    assert parsed(with_segment(stream, b"\xff\xfe\x00\x04ab\xff\xe5\x00\x02")).is_plain
    hidden = stream[stream.index(b"\xff\xc0") :]
    for marker in (b"\xff\xd0", b"\xff\x01", b"\xff\xd8", b"\xff\xd9", b"\xff\xf0"):  # of some readers without a length
        other = parsed(with_segment(stream, marker + b"\x00\x04ab"))
        assert other is None or not other.is_plain
        other = parsed(stream[:2] + marker + len(hidden).to_bytes(2, "big") + hidden + stream[2:])
        assert other is None or not other.is_plain


def test_a_dicom_of_jpegs_is_ingested_as_it_is_opened(make, tmp_path, scene):
    for name, frames, photometric in (
        ("grey", scene, "MONOCHROME2"),
        ("ycc", np.stack([scene] * 3, axis=-1), "YBR_FULL_422"),
    ):
        dataset = make.with_jpeg(make.ultrasound(frames), [coded(frame) for frame in frames], photometric=photometric)
        dataset.SequenceOfUltrasoundRegions = [make.region(0, 0, 95, 63)]
        make.saved(tmp_path / f"{name}.dcm", dataset)
    items = [IngestItem(name, tmp_path / f"{name}.dcm") for name in ("grey", "ycc")]
    assert ingest(items, tmp_path / "store", workers=1).kept == 2
    for item in items:
        np.testing.assert_array_equal(CineStore(tmp_path / "store").frames(item.video), open_cine(item.path).frames)
