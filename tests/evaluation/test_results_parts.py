"""What results.json adds to the pure statistics: what is learnt where, what is primary, subgroups, fusion, readers."""

from __future__ import annotations

import functools
import json

import jsonschema
import numpy as np
import pandas as pd
import pytest

from alnus import evaluation
from alnus.config import EvaluationConfig
from alnus.errors import ConfigError
from alnus.evaluation import (
    auc,
    calibration,
    clustered_auc,
    confusion,
    fit_recalibration,
    model_against_readers,
    mrmc,
    partial_auc,
    positive_likelihood_ratio,
    results_schema,
    sensitivity_at,
)
from alnus.evaluation.summary import values

QUICK = EvaluationConfig(replicates=100)
evaluate = functools.partial(evaluation.evaluate, config=QUICK)


def cohort(seed=3):
    """Two networks with two videos a patient, two graded readers alone and with the model, clinical columns."""
    rng = np.random.default_rng(seed)
    parts = []
    for split, count in {"val": 40, "test_a": 45}.items():
        label = np.arange(count) % 3 == 0
        base = pd.DataFrame({"patient_id": [f"{split}-{i}" for i in range(count)], "split": split, "label": label * 1})
        base["center"] = np.where(np.arange(count) % 2, "North", "South")
        base["size_mm"] = np.round(18 + 6 * label + rng.normal(0, 5, count), 1)
        shared = rng.normal(size=count)
        for source, skill in {"tin": 2.2, "r2plus1d": 1.0, "image": 0.8}.items():
            for video in "ab":
                score = 1 / (1 + np.exp(-(skill * (label - 0.5) + shared + rng.normal(size=count))))
                parts.append(base.assign(source=source, video=video, score=score, kind="model"))
        for reader, skill in {"anna": 1.2, "anna_ai": 2.0, "bert": 1.0, "bert_ai": 1.8}.items():
            grade = np.clip(np.round(skill * label + rng.normal(2, 1, count)), 0, 4)
            parts.append(base.assign(source=reader, video="", score=grade, kind="reader"))
    return pd.concat(parts, ignore_index=True)


TABLE = cohort()
RESULTS = evaluate(TABLE)
TEST = RESULTS["sets"]["test_a"]
TIN = TEST["sources"]["tin"]


def of(source, split):
    rows = TABLE[(TABLE["source"] == source) & (TABLE["split"] == split)].groupby("patient_id")
    return rows["label"].first().to_numpy(), rows["score"].mean().to_numpy()


def other_test_labels():
    flipped = TABLE.copy()
    test = flipped["split"] == "test_a"
    flipped.loc[test, "label"] = 1 - flipped.loc[test, "label"]
    return evaluate(flipped)


def test_the_results_are_strict_json_and_obey_the_schema():
    jsonschema.Draft202012Validator(results_schema()).validate(RESULTS)
    assert json.loads(json.dumps(RESULTS, allow_nan=False)) == RESULTS


def test_every_null_statistic_has_its_reason_and_no_other_has_one():
    for part in RESULTS["sets"].values():
        for source in part["sources"].values():
            empty = {name for name, value in source.items() if value is None}
            assert empty - {"threshold", "roc"} == set(source["reasons"])


def test_nothing_that_was_learnt_depends_on_the_test_patients():
    changed = other_test_labels()
    for key in ("thresholds", "frozen", "thresholds_sha256", "fusion", "primary"):
        assert changed[key] == RESULTS[key]
    assert changed["sets"]["test_a"]["sources"]["tin"]["auc"] != TIN["auc"]


def test_a_changed_validation_score_changes_the_hash_of_what_was_frozen():
    changed = TABLE.copy()
    changed.loc[changed.index[(changed["split"] == "val") & (changed["source"] == "tin")][0], "score"] += 1e-9
    found = evaluate(changed)
    assert found["thresholds"]["tin"]["sha256"] != RESULTS["thresholds"]["tin"]["sha256"]
    assert found["thresholds"]["image"]["sha256"] == RESULTS["thresholds"]["image"]["sha256"]
    assert found["thresholds_sha256"] != RESULTS["thresholds_sha256"]


def test_what_was_learnt_on_validation_is_not_reported_there():
    tin = RESULTS["sets"]["val"]["sources"]["tin"]
    for name in ("calibration_recalibrated", "not_sure"):
        assert tin[name] is None
        assert "learnt on these patients" in tin["reasons"][name]
    assert RESULTS["sets"]["val"]["fusion"]["auc"] is None


