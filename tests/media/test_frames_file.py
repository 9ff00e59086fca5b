"""frames.npy is cut and blackened in place into what numpy itself would save, and its checksum is that of its bytes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from alnus.media import Box
from alnus.media.frames_file import FramesWriter, finished

WHOLE = Box(3, 5, 96, 64)  # of some larger frame


def _written(path, scene, expected):
    writer = FramesWriter(path, expected=expected)
    for frame in scene:
        writer.add(frame)
    found = writer.written()
    writer.close()
    return found


@pytest.mark.parametrize("expected", [None, 12, 11, 13])
@pytest.mark.parametrize("box", [WHOLE, Box(3, 5, 40, 64), Box(23, 15, 31, 17), Box(98, 68, 1, 1)])
@pytest.mark.parametrize("is_masked", [False, True])
def test_cut_and_blackened_frames_are_those_that_numpy_would_save(tmp_path, scene, expected, box, is_masked):
    keep = np.random.default_rng(0).integers(0, 2, (box.h, box.w)).astype(np.uint8) * 255 if is_masked else None
    found = finished(_written(tmp_path / "a.npy", scene, expected), box=box, within=WHOLE, keep=keep)
    x, y = box.x - WHOLE.x, box.y - WHOLE.y
    wanted = np.ascontiguousarray(scene[:, y : y + box.h, x : x + box.w])
    np.save(tmp_path / "b.npy", wanted if keep is None else wanted & keep)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert found.sha256 == hashlib.sha256((tmp_path / "a.npy").read_bytes()).hexdigest()
    assert found.shape == (12, box.h, box.w)


def test_the_checksum_is_made_while_writing_only_where_the_number_of_frames_proves_right(tmp_path, scene):
    assert _written(tmp_path / "a.npy", scene, 12).sha256 is not None
    assert _written(tmp_path / "a.npy", scene, 13).sha256 is None
