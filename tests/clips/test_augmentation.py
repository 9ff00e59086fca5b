import numpy as np
import pytest
import torch

from alnus.clips import Augmentation, augment, draw_augmentation, squares
from alnus.config import AugmentationConfig, ClipConfig

CLIP = ClipConfig(frames=3, resize_px=72, side_px=64, channels=1)
STRONG = AugmentationConfig(scale=(0.5, 1.5), gain=0.3, contrast=0.5)


def _noise(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, 72, 72), dtype=np.uint8))


def _many(config: AugmentationConfig = STRONG) -> list[Augmentation]:
    return [draw_augmentation(config, CLIP, np.random.default_rng(seed)) for seed in range(200)]


def test_no_change_is_the_central_crop():
    unchanged = augment(_noise(), CLIP, Augmentation())
    assert torch.allclose(unchanged, _noise()[:, 4:68, 4:68].float() / 255, atol=1e-5)


def test_a_flip_exchanges_left_and_right_and_leaves_depth_alone():
    flipped = augment(_noise(), CLIP, Augmentation(flip=True))
    assert torch.allclose(flipped, _noise()[:, 4:68, 4:68].flip(2).float() / 255, atol=1e-5)


def test_no_draw_ever_turns_a_clip_upside_down():
    ramp = torch.arange(72, dtype=torch.uint8)[None, :, None].expand(3, 72, 72) + 60  # brighter with depth
    for change in _many(AugmentationConfig(gain=0.05, contrast=0.1, scale=(0.9, 1.1))):
        rows = augment(ramp, CLIP, change)[:, 8:-8, 32]
        assert (rows.diff(dim=1) >= 0).all()
    assert sum(change.flip for change in _many()) in range(70, 130)  # while left and right do change places


def test_every_frame_of_a_clip_is_changed_alike():
    still = _noise()[:1].expand(3, 72, 72)
    for change in _many()[:20]:
        first, *rest = augment(still, CLIP, change)
        assert all(torch.equal(first, frame) for frame in rest)


def test_black_stays_black_under_any_gain():
    dark = torch.zeros(3, 72, 72, dtype=torch.uint8)
    assert all((augment(dark, CLIP, change) == 0).all() for change in _many()[:20])


def test_gain_adds_and_contrast_multiplies_within_full_scale():
    grey = torch.full((3, 72, 72), 102, dtype=torch.uint8)  # 0.4
    assert augment(grey, CLIP, Augmentation(gain=0.1)).mean() == pytest.approx(0.5, abs=1e-5)
    assert augment(grey, CLIP, Augmentation(contrast=1.5)).mean() == pytest.approx(0.6, abs=1e-5)
    assert augment(grey, CLIP, Augmentation(gain=0.9)).max() == 1


def test_zoom_enlarges_about_the_centre():
    frame = np.zeros((1, 72, 72), np.uint8)
    frame[0, 31:41, 31:41] = 255
    areas = [augment(squares(frame, 72), CLIP, Augmentation(zoom=zoom)).sum() for zoom in (1.0, 2.0)]
    assert areas[1] / areas[0] == pytest.approx(4, rel=0.05)


def test_draws_stay_within_the_configuration():
    for change in _many():
        assert 0.5 <= change.zoom <= 1.5
        assert max(map(abs, change.shift_px)) <= 4
        assert abs(change.gain) <= 0.3
        assert 0.5 <= change.contrast <= 1.5


def test_switching_the_flip_off_changes_no_other_draw():
    for with_flip, without in zip(_many(), _many(STRONG.model_copy(update={"horizontal_flip": False})), strict=True):
        assert not without.flip
        assert with_flip.zoom == without.zoom
        assert with_flip.contrast == without.contrast
