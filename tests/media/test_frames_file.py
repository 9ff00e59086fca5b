"""frames.npy is what numpy itself would save, cut and blackened, whether the frames were held in memory or written."""

from __future__ import annotations

import numpy as np
import pytest
from xxhash import xxh3_128_hexdigest

from alnus.media import Box, frames_file
from alnus.media.frames_file import FramesWriter, finished

WHOLE = Box(3, 5, 96, 64)  # of some larger frame


def _written(path, scene, expected):
    writer = FramesWriter(path, expected=expected)
    for index, frame in enumerate(scene):
        room = writer.room(*frame.shape)
        if room is not None and index % 2:  # a frame may be made where it is held, or elsewhere
            room[...] = frame[::-1] if index % 4 == 1 else frame
            frame = room[::-1] if index % 4 == 1 else room
        writer.add(frame)
    found = writer.written()
    writer.close()
    return found


@pytest.mark.parametrize("held_frames", [12, 11, 5, 0])
@pytest.mark.parametrize("expected", [None, 12, 11, 13])
@pytest.mark.parametrize("box", [WHOLE, Box(3, 5, 40, 64), Box(23, 15, 31, 17), Box(98, 68, 1, 1)])
@pytest.mark.parametrize("is_masked", [False, True])
def test_cut_and_blackened_frames_are_those_that_numpy_would_save(
    tmp_path, scene, monkeypatch, held_frames, expected, box, is_masked
):
    monkeypatch.setattr(frames_file, "HELD_BYTES", held_frames * scene[0].size)
    keep = np.random.default_rng(0).integers(0, 2, (box.h, box.w)).astype(np.uint8) * 255 if is_masked else None
    found = finished(_written(tmp_path / "a.npy", scene, expected), box=box, within=WHOLE, keep=keep)
    x, y = box.x - WHOLE.x, box.y - WHOLE.y
    wanted = np.ascontiguousarray(scene[:, y : y + box.h, x : x + box.w])
    np.save(tmp_path / "b.npy", wanted if keep is None else wanted & keep)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert found.checksum == f"xxh3-128:{xxh3_128_hexdigest((tmp_path / 'a.npy').read_bytes())}"
    assert found.shape == (12, box.h, box.w)


def test_the_checksum_is_made_while_writing_only_where_the_number_of_frames_proves_right(tmp_path, scene, monkeypatch):
    monkeypatch.setattr(frames_file, "HELD_BYTES", 0)
    assert _written(tmp_path / "a.npy", scene, 12).checksum is not None
    assert _written(tmp_path / "a.npy", scene, 13).checksum is None


def test_nothing_is_written_of_a_short_cine_before_it_is_known_what_is_kept(tmp_path, scene, monkeypatch):
    assert _written(tmp_path / "a.npy", scene, 12).held is not None
    assert (tmp_path / "a.npy").stat().st_size == 0
    monkeypatch.setattr(frames_file, "HELD_BYTES", scene[:11].nbytes)
    assert _written(tmp_path / "a.npy", scene, 12).held is None
    assert (tmp_path / "a.npy").stat().st_size > scene.nbytes