def test_further_statistics_are_those_of_the_pure_functions():
    labels, scores = of("tin", "test_a")
    calls = scores >= RESULTS["thresholds"]["tin"]["value"]
    expected = {
        "auc_logit": auc(labels, scores, interval="logit"),
        "sensitivity_at_specificity": sensitivity_at(labels, scores, 0.9, replicates=100),
        "partial_auc": partial_auc(labels, scores, low=0.9, replicates=100),
        "lr_positive": positive_likelihood_ratio(confusion(labels, calls)),
    }
    for name, statistic in expected.items():
        for key in ("estimate", "low", "high"):
            assert TIN[name][key] == pytest.approx(getattr(statistic, key))
    map_ = fit_recalibration(*of("tin", "val"))
    found = calibration(labels, map_.apply(scores))
    assert TIN["calibration_recalibrated"]["brier"]["score"] == pytest.approx(found.brier.score)
    assert TIN["calibration_recalibrated"]["slope"]["low"] == pytest.approx(found.slope.low)
    assert TIN["decision_curve"]["basis"] == "recalibrated"


def test_the_videos_auc_knows_whose_they_are():
    videos = TABLE[(TABLE["source"] == "tin") & (TABLE["split"] == "test_a")]
    expected = clustered_auc(videos["label"], videos["score"], videos["patient_id"], interval="logit")
    assert TIN["auc_videos"]["low"] == pytest.approx(expected.low)
    assert TIN["auc_videos"]["videos"] == 90
    assert TEST["sources"]["anna"]["reasons"]["auc_videos"].startswith("one video a patient")


def test_a_number_is_underpowered_exactly_where_its_interval_is_too_wide():
    wide = TIN["auc"]["high"] - TIN["auc"]["low"]
    for widest, expected in ((wide * 1.01, False), (wide * 0.99, True)):
        found = evaluate(TABLE, config=EvaluationConfig(replicates=100, widest_interval=widest))
        tin = found["sets"]["test_a"]["sources"]["tin"]
        assert tin["auc"]["underpowered"] is expected
        assert ("† underpowered" in evaluation.format_results(found)) is True  # sensitivity's is always wider


def test_the_sentence_in_words_says_what_the_counts_say():
    counts, answer = TIN["counts"], TIN["in_hundred"]
    assert answer["missed"]["numerator"] == counts["fn"]
    assert answer["spared"]["numerator"] == counts["fn"] + counts["tn"]
    assert answer["lines"][0].startswith(f"Of 100 patients like these, {100 * answer['spared']['estimate']:.0f} (")


def test_answers_that_may_be_not_sure_add_up_and_state_their_coverage():
    found = TIN["not_sure"]
    assert found["metastasis"] + found["no_metastasis"] + found["not_sure"]["numerator"] == TEST["patients"]
    assert found["coverage"]["positive"]["denominator"] == TEST["positive"]
    assert found["expected"]["negative"]["mean"] >= found["asked"] == 0.9


def test_the_primary_comparison_is_chosen_on_validation_or_declared():
    best = max(("tin", "r2plus1d"), key=lambda name: auc(*of(name, "val")).estimate)
    assert (RESULTS["primary"]["a"], RESULTS["primary"]["b"], RESULTS["primary"]["set"]) == (best, "image", "test_a")
    found = evaluate(TABLE, config=EvaluationConfig(replicates=100, primary=("tin", "anna")))
    assert found["primary"]["how"].startswith("declared")
    [row] = [row for row in found["sets"]["test_a"]["comparisons"] if row["role"] == "primary"]
    assert (row["a"], row["b"], row["auc"]["p_holm"]) == ("tin", "anna", row["auc"]["p_value"])
    with pytest.raises(ConfigError, match="primary: 'tim' is no source"):
        evaluate(TABLE, config=EvaluationConfig(primary=("tim", "image")))


def test_without_validation_patients_nothing_is_chosen_and_the_reason_said():
    found = evaluate(TABLE[TABLE["split"] == "test_a"])
    assert found["primary"] is None
    assert "no validation patients" in found["reasons"]["primary"]
    assert all(row["role"] == "secondary" for row in found["sets"]["test_a"]["comparisons"] if row["declared"])
    assert found["sets"]["test_a"]["fusion"] is None


