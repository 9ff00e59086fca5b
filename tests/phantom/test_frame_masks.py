"""The masks of a cine's frames follow the lesion through the sweep and the press, and cost its pictures nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence
from scipy import ndimage

from alnus.media import open_cine
from alnus.phantom import PhantomConfig, write_phantom
from alnus.phantom.frame_masks import frame_masks, frame_masks_tiff
from alnus.phantom.latents import draw_latents
from alnus.phantom.patient import draw_patient, keyframe_mask
from alnus.phantom.scanner import SCANNERS, scaled

SCANNER = scaled(SCANNERS["A"], 0.5)


@pytest.fixture(scope="module")
def patient():
    generator = np.random.default_rng(4)
    return draw_patient(generator, draw_latents(generator, 1), 0, frames=44)


def test_the_keyframes_mask_is_the_centre_planes_outline(patient):
    masks = frame_masks(patient.lesion, patient.examination, SCANNER)
    assert np.array_equal(masks[patient.examination.keyframe], keyframe_mask(patient.lesion, SCANNER))


def test_the_lesion_is_in_view_only_while_the_plane_cuts_it(patient):
    masks = frame_masks(patient.lesion, patient.examination, SCANNER)
    cut = np.abs(patient.examination.elevation_mm) < 0.95 * patient.lesion.half_mm[1]
    beyond = np.abs(patient.examination.elevation_mm) >= patient.lesion.half_mm[1]
    assert masks[cut].any((1, 2)).all()
    assert not masks[beyond].any()
    assert beyond.any()


def test_a_soft_lesion_flattens_under_pressure_and_a_stiff_one_keeps_its_height(patient):
    heights = {}
    for ratio in (0.1, 1.6):
        lesion = replace(patient.lesion, strain_ratio=ratio, spiculation=(0.0, 0.0, 0.0))
        masks = frame_masks(lesion, patient.examination, SCANNER)
        pressed = int(patient.examination.strain.argmax())
        tall = [int(masks[frame].any(1).sum()) for frame in (patient.examination.keyframe, pressed)]
        heights[ratio] = tall[1] / tall[0]
    # a body of strain ratio r, pressed by a fifth, shortens to 1 - r/5, less what the smoothing of its edges takes
    assert heights[0.1] > 0.93
    assert heights[1.6] < 0.8


def test_a_pressed_lesion_has_no_holes(patient):
    lesion = replace(patient.lesion, strain_ratio=1.6, spiculation=(0.0, 0.0, 0.0))
    mask = frame_masks(lesion, patient.examination, SCANNER)[int(patient.examination.strain.argmax())]
    assert mask.sum() > 500
    assert np.array_equal(ndimage.binary_fill_holes(mask), mask)


def test_a_tiff_gives_back_its_masks_page_by_page(tmp_path):
    masks = (np.random.default_rng(0).random((3, 20, 33)) > 0.5).astype(np.uint8) * 255
    (tmp_path / "m.tif").write_bytes(frame_masks_tiff(masks))
    with Image.open(tmp_path / "m.tif") as image:
        pages = np.stack([np.asarray(page.convert("L")) for page in ImageSequence.Iterator(image)])
    assert np.array_equal(pages, masks)


def test_the_masks_lie_on_the_dark_lesion_of_every_frame_of_the_file(tmp_path):
    write_phantom(tmp_path, PhantomConfig(patients=(1, 0, 0), scale=0.5, frames=20, seed=3), workers=1)
    frames = open_cine(tmp_path / "videos" / "P0001.dcm").frames
    with Image.open(tmp_path / "masks" / "P0001.tif") as image:
        masks = np.stack([np.asarray(page.convert("L")) > 0 for page in ImageSequence.Iterator(image)])
    assert masks.shape == frames.shape
    seen = masks.sum((1, 2)) > 500
    inside = [frame[mask].mean() for frame, mask in zip(frames[seen], masks[seen], strict=True)]
    shown = (frames.std(0) > 5)[None]  # what moves is tissue
    around = [frame[~mask & move].mean() for frame, mask, move in zip(frames[seen], masks[seen], shown, strict=False)]
    assert seen.sum() >= 5
    assert max(inside) < 0.75 * min(around)
