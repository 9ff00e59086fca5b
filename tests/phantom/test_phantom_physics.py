"""The simulated image behaves as ultrasound and tissue do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from alnus.phantom.acoustics import beam, deposit, envelope, log_compress, make_receiver
from alnus.phantom.anatomy import Scatterers, density_per_mm3, random_signs, scatter
from alnus.phantom.latents import Latents
from alnus.phantom.lesion import is_inside
from alnus.phantom.patient import Patient, draw_patient, keyframe_mask, simulate
from alnus.phantom.scanner import MARGIN_PX, SCANNERS, Scanner, scaled
from alnus.phantom.sweep import TRAVEL_MM, draw_examination, unit_displacement

SCANNER = SCANNERS["A"]
SILENT = replace(SCANNER, noise_db=-200)


def uniform_tissue(scanner: Scanner, *, reach_mm: float = 3.0, denser: float = 1.0) -> Scatterers:
    """Tissue of one kind, filling the image, with `denser` times the usual number of scatterers."""
    generator = np.random.default_rng(5)
    half_width = scanner.width_mm / 2 + MARGIN_PX * scanner.spacing_mm
    depth = scanner.depth_mm + MARGIN_PX * scanner.spacing_mm
    count = round(denser * density_per_mm3(scanner) * 2 * half_width * depth * 2 * reach_mm)
    x, z = generator.uniform(-half_width, half_width, count), generator.uniform(0, depth, count)
    y = np.sort(generator.uniform(-reach_mm, reach_mm, count))
    return Scatterers(*(a.astype(np.float32) for a in (x, y, z, random_signs(generator, count))))


def plane(scatterers: Scatterers, scanner: Scanner, elevation_mm: float = 0.0, **receiver: float) -> np.ndarray:
    """The envelope of one frame."""
    settings = {"attenuation_db_cm_mhz": scanner.tgc_db_cm_mhz, "gain_db": 0.0} | receiver
    slab, amplitude = beam(scatterers, scanner, elevation_mm)
    field = deposit(scanner, scatterers.x_mm[slab], scatterers.z_mm[slab], amplitude)
    return envelope(make_receiver(scanner, **settings), field, np.random.default_rng(0))


def a_patient(*, frames: int = 16, latents: dict | None = None, **lesion: object) -> Patient:
    """A patient with a middling lesion, but for what is given; always the same otherwise."""
    middling = {
        "spiculation": np.zeros((1, 3)),
        "half_width_mm": np.array([7.0]),
        "half_height_mm": np.array([5.0]),
        "half_length_mm": np.array([8.0]),
        "strain_ratio": np.array([1.0]),
    }
    drawn = draw_patient(np.random.default_rng(3), Latents(**(middling | (latents or {}))), 0, frames=frames)
    return replace(drawn, lesion=replace(drawn.lesion, **({"shadow_db": 0.0} | lesion)))


def interior(image: np.ndarray) -> np.ndarray:
    return image[16:-16, 16:-16]


def test_speckle_of_uniform_tissue_is_rayleigh_distributed():
    # Rayleigh: mean / standard deviation = sqrt(pi / (4 - pi)) = 1.913; Wagner et al., IEEE Trans. SU 30:156 (1983)
    dense = interior(plane(uniform_tissue(SILENT, denser=8), SILENT))
    assert dense.mean() / dense.std() == pytest.approx(1.913, abs=0.03)
    usual = interior(plane(uniform_tissue(SILENT), SILENT))
    assert usual.mean() / usual.std() == pytest.approx(1.913, abs=0.09)


def test_gland_has_an_echo_of_mean_square_one_on_every_scanner():
    for scanner in SCANNERS.values():
        silent = replace(scanner, noise_db=-200)
        assert np.mean(interior(plane(uniform_tissue(silent), silent)) ** 2) == pytest.approx(1, abs=0.08)


def test_speckle_decorrelates_when_the_plane_moves_by_a_beam_width():
    tissue = uniform_tissue(SILENT, reach_mm=4.0)
    here = interior(plane(tissue, SILENT)).ravel()

    def likeness(step_mm: float) -> float:
        return float(np.corrcoef(here, interior(plane(tissue, SILENT, step_mm)).ravel())[0, 1])

    assert likeness(0.1) > 0.95
    assert 0.1 < likeness(1.0) < 0.8
    assert abs(likeness(2.9)) < 0.05


def test_speckle_cells_are_wider_than_long():
    amplitude = interior(plane(uniform_tissue(SILENT), SILENT)) - 1
    amplitude -= amplitude.mean()
    lateral = np.mean(amplitude[:, 2:] * amplitude[:, :-2])
    axial = np.mean(amplitude[2:] * amplitude[:-2])
    assert lateral > 2 * axial > 0


def test_tissue_that_attenuates_more_than_the_compensation_assumes_darkens_with_depth():
    tissue = uniform_tissue(SILENT)
    level = [plane(tissue, SILENT, attenuation_db_cm_mhz=a)[-80:-20].mean() for a in (0.6, 0.7)]
    depth_cm = (SILENT.rows - 50) * SILENT.spacing_mm / 10
    assert 20 * np.log10(level[1] / level[0]) == pytest.approx(-0.1 * 2 * SILENT.frequency_mhz * depth_cm, abs=1)


def test_a_higher_frequency_reaches_less_deep_into_the_noise():
    tissue = uniform_tissue(SCANNER)
    high = replace(SCANNER, frequency_mhz=16.0)
    spread = [plane(tissue, s)[-40:].mean() / plane(tissue, s)[20:60].mean() for s in (SCANNER, high)]
    assert spread[1] > 1.5 * spread[0]  # at depth the compensation amplifies noise, not echoes


def test_thermal_noise_has_its_stated_level():
    empty = Scatterers(*(np.zeros(0, np.float32) for _ in range(4)))
    bare = replace(SCANNER, tgc_db_cm_mhz=0.0, noise_db=-30)
    assert np.mean(plane(empty, bare) ** 2) == pytest.approx(10 ** (-30 / 10), rel=0.03)


def test_log_compression_spreads_the_dynamic_range_over_256_levels_and_gain_shifts_it():
    receiver = make_receiver(SCANNER, attenuation_db_cm_mhz=0.6, gain_db=0.0)
    louder = make_receiver(SCANNER, attenuation_db_cm_mhz=0.6, gain_db=6.0)
    grey = log_compress(receiver, np.array([[1e-9, 0.1, 1.0, 1e9]], np.float32))[0].astype(int)
    assert grey[0] == 0
    assert grey[3] == 255
    assert grey[2] - grey[1] == pytest.approx(20 * 255 / SCANNER.dynamic_range_db, abs=1)
    assert log_compress(louder, np.ones((1, 1), np.float32))[0, 0] - grey[2] == pytest.approx(6 * 255 / 60, abs=1)


def test_a_lesion_casts_a_shadow_and_another_enhances():
    small = scaled(SCANNER, 0.5)
    grey = {}
    for shadow_db in (-6.0, 6.0):
        patient = a_patient(shadow_db=shadow_db)
        frame = simulate(np.random.default_rng(1), patient, small).frames[patient.examination.keyframe]
        lesion = patient.lesion
        column = round((lesion.x_mm + small.width_mm / 2) / small.spacing_mm)
        top = round((lesion.z_mm + lesion.half_mm[2] + 1) / small.spacing_mm)
        grey[shadow_db] = frame[top : top + 20, column - 8 : column + 8].mean()
    assert grey[-6.0] - grey[6.0] == pytest.approx(12 * 255 / SCANNER.dynamic_range_db, rel=0.3)


def in_lesion(patient: Patient, *, strain: float) -> float:
    """The lesion's height, in mm, in a plane displaced by so much strain."""
    field = unit_displacement(patient.lesion, SCANNER)
    lesion = patient.lesion
    z = np.array([lesion.z_mm - lesion.half_mm[2], lesion.z_mm + lesion.half_mm[2]], np.float32)
    axial, _ = field.at(np.full(2, lesion.x_mm, np.float32), z)
    return float(np.diff(z - strain * axial)[0])