def test_numbers_are_split_at_the_median_of_patients_who_are_in_no_test():
    sizes = TABLE[TABLE["split"] == "val"].drop_duplicates("patient_id")["size_mm"]
    [stated] = [row for row in TEST["subgroups"]["variables"] if row["name"] == "size_mm"]
    assert (stated["kind"], stated["split"]) == ("number", pytest.approx(sizes.median()))
    rows = TEST["subgroups"]["sources"]["tin"]["rows"]
    assert [row["level"] for row in rows[:3]] == [None, "North", "South"]
    for name in ("center", "size_mm"):
        assert sum(row["patients"] for row in rows if row["variable"] == name) == TEST["patients"]
    tests = TEST["subgroups"]["sources"]["tin"]["interactions"]
    assert len(tests) == 6
    assert all(test["p_holm"] >= test["p_value"] for test in tests)


def test_clinical_columns_that_do_not_exist_are_refused_by_name():
    for key in ("subgroups", "fusion"):
        with pytest.raises(
            ConfigError, match=rf"evaluation\.{key}: 'age' is no column of the patients; there are center"
        ):
            evaluate(TABLE, config=EvaluationConfig(**{key: ("age",)}))


def test_identifiers_and_empty_columns_make_no_subgroups():
    found = evaluate(TABLE.assign(code=TABLE["patient_id"], empty="", one="x"))["sets"]["test_a"]["subgroups"]
    reasons = {row["name"]: row.get("reason", "") for row in found["variables"]}
    assert "an identifier" in reasons["code"]
    assert "holds nothing" in reasons["empty"]
    assert "one level" in reasons["one"]
    assert {row["variable"] for row in found["sources"]["tin"]["rows"]} == {None, "center", "size_mm"}


def test_fusion_is_of_the_primary_network_and_leaves_the_centre_out():
    fusion = TEST["fusion"]
    assert (fusion["source"], fusion["variables"], fusion["how"]) == ("tin", ["size_mm"], "fitted on validation")
    assert fusion["difference"]["estimate"] == pytest.approx(
        fusion["auc"]["estimate"] - fusion["auc_score"]["estimate"]
    )
    assert RESULTS["fusion"]["models"]["fused"]["patients"] == 40


def test_a_column_that_tells_the_label_is_pointed_out():
    leaking = TABLE.assign(nodes=TABLE["label"] * 3)
    assert "known only after pathology" in evaluate(leaking)["sets"]["test_a"]["fusion"]["note"]


def test_readers_with_and_without_the_model_are_one_mrmc_study():
    readers = TEST["readers"]
    assert readers["treatments"]["with the model"] == {"anna": "anna_ai", "bert": "bert_ai"}
    rows = TABLE[(TABLE["kind"] == "reader") & (TABLE["split"] == "test_a")]
    names = rows["source"].str.split("_")
    ratings = pd.DataFrame(
        {
            "treatment": np.where(rows["source"].str.endswith("_ai"), "with the model", "alone"),
            "reader": names.str[0],
            "case": rows["patient_id"],
            "truth": rows["label"],
            "rating": rows["score"],
        }
    )
    expected = mrmc(ratings, treatments=["with the model", "alone"])
    found = readers["with_model"]["auc"]
    assert found["p_value"] == pytest.approx(expected.p_value)
    assert found["differences"][0]["estimate"] == pytest.approx(expected.differences[0].estimate)
    labels, scores = of("tin", "test_a")
    order = sorted(rows["patient_id"].unique())
    model = pd.DataFrame({"case": order, "score": scores})
    against = model_against_readers(ratings[ratings["treatment"] == "alone"], model)
    assert readers["against_models"]["tin"]["auc"]["p_value"] == pytest.approx(against.p_value)
    assert len(readers["agreement"]["pairs"]) == 6
    # one reader's two ways of reading are no two readers
    alone = evaluate(TABLE[~TABLE["source"].str.endswith("_ai")])["sets"]["test_a"]["readers"]
    assert readers["agreement"]["all"] == alone["agreement"]["all"]
    assert len(alone["agreement"]["pairs"]) == 1
    assert labels.sum() == TEST["positive"]


