"""The scanned sector is found from what moves, whatever the probe, the screen around it and the codec."""

from __future__ import annotations

import numpy as np
import pytest

from alnus.media import open_cine
from alnus.media.quality import Sector, find_sector, observe
from alnus.phantom.identity import invent_identity
from alnus.phantom.scanner import SCANNERS
from alnus.phantom.screen import draw_screen, on_screen
from screens import busy_screen, gui, iou, overlays, phantom, placed, probe_mask, speckle, through

TISSUE = speckle(20, 200, 260, seed=1)


def whole(sector: Sector, size):
    found = np.zeros(size, bool)
    box = sector.box
    found[box.y : box.y + box.h, box.x : box.x + box.w] = True if sector.mask is None else sector.mask
    return found


def screen(background):
    picture = gui(420, 560) if background == "gui" else np.zeros((420, 560), np.uint8)
    if background == "letterbox":
        picture[50:370, 60:500] = 35
    if background == "gui":
        picture[60:380, 110:540] = 0
    return overlays(picture, 160, 100, 260, 200)


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
@pytest.mark.parametrize("background", ["black", "gui", "letterbox"])
@pytest.mark.parametrize("kind", ["linear", "trapezoid", "convex", "phased"])
def test_every_probe_on_every_screen_is_found(tmp_path, kind, background, codec):
    frames, truth = placed(TISSUE, probe_mask(kind, 200, 260), screen(background), 160, 100)
    busy = busy_screen(frames, clock=(380, 4), mouse=True, ecg=330)
    quality = "26" if codec == "libx264" else "5"
    sector = find_sector(observe(through(tmp_path, busy, codec=codec, quality=quality)))
    assert sector is not None
    assert iou(whole(sector, truth.shape), truth) > 0.94
    assert (sector.mask is None) == (kind == "linear")


@pytest.mark.parametrize("center", list(SCANNERS))
def test_the_phantom_scanners_regions_are_found_in_avi_and_mp4(tmp_path, center):
    scanner = SCANNERS[center]
    background = draw_screen(scanner, invent_identity(np.random.default_rng(1), center))
    background = background if background.ndim == 2 else background.max(axis=-1)
    tissue = phantom(center, frames=16, scale=1.0)
    frames = np.stack([on_screen(background, scanner, frame) for frame in tissue])
    truth = on_screen(np.zeros_like(background), scanner, np.ones(tissue.shape[1:], np.uint8)) > 0
    for codec, quality in (("mjpeg", "3"), ("libx264", "20")):
        sector = find_sector(observe(through(tmp_path, frames, codec=codec, quality=quality)))
        assert sector is not None
        assert sector.mask is None
        assert iou(whole(sector, truth.shape), truth) > 0.95


@pytest.mark.parametrize(
    ("kind", "background", "codec"), [("convex", "black", "libx264"), ("trapezoid", "letterbox", "mjpeg")]
)
def test_an_ecg_trace_through_the_sector_does_not_widen_it(tmp_path, kind, background, codec):
    frames, truth = placed(TISSUE, probe_mask(kind, 200, 260), screen(background), 160, 100)
    busy = busy_screen(frames, ecg=285)
    quality = "26" if codec == "libx264" else "5"
    sector = find_sector(observe(through(tmp_path, busy, codec=codec, quality=quality)))
    assert sector is not None
    assert iou(whole(sector, truth.shape), truth) > 0.93


def test_the_mask_is_solid_and_cuts_the_arc_of_a_convex_probe():
    mask = probe_mask("convex", 200, 260)
    frames, truth = placed(TISSUE, mask, np.zeros((300, 400), np.uint8), 60, 40)
    sector = find_sector(observe(frames))
    assert sector is not None
    assert sector.mask is not None
    columns = sector.mask[:, sector.mask.any(axis=0)]
    assert (np.abs(np.diff(columns.astype(int), axis=0)).sum(axis=0) <= 2).all()  # no holes in any column
    top = np.argmax(truth, axis=0)[190]  # the arc's lowest point, in the middle
    assert not whole(sector, truth.shape)[top - 5, 190]


def test_nothing_is_found_where_nothing_moves():
    still = np.repeat(TISSUE[:1], 10, axis=0)
    assert find_sector(observe(still)) is None
    assert find_sector(observe(still[:1])) is None
    text = busy_screen(np.zeros((12, 200, 300), np.uint8), clock=(20, 20))
    assert find_sector(observe(text)) is None


def test_a_picture_that_moves_everywhere_is_kept_whole():
    sector = find_sector(observe(TISSUE))
    assert sector is not None
    assert (sector.box.w, sector.box.h, sector.mask) == (260, 200, None)


def test_a_noisy_background_does_not_hide_the_sector():
    frames, truth = placed(TISSUE, probe_mask("linear", 200, 260), np.full((300, 400), 40, np.uint8), 60, 40)
    noise = np.random.default_rng(0).normal(0, 1, frames.shape)
    sector = find_sector(observe(np.clip(frames + noise, 0, 255).astype(np.uint8)))
    assert sector is not None
    assert iou(whole(sector, truth.shape), truth) > 0.93


def test_pydicoms_cine_whose_stated_region_exceeds_it_is_found():
    from pydicom.data import get_testdata_file

    path = get_testdata_file("examples_ybr_color.dcm")
    frames = open_cine(path).frames
    luma = frames.mean(axis=-1).astype(np.uint8) if frames.ndim == 4 else frames
    sector = find_sector(observe(luma))
    assert sector is not None
    assert sector.box.w > 120
    assert sector.box.h > 120
    assert sector.box.w * sector.box.h < 0.95 * 240 * 320


def test_real_clips_keep_what_is_not_black(sample_data):
    """Where a pixel of these clips is ever bright and changes, it lies in the sector, marks at the edge excepted."""
    for name in ("Reg_pat1Image_132943.mpeg", "Vir_whitelung_h1n1.mp4", "Vir_prospective_file2.mp4"):
        observed = observe(open_cine(sample_data / "lung_us" / "videos" / name).frames)
        sector = find_sector(observed)
        assert sector is not None, name
        tissue = (observed.median > 20) & (observed.high - observed.low > 20)
        assert (tissue & ~whole(sector, observed.size)).sum() < 0.01 * tissue.sum(), name
        if "prospective" not in name:
            assert sector.mask is not None
            assert 0.75 < sector.mask.mean() < 0.92, name


def test_tissue_held_still_around_a_part_that_moves_is_no_screen():
    generator = np.random.default_rng(0)
    frames = np.repeat(generator.normal(80, 20, (1, 160, 160)), 24, axis=0)
    rows, columns = np.mgrid[:160, :160]
    moving = np.hypot(rows - 80, columns - 80) < 35
    frames[:, moving] = generator.normal(120, 25, (24, int(moving.sum())))
    assert find_sector(observe(np.clip(frames, 0, 255).astype(np.uint8))) is None
