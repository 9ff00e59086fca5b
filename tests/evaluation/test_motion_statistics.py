"""What altered cines say of motion: the planted answers are found, and the family is corrected as a whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alnus.config import EvaluationConfig
from alnus.evaluation import compare_aucs, holm
from alnus.evaluation.motion import ALTERATIONS, motion_results

CONFIG = EvaluationConfig(replicates=200)
LABELS = np.arange(60) % 2


def noisy(strength, seed):
    return strength * LABELS + np.random.default_rng(seed).normal(size=60)


def tables(*, strengths, image=0.0, sets=("test_a",)):
    """Scores of one network, intact and altered, with a class difference of so many standard deviations each."""
    rows, altered = [], []
    for split in sets:
        people = [f"{split}{k}" for k in range(60)]
        common = pd.DataFrame({"patient_id": people, "video": people, "split": split, "label": LABELS})
        rows.append(common.assign(source="tin", score=noisy(strengths["intact"], 0)))
        rows.append(common.assign(source="image", score=noisy(image, 9)))
        for number, how in enumerate(ALTERATIONS, start=1):
            altered.append(common.assign(source="tin", altered=how, score=noisy(strengths[how], number)))
    return pd.concat(rows, ignore_index=True), pd.concat(altered, ignore_index=True)


def results(**strengths):
    return motion_results(*tables(strengths=strengths), CONFIG)["test_a"]["tin"]


def shown(part):
    return {question: each["shown"] for question, each in part["answer"].items()}


def test_evidence_in_the_order_alone_is_answered_as_order():
    part = results(intact=4, reversed=-4, shuffled=0, frozen=0, single=0)
    assert shown(part) == {"movement": True, "order": True, "content": False, "number": False}
    assert part["auc"]["intact"]["estimate"] > 0.95
    assert part["auc"]["reversed"]["estimate"] < 0.05


def test_evidence_in_several_frames_of_any_order_is_answered_as_content():
    part = results(intact=3, reversed=3, shuffled=3, frozen=0, single=0)
    assert shown(part) == {"movement": True, "order": False, "content": True, "number": False}


def test_a_network_that_counts_frames_is_answered_as_number():
    part = results(intact=3, reversed=3, shuffled=3, frozen=3, single=0)
    assert shown(part) == {"movement": False, "order": False, "content": False, "number": True}


def test_a_network_of_still_frames_has_nothing_shown():
    part = results(intact=2, reversed=2, shuffled=2, frozen=2, single=2)
    assert shown(part) == dict.fromkeys(("movement", "order", "content", "number"), False)


def test_every_test_is_delongs_and_the_change_of_the_score_is_the_mean():
    predictions, altered = tables(strengths=dict.fromkeys(("intact", *ALTERATIONS), 1.0) | {"reversed": -1.0})
    part = motion_results(predictions, altered, CONFIG)["test_a"]["tin"]
    row = next(row for row in part["comparisons"] if (row["a"], row["b"]) == ("reversed", "intact"))
    a = altered.query("altered == 'reversed'")["score"].to_numpy()
    b = predictions.query("source == 'tin'")["score"].to_numpy()
    expected = compare_aucs(LABELS, a, b)
    assert row["auc"]["estimate"] == pytest.approx(expected.estimate)
    assert row["auc"]["p_value"] == pytest.approx(expected.p_value)
    assert row["score"]["estimate"] == pytest.approx((a - b).mean())
    assert row["score_positive"]["estimate"] == pytest.approx((a - b)[LABELS == 1].mean())
    assert row["score_positive"]["low"] < row["score_positive"]["estimate"] < row["score_positive"]["high"]
    assert row["score_negative"]["estimate"] == pytest.approx((a - b)[LABELS == 0].mean())


def test_one_family_holds_all_networks_sets_and_pairs():
    strengths = {"intact": 3, "reversed": 2, "shuffled": 2.5, "frozen": 1, "single": 0.5}
    found = motion_results(*tables(strengths=strengths, sets=("test_a", "test_b")), CONFIG)
    rows = [row["auc"] for part in found.values() for row in part["tin"]["comparisons"]]
    assert len(rows) == 2 * 10
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p_value"] for row in rows]))


def test_without_an_image_network_the_pairs_with_it_are_left_out():
    predictions, altered = tables(strengths=dict.fromkeys(("intact", *ALTERATIONS), 1.0))
    part = motion_results(predictions[predictions["source"] == "tin"], altered, CONFIG)["test_a"]["tin"]
    assert {row["b"] for row in part["comparisons"]} == {"intact", "frozen", "single"}


def test_validation_patients_enter_no_test_and_one_class_gives_a_reason():
    predictions, altered = tables(strengths=dict.fromkeys(("intact", *ALTERATIONS), 1.0), sets=("val", "test_b"))
    one_class = predictions["label"].eq(0) | predictions["split"].eq("val")
    found = motion_results(predictions[one_class], altered[altered["label"].eq(0) | altered["split"].eq("val")], CONFIG)
    assert list(found) == ["test_b"]
    part = found["test_b"]["tin"]
    assert part["auc"]["intact"] is None
    assert "at least 2 of each" in part["reasons"]["intact"]
    assert shown(part) == dict.fromkeys(("movement", "order", "content", "number"))
    assert all("auc" in row["reasons"] for row in part["comparisons"])