@pytest.mark.parametrize("ratio", [0.1, 0.8, 1.6])
def test_under_compression_the_lesion_shortens_by_its_own_strain(ratio):
    patient = a_patient(latents={"strain_ratio": np.array([ratio])})
    assert in_lesion(patient, strain=0.0) == pytest.approx(10.0, abs=1e-3)
    assert 1 - in_lesion(patient, strain=0.2) / 10 == pytest.approx(0.2 * ratio, abs=0.03)


def test_every_column_of_tissue_shortens_by_the_same_amount_between_probe_and_chest_wall():
    field = unit_displacement(a_patient(latents={"strain_ratio": np.array([0.1])}).lesion, SCANNER)
    bottom = field.axial_mm[-1]
    assert np.ptp(bottom) < 0.02 * bottom.mean()


def dark_rows(frame: np.ndarray, patient: Patient, scanner: Scanner) -> int:
    """The lesion's height in the image: rows whose middle is dark, in a band about the lesion."""
    column = round((patient.lesion.x_mm + scanner.width_mm / 2) / scanner.spacing_mm)
    profile = frame[:, column - 6 : column + 7].mean(axis=1)
    middle = slice(round(8 / scanner.spacing_mm), round(26 / scanner.spacing_mm))
    return int(np.sum(profile[middle] < 105))


