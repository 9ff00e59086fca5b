"""The risk that a lesion carries, the best readers' ceilings, and the simulated sonographers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from alnus.phantom.latents import (
    INTERCEPT,
    ZONE_WEIGHTS,
    Latents,
    calibrated_auc,
    ceilings,
    draw_latents,
    hidden_log_odds,
    ideal_keyframe,
    risk,
    visible_log_odds,
)
from alnus.phantom.readers import READERS, read


@pytest.fixture(scope="module")
def many() -> Latents:
    return draw_latents(np.random.default_rng(11), 60_000)


@pytest.fixture(scope="module")
def labels(many) -> np.ndarray:
    return np.random.default_rng(12).random(60_000) < risk(many)


def test_a_third_of_the_lesions_have_spread_as_in_the_papers_testing_set(labels):
    assert ceilings().prevalence == pytest.approx(21 / 61, abs=0.002)
    assert labels.mean() == pytest.approx(21 / 61, abs=0.01)  # standard error 0.002


def test_the_ceilings_are_what_they_were_designed_to_be():
    assert ceilings().keyframe_auc == pytest.approx(0.72, abs=0.01)
    assert ceilings().video_auc == pytest.approx(0.95, abs=0.01)


def test_the_stated_ceilings_are_the_empirical_aucs_of_the_ideal_readers_in_fresh_patients(many, labels):
    assert roc_auc_score(labels, ideal_keyframe(many)) == pytest.approx(ceilings().keyframe_auc, abs=0.008)
    assert roc_auc_score(labels, risk(many)) == pytest.approx(ceilings().video_auc, abs=0.008)


def test_the_expected_auc_of_calibrated_probabilities_counts_pairs():
    probabilities = np.array([0.1, 0.4, 0.8])
    pairs = cases = 0.0
    for p in probabilities:
        for q in probabilities:
            weight = p * (1 - q)
            pairs, cases = pairs + weight * (1.0 if p > q else 0.5 if p == q else 0.0), cases + weight
    assert calibrated_auc(probabilities) == pytest.approx(pairs / cases)


def test_the_ideal_keyframe_reader_is_calibrated(many, labels):
    stated = ideal_keyframe(many)
    for low, high in [(0, 0.15), (0.15, 0.4), (0.4, 0.7), (0.7, 1)]:
        told = (stated >= low) & (stated < high)
        assert labels[told].mean() == pytest.approx(stated[told].mean(), abs=0.025)


def test_the_keyframe_says_nothing_of_what_it_does_not_show(many):
    hidden = hidden_log_odds(many)
    for shown in (visible_log_odds(many), many.spiculation[:, 1], many.half_width_mm, many.half_height_mm):
        assert abs(np.corrcoef(shown, hidden)[0, 1]) < 0.015  # standard error 0.004
    assert hidden.mean() == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(
    ("change", "dangerous"),
    [
        ("spiculation", 1.0),
        ("half_width_mm", 9.0),
        ("half_height_mm", 6.5),
        ("half_length_mm", 16.0),
        ("strain_ratio", 0.1),
    ],
)
def test_each_property_raises_the_risk_in_the_direction_of_malignancy(change, dangerous):
    calm = {
        "spiculation": np.full((1, 3), 0.5),
        "half_width_mm": np.array([6.0]),
        "half_height_mm": np.array([5.0]),
        "half_length_mm": np.array([8.0]),
        "strain_ratio": np.array([0.8]),
    }
    worse = Latents(**(calm | {change: np.full_like(calm[change], dangerous)}))
    assert risk(worse)[0] > risk(Latents(**calm))[0] + 0.03


def test_the_margins_zones_are_weighed_as_shares():
    assert ZONE_WEIGHTS.sum() == 1


def test_a_stiffer_lesion_strains_less_by_eshelbys_formula():
    latents = draw_latents(np.random.default_rng(0), 50)
    modulus = latents.modulus_ratio()
    assert np.all(modulus > 0)
    assert np.allclose(5 / (3 + 2 * modulus), latents.strain_ratio)
    assert np.all(np.diff(modulus[np.argsort(latents.strain_ratio)]) < 0)


def test_a_reader_with_less_noise_reads_better_and_none_beats_the_video(many, labels):
    aucs = {}
    for number, reader in enumerate(READERS):
        readings = np.array(read(np.random.default_rng(number), reader, many, INTERCEPT))
        assert set(readings) == ({1, 2, 3, 4, 5} if reader.ordinal else {0, 1})
        aucs[reader.name] = roc_auc_score(labels, readings)
    assert 0.7 < aucs["junior"] < aucs["senior"] < ceilings().video_auc
    assert 0.65 < aucs["axillary_us"] < aucs["senior"]