def test_calls_have_one_operating_point_and_no_other_is_read_off_their_curve():
    label = np.repeat([1, 0], [21, 40])
    call = np.concatenate([np.ones(16), np.zeros(5), np.ones(4), np.zeros(36)])
    table = pd.DataFrame({"patient_id": range(61), "label": label, "call": call})
    found = evaluate(table)["sets"]["all"]["sources"]["model"]
    for name in ("sensitivity_at_specificity", "specificity_at_sensitivity", "partial_auc"):
        assert found[name] is None
        assert "its curve has one point" in found["reasons"][name]
    assert found["sensitivity"]["numerator"] == 16


def test_intervals_that_would_take_minutes_are_left_out_with_the_reason(monkeypatch):
    monkeypatch.setattr(values, "CELLS", 1000)
    tin = evaluate(TABLE[TABLE["source"] == "tin"])["sets"]["test_a"]["sources"]["tin"]
    for name in ("sensitivity_at_specificity", "partial_auc", "roc_band"):
        assert tin[name] is None
        assert "45 patients times 100 bootstrap samples" in tin["reasons"][name]
    assert tin["auc_logit"] is not None


def test_each_fold_learns_on_its_own_validation_patients():
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], 30)
    held = np.arange(60) // 20
    parts = []
    for fold in range(3):
        score = 1 / (1 + np.exp(-(2 * label - 1 + rng.normal(size=60) + fold)))
        split = np.where(held == fold, "folds", np.where(held == (fold + 1) % 3, "val", "train"))
        ids = [f"p{i}" for i in range(60)]
        parts.append(pd.DataFrame({"patient_id": ids, "split": split, "label": label, "score": score, "fold": fold}))
    found = evaluate(pd.concat(parts).assign(source="tin"))
    assert list(found["frozen"]["tin"]["recalibration"]) == ["0", "1", "2"]
    tin = found["sets"]["folds"]["sources"]["tin"]
    raw, mapped = (tin[name]["brier"]["score"] for name in ("calibration", "calibration_recalibrated"))
    assert mapped < raw  # the folds' scores lie apart, each fold's own map brings them together


def test_thresholds_may_be_of_a_fixed_sensitivity():
    config = EvaluationConfig(replicates=100, threshold="sensitivity", threshold_at=0.9)
    found = evaluate(TABLE, config=config)["thresholds"]["tin"]
    assert found["rule"] == "sensitivity 0.9 on validation"
    assert found["validation"]["sensitivity"] >= 0.9
    labels, scores = of("tin", "val")
    assert np.mean(scores[labels == 1] >= found["value"]) == found["validation"]["sensitivity"]


def test_scores_of_swapped_sign_are_pointed_out_and_not_turned():
    table = TABLE[TABLE["source"] == "tin"].assign(score=lambda rows: 1 - rows["score"])
    tin = evaluate(table)["sets"]["test_a"]["sources"]["tin"]
    assert tin["auc"]["estimate"] == pytest.approx(1 - TIN["auc"]["estimate"])
    assert "is their sign swapped?" in tin["auc"]["note"]
    assert "sign swapped" in tin["reasons"]["calibration_recalibrated"]


def test_the_papers_table_is_shown_with_its_counts():
    label = np.repeat([1, 0], [21, 40])
    call = np.repeat([1, 0, 1, 0], [16, 5, 4, 36])
    table = pd.DataFrame({"patient_id": [str(i) for i in range(61)], "split": "test", "label": label, "call": call})
    text = evaluation.format_results(evaluate(table.assign(source="TIN", score=call * 0.8 + 0.1)), details=True)
    for shown in ("52/61, 16/21, 36/40", "85.2% (73.8–93.0)", "76.2% (52.8–91.8)", "90.0% (76.3–97.2)"):
        assert shown in text


def test_the_details_hold_every_part_and_no_nan():
    text = evaluation.format_results(RESULTS, details=True)
    for shown in (
        "Primary comparison: tin − image, AUC, Testing set A",
        "Sensitivity at 90% spec.",
        "tin, recalibrated",
        "tin: Of 100 patients like these,",
        'tin: "not sure: examine" for',
        "Sensitivity, points",
        "| size_mm: >",
        "With clinical variables (size_mm; fitted on validation): tin",
        "Fleiss' kappa",
        "Readers with the model less alone, auc:",
        "Against the readers' average",
    ):
        assert shown in text
    assert "nan" not in text.lower()