def test_in_the_image_a_soft_lesion_flattens_and_a_stiff_one_keeps_its_height():
    small, kept = scaled(SCANNER, 0.5), {}
    for name, ratio in (("soft", 1.6), ("stiff", 0.1)):
        patient = a_patient(latents={"strain_ratio": np.array([ratio])})
        frames = simulate(np.random.default_rng(2), patient, small).frames
        pressed = int(np.argmax(patient.examination.strain))
        kept[name] = dark_rows(frames[pressed], patient, small) / dark_rows(
            frames[patient.examination.keyframe], patient, small
        )
    assert kept["soft"] < 0.8
    assert kept["stiff"] > 0.9


def test_a_longer_lesion_is_in_view_for_more_of_the_sweep():
    small, seen = scaled(SCANNER, 0.5), {}
    for length in (4.0, 8.0, 16.0):
        patient = a_patient(frames=32, latents={"half_length_mm": np.array([length])})
        frames = simulate(np.random.default_rng(2), patient, small).frames[: patient.examination.keyframe - 2]
        seen[length] = sum(dark_rows(frame, patient, small) > 15 for frame in frames)
    assert 1 <= seen[4.0] < seen[8.0] < seen[16.0]
    assert seen[16.0] > 2.5 * seen[4.0]


def test_the_whole_lesion_enters_and_leaves_the_plane():
    for seed in range(20):
        examination = draw_examination(np.random.default_rng(seed), 44)
        y = examination.elevation_mm[: examination.keyframe]
        assert y.min() < -16
        assert y.max() > 16
        assert abs(y).max() <= TRAVEL_MM[1] * 1.06
    assert {np.sign(draw_examination(np.random.default_rng(s), 44).elevation_mm[0]) for s in range(20)} == {-1, 1}


@pytest.mark.parametrize("frames", [16, 44, 100])
def test_the_keyframe_is_the_centre_plane_before_the_press(frames):
    examination = draw_examination(np.random.default_rng(frames), frames)
    key = examination.keyframe
    assert len(examination.strain) == len(examination.elevation_mm) == len(examination.drift_mm) == frames
    assert examination.elevation_mm[key] == examination.strain[key] == examination.drift_mm[key] == 0
    assert np.all(examination.strain[: key + 1] == 0)
    assert 0.17 < examination.strain[key:].max() < 0.22
    assert examination.strain[-1] < 0.03


def test_the_keyframe_shows_the_central_margin_only():
    x, z = np.meshgrid(np.linspace(-15, 15, 200, dtype=np.float32), np.linspace(2, 34, 200, dtype=np.float32))

    def area(patient: Patient, y: float) -> int:
        return int(is_inside(patient.lesion, x, np.full_like(x, y), z).sum())

    smooth, outer = (a_patient(latents={"spiculation": np.array([s])}) for s in ((0.0, 0, 0), (1.0, 0, 1)))
    assert area(smooth, 0.0) == area(outer, 0.0)
    for y in (-5.5, 5.5):
        assert area(outer, y) > 1.15 * area(smooth, y)


def test_the_mask_covers_the_dark_lesion_of_the_keyframe():
    patient = a_patient(latents={"spiculation": np.full((1, 3), 0.8)})
    cine = simulate(np.random.default_rng(4), patient, SCANNER)
    frame = cine.frames[cine.keyframe].astype(float)
    assert frame[cine.mask].mean() < 110 < frame[60:180][~cine.mask[60:180]].mean()
    assert np.array_equal(cine.mask, keyframe_mask(patient.lesion, SCANNER))


def test_scatterers_lie_sorted_so_that_a_slab_is_a_slice():
    scatterers = scatter(np.random.default_rng(0), scaled(SCANNER, 0.25), a_patient().lesion, reach_mm=3.0)
    slab = scatterers.slab(-0.5, 0.75)
    inside = (scatterers.y_mm >= -0.5) & (scatterers.y_mm < 0.75)
    assert np.array_equal(np.flatnonzero(inside), np.arange(slab.start, slab.stop))
    assert inside.sum() > 100
