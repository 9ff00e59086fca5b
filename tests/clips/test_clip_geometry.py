import numpy as np
import pytest
import torch

from alnus.clips import ClipGeometry, clip_tensor, squares
from alnus.config import ClipConfig

GREY = ClipConfig(frames=2, resize_px=72, side_px=64, channels=1)


def test_a_clip_has_channels_frames_and_the_crop():
    frames = np.zeros((2, 100, 140), np.uint8)
    assert clip_tensor(frames, GREY).shape == (1, 2, 64, 64)
    assert clip_tensor(frames, GREY.model_copy(update={"channels": 3})).shape == (3, 2, 64, 64)


def test_black_and_white_are_normalised_as_stated():
    white = np.full((1, 80, 80), 255, np.uint8)
    assert clip_tensor(white, GREY).mean() == pytest.approx((1 - 0.5) / 0.25)
    red, _, blue = clip_tensor(white, GREY.model_copy(update={"channels": 3})).mean((1, 2, 3))
    assert red == pytest.approx((1 - 0.485) / 0.229)  # the published statistics of ImageNet
    assert blue == pytest.approx((1 - 0.406) / 0.225)


def test_a_wide_frame_is_padded_with_black_above_and_below():
    square = squares(np.full((1, 36, 72), 200, np.uint8), 72)[0]
    assert (square[18:54] == 200).all()
    assert (square[:18] == 0).all()
    assert (square[54:] == 0).all()


def test_resizing_is_antialiased():
    stripes = np.zeros((1, 640, 640), np.uint8)
    stripes[:, :, ::2] = 200
    assert int(squares(stripes, 72).float().std()) < 5  # plain bilinear sampling would keep stripes of full contrast


def test_a_frame_is_resized_alike_whatever_stands_beside_it():
    frames = np.random.default_rng(0).integers(0, 256, (5, 200, 300), dtype=np.uint8)
    together = squares(frames, 72)
    alone = torch.cat([squares(frame[None], 72) for frame in frames])
    assert torch.equal(together, alone)


@pytest.mark.parametrize(("height", "width"), [(90, 90), (120, 200), (333, 100)])
def test_a_bright_spot_comes_back_from_the_clip_to_its_own_pixel(height, width):
    row, column = height // 2 + 7, width // 2 - 11
    frame = np.zeros((1, height, width), np.uint8)
    frame[0, row - 2 : row + 3, column - 2 : column + 3] = 255
    heatmap = clip_tensor(frame, GREY)[0] + 2  # black is -2
    back = ClipGeometry(height, width, GREY).to_frame(heatmap)[0]
    assert back.shape == (height, width)
    found = divmod(int(back.argmax()), width)
    assert np.abs(np.subtract(found, (row, column))).max() <= 1 + max(height, width) // 72


def test_what_the_crop_did_not_show_has_no_heat():
    back = ClipGeometry(144, 144, GREY).to_frame(torch.ones(2, 64, 64))
    assert (back[:, 72, 72] == 1).all()
    assert (back[:, :7] == 0).all()
    assert (back[:, :, -7:] == 0).all()
