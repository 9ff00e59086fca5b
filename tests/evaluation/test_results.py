"""The body of results.json: its schema, its sets, what is missing and why, its comparisons."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from alnus import evaluation
from alnus.config import EvaluationConfig
from alnus.errors import CohortError, ConfigError, UsageError
from alnus.evaluation import (
    apply_thresholds,
    auc,
    compare_aucs,
    compare_calls,
    freeze_thresholds,
    holm,
    mcnemar,
    results_schema,
)

PUBLISHED = json.loads((Path(__file__).parents[1] / "reference" / "published.json").read_text())
QUICK = EvaluationConfig(replicates=100)
evaluate = functools.partial(evaluation.evaluate, config=QUICK)
evaluate_readers = functools.partial(evaluation.evaluate_readers, config=QUICK)
compare_sources = functools.partial(evaluation.compare_sources, config=QUICK)
SIZES = {"train": 60, "val": 50, "test_a": 61, "test_b": 49}
SKILL = {"tin": 2.2, "r2plus1d": 1.6, "image": 1.0, "ideal reader, video": 3.0}


def checked(results):
    """The results after a journey through strict JSON and the published schema."""
    jsonschema.Draft202012Validator(results_schema()).validate(results)
    return json.loads(json.dumps(results, allow_nan=False))


def study(seed=0):
    """A predictions table as a study leaves it: four networks, two videos a patient, two sonographers."""
    rng = np.random.default_rng(seed)
    parts = []
    for split, count in SIZES.items():
        label = np.r_[1, 1, 0, 0, rng.integers(0, 2, count - 4)]
        base = {"patient_id": [f"{split}-{i}" for i in range(count)], "split": split, "label": label}
        shared = rng.normal(size=count)
        for source, skill in SKILL.items():
            for video in "ab":
                score = 1 / (1 + np.exp(-(skill * (label - 0.5) + shared + rng.normal(size=count))))
                parts.append(pd.DataFrame(base | {"video": f"{video}.avi", "source": source, "score": score}))
        suspicion = np.clip(np.round(1.5 * label + rng.normal(2, 1, count)), 0, 4)
        parts.append(pd.DataFrame(base | {"video": "", "source": "Dr Ordinal", "score": suspicion}))
        parts.append(pd.DataFrame(base | {"video": "", "source": "Dr Binary", "score": (suspicion > 2) * 1.0}))
    return pd.concat(parts, ignore_index=True)


KINDS = {"Dr Ordinal": "reader", "Dr Binary": "reader"}
TABLE = study()
RESULTS = evaluate(TABLE, kinds=KINDS)


def patient_scores(source, split):
    rows = TABLE[(TABLE["source"] == source) & (TABLE["split"] == split)]
    grouped = rows.groupby("patient_id")
    return grouped["label"].first().to_numpy(), grouped["score"].mean().to_numpy()


def test_the_schema_is_a_schema_and_the_results_obey_it():
    jsonschema.Draft202012Validator.check_schema(results_schema())
    assert checked(RESULTS) == RESULTS


def test_the_schema_refuses_a_statistic_out_of_range_and_an_unknown_key():
    broken = json.loads(json.dumps(RESULTS))
    broken["sets"]["test_a"]["sources"]["tin"]["auc"]["low"] = -0.1
    with pytest.raises(jsonschema.ValidationError, match=r"'low': -0\.1.* is not valid"):
        checked(broken)
    with pytest.raises(jsonschema.ValidationError, match="'extra' was unexpected"):
        checked(RESULTS | {"extra": 1})


def test_the_sets_stand_in_order_and_the_training_patients_in_none():
    assert list(RESULTS["sets"]) == ["val", "test_a", "test_b"]
    part = RESULTS["sets"]["test_a"]
    labels, _ = patient_scores("tin", "test_a")
    assert (part["patients"], part["positive"], part["negative"]) == (61, labels.sum(), 61 - labels.sum())


def test_sources_have_the_kind_that_the_caller_the_table_or_their_name_says():
    kinds = {name: source["kind"] for name, source in RESULTS["sets"]["test_a"]["sources"].items()}
    assert kinds == {"image": "model", "r2plus1d": "model", "tin": "model", "Dr Binary": "reader",
                     "Dr Ordinal": "reader", "ideal reader, video": "ceiling"}  # fmt: skip
    named = TABLE.assign(kind=TABLE["source"].map(KINDS).fillna(""))
    assert evaluate(named) == RESULTS
    with pytest.raises(UsageError, match="kinds: 'robot' of 'tin' is not model, reader, ceiling"):
        evaluate(TABLE, kinds={"tin": "robot"})


def test_statistics_are_those_of_the_pure_functions_on_patients():
    labels, scores = patient_scores("tin", "test_a")
    found = RESULTS["sets"]["test_a"]["sources"]["tin"]
    expected = auc(labels, scores)
    assert found["auc"]["estimate"] == pytest.approx(expected.estimate)
    assert found["auc"]["low"] == pytest.approx(expected.low)
    calls = scores >= RESULTS["thresholds"]["tin"]["value"]
    counts = found["counts"]
    assert counts["tp"] == np.sum(calls & (labels == 1))
    assert counts["fp"] == np.sum(calls & (labels == 0))
    assert found["sensitivity"]["numerator"] == counts["tp"]
    assert found["sensitivity"]["denominator"] == labels.sum()
    assert found["accuracy"]["numerator"] == np.sum(calls == (labels == 1))
    assert found["threshold"] == RESULTS["thresholds"]["tin"]["value"]


def test_each_threshold_states_its_rule():
    rules = {source: threshold["rule"] for source, threshold in RESULTS["thresholds"].items()}
    assert rules["tin"] == rules["Dr Ordinal"] == "Youden on validation"
    assert rules["Dr Binary"] == "the source's own call"
    given = evaluate(TABLE, kinds=KINDS, thresholds={"tin": 0.123})["thresholds"]["tin"]
    assert (given["value"], given["rule"]) == (0.123, "frozen beforehand")


def test_a_threshold_that_lost_digits_in_a_file_is_still_known_as_youdens():
    rounded = {"tin": round(RESULTS["thresholds"]["tin"]["value"], 9)}
    assert evaluate(TABLE, kinds=KINDS, thresholds=rounded)["thresholds"]["tin"]["rule"] == "Youden on validation"


def test_a_table_with_its_calls_gives_the_same_results_as_before_they_were_filled():
    frozen = freeze_thresholds(TABLE)
    called = apply_thresholds(TABLE, frozen)
    assert evaluate(called, kinds=KINDS) == RESULTS
    assert evaluate(called, kinds=KINDS, thresholds=frozen) == RESULTS
    assert (
        evaluate(called[called["split"] != "val"], kinds=KINDS)["sets"]["test_a"]["sources"]["tin"]["counts"]
        == (RESULTS["sets"]["test_a"]["sources"]["tin"]["counts"])
    )


def test_calls_that_no_threshold_explains_are_taken_as_they_are():
    called = apply_thresholds(TABLE, freeze_thresholds(TABLE))
    flipped = called.assign(call=1 - called["call"])
    results = checked(evaluate(flipped, kinds=KINDS))
    tin = results["thresholds"]["tin"]
    assert (tin["value"], tin["rule"]) == (None, "as called in the table")
    before, after = (r["sets"]["test_a"]["sources"]["tin"]["counts"] for r in (RESULTS, results))
    assert (after["tp"], after["tn"]) == (before["fn"], before["fp"])


def test_without_validation_or_calls_there_is_an_auc_and_a_reason():
    results = checked(evaluate(TABLE[TABLE["split"] == "test_a"], kinds=KINDS))
    tin = results["sets"]["test_a"]["sources"]["tin"]
    assert tin["auc"]["estimate"] == RESULTS["sets"]["test_a"]["sources"]["tin"]["auc"]["estimate"]
    assert (tin["accuracy"], tin["counts"], tin["threshold"]) == (None, None, None)
    assert "no calls: no threshold" in tin["reason"]
    assert results["sets"]["test_a"]["sources"]["Dr Binary"]["accuracy"] is not None
    pairs = {(row["a"], row["b"]): row for row in results["sets"]["test_a"]["comparisons"]}
    assert pairs["tin", "image"]["mcnemar"] is None
    assert pairs["tin", "image"]["reason"].startswith("McNemar: no calls of both")


def test_a_set_of_one_class_has_its_specificity_and_a_reason_instead_of_an_auc():
    table = TABLE[(TABLE["split"] != "test_a") | (TABLE["label"] == 0)]
    tin = checked(evaluate(table, kinds=KINDS))["sets"]["test_a"]["sources"]["tin"]
    assert (tin["auc"], tin["roc"], tin["sensitivity"]) == (None, None, None)
    assert tin["specificity"] == RESULTS["sets"]["test_a"]["sources"]["tin"]["specificity"]
    assert "0 patients with and" in tin["reason"]
    assert "Sensitivity not defined: no patient has metastasis" in tin["reason"]


def test_an_auc_of_one_carries_a_note_that_its_interval_has_no_width():
    table = pd.DataFrame({"patient_id": list("abcd"), "label": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]})
    found = checked(evaluate(table))["sets"]["all"]["sources"]["model"]["auc"]
    assert (found["estimate"], found["low"]) == (1, 1)
    assert "without an interval" in found["note"]


def test_the_auc_of_calls_carries_a_note_that_says_what_it_is():
    source = RESULTS["sets"]["test_a"]["sources"]["Dr Binary"]
    mean = (source["sensitivity"]["estimate"] + source["specificity"]["estimate"]) / 2
    assert source["auc"]["estimate"] == pytest.approx(mean)
    assert "the mean of sensitivity and specificity" in source["auc"]["note"]


def test_every_video_network_is_compared_with_the_image_network_on_each_test_set():
    for name in ("test_a", "test_b"):
        declared = [row for row in RESULTS["sets"][name]["comparisons"] if row["declared"]]
        assert [(row["a"], row["b"]) for row in declared] == [("r2plus1d", "image"), ("tin", "image")]
    assert RESULTS["sets"]["val"]["comparisons"] == []


def test_comparisons_are_those_of_the_pure_functions():
    declared = [row for row in RESULTS["sets"]["test_b"]["comparisons"] if row["declared"]]
    labels, image = patient_scores("image", "test_b")
    image_calls = image >= RESULTS["thresholds"]["image"]["value"]
    for row in declared:
        _, scores = patient_scores(row["a"], "test_b")
        assert row["auc"]["p_value"] == pytest.approx(compare_aucs(labels, scores, image).p_value)
        calls = scores >= RESULTS["thresholds"][row["a"]]["value"]
        assert row["mcnemar"]["p_value"] == pytest.approx(mcnemar(labels, calls, image_calls).p_value)
        assert row["mcnemar"]["mid_p_value"] == pytest.approx(mcnemar(labels, calls, image_calls, mid_p=True).p_value)
        found = compare_calls(labels, calls, image_calls, among="positive")
        assert (row["sensitivity"]["estimate"], row["sensitivity"]["low"]) == (found.estimate, found.low)


def declared_rows():
    return [row for name in ("test_a", "test_b") for row in RESULTS["sets"][name]["comparisons"] if row["declared"]]


def test_the_primary_comparison_is_not_corrected_and_the_others_are_one_family_over_all_sets():
    primary, others = [], []
    for row in declared_rows():
        (primary if row["role"] == "primary" else others).append(row)
    assert [(row["a"], row["b"]) for row in primary] == [("tin", "image")]
    assert primary[0] in RESULTS["sets"]["test_a"]["comparisons"]
    assert primary[0]["auc"]["p_holm"] == primary[0]["auc"]["p_value"]
    assert [row["auc"]["p_holm"] for row in others] == holm([row["auc"]["p_value"] for row in others])
    calls = [row["mcnemar"] for row in declared_rows()]
    assert [test["p_holm"] for test in calls] == holm([test["p_value"] for test in calls])


def test_readers_are_compared_with_every_model_uncorrected_and_ceilings_with_nobody():
    further = [row for row in RESULTS["sets"]["test_a"]["comparisons"] if not row["declared"]]
    assert {(row["a"], row["b"]) for row in further} == {
        (model, reader) for model in ("tin", "r2plus1d", "image") for reader in KINDS
    }
    assert all(row["auc"]["p_holm"] is None for row in further)


def test_a_comparison_is_on_the_patients_that_both_have():
    read_less = TABLE[(TABLE["source"] != "Dr Binary") | ~TABLE["patient_id"].isin(["test_a-0", "test_a-5"])]
    rows = evaluate(read_less, kinds=KINDS)["sets"]["test_a"]["comparisons"]
    patients = {(row["a"], row["b"]): row["patients"] for row in rows}
    assert patients["tin", "Dr Binary"] == 59
    assert patients["tin", "image"] == 61


def test_declared_comparisons_take_the_place_of_the_default_ones():
    config = config = EvaluationConfig(replicates=100, comparisons=(("tin", "Dr Binary"),))
    rows = evaluate(TABLE, config=config, kinds=KINDS)["sets"]["test_a"]["comparisons"]
    declared = [row for row in rows if row["declared"]]
    assert [(row["a"], row["b"]) for row in declared] == [("tin", "Dr Binary")]
    assert declared[0]["auc"]["p_holm"] == declared[0]["auc"]["p_value"]
    assert sum({row["a"], row["b"]} == {"tin", "Dr Binary"} for row in rows) == 1


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("tin", "resnet3d"), "comparisons: 'resnet3d' is no source; the sources are"),
        (("tin", "tin"), "'tin' is compared with itself"),
        (("tin", "ideal reader, video"), "'ideal reader, video' is a ceiling"),
    ],
)
def test_a_declared_comparison_that_cannot_be_is_refused(pair, message):
    with pytest.raises(ConfigError, match=message):
        evaluate(TABLE, config=EvaluationConfig(replicates=100, comparisons=(pair,)), kinds=KINDS)


def test_a_test_that_does_not_exist_has_a_reason_and_still_counts_in_the_family():
    table = TABLE.copy()
    table.loc[table["source"] == "image", "score"] = 0.5
    table.loc[table["source"] == "tin", "score"] = table["label"] * 0.9
    rows = checked(evaluate(table, kinds=KINDS))["sets"]["test_a"]["comparisons"]
    first, second = [row for row in rows if row["declared"]]
    assert (second["a"], second["auc"]) == ("tin", None)
    assert "variance of zero" in second["reason"]
    assert first["auc"]["p_holm"] == pytest.approx(min(1, 3 * first["auc"]["p_value"]))


def test_the_order_of_the_rows_does_not_matter():
    assert evaluate(TABLE.sample(frac=1, random_state=1), kinds=KINDS) == RESULTS


def test_a_table_of_training_patients_only_is_refused():
    with pytest.raises(CohortError, match="every row is of the training set"):
        evaluate(TABLE[TABLE["split"] == "train"])


def test_folds_are_pooled_with_each_folds_own_threshold():
    rng = np.random.default_rng(2)
    ids = np.array([f"p{i}" for i in range(60)])
    label = np.tile([0, 1], 30)
    held = np.arange(60) // 20  # the fold that holds the patient out
    parts = []
    for fold in range(3):
        score = label + rng.normal(scale=0.7, size=60) + fold  # the folds' networks differ in scale
        split = np.where(held == fold, "folds", np.where(held == (fold + 1) % 3, "val", "train"))
        parts.append(pd.DataFrame({"patient_id": ids, "video": "v", "split": split, "label": label, "source": "tin",
                                   "score": score, "fold": fold}))  # fmt: skip
    reader = pd.DataFrame({"patient_id": ids, "split": "folds", "label": label, "source": "Dr", "score": label})
    table = pd.concat([*parts, reader])
    results = checked(evaluate(table, kinds={"Dr": "reader"}))
    assert list(results["sets"]) == ["folds"]
    assert results["thresholds"]["tin"]["rule"] == "Youden on each fold's validation"
    assert list(results["thresholds"]["tin"]["folds"]) == ["0", "1", "2"]
    tin = results["sets"]["folds"]["sources"]["tin"]
    held_out = pd.concat(parts).query("split == 'folds'")
    assert tin["patients"] == 60
    assert tin["threshold"] is None
    assert tin["auc"]["estimate"] == pytest.approx(auc(held_out["label"], held_out["score"]).estimate)
    cuts = held_out["fold"].astype(str).map(results["thresholds"]["tin"]["folds"])
    right = ((held_out["score"] >= cuts) == held_out["label"]).sum()
    assert tin["accuracy"]["numerator"] == right
    assert results["sets"]["folds"]["comparisons"][0]["patients"] == 60
    areas = [auc(part["label"], part["score"]).estimate for _, part in held_out.groupby("fold")]
    assert [part["estimate"] for part in tin["auc_folds"]["folds"]] == pytest.approx(areas)
    assert tin["auc_folds"]["estimate"] == pytest.approx(np.mean(areas))
    assert tin["auc_folds"]["estimate"] > tin["auc"]["estimate"]  # whose folds' scores lie apart


def experts():
    counts = PUBLISHED["aln_ultra"]["counts"]
    label = np.repeat([1, 0, 1, 0], [counts[name] for name in ("tp", "fp", "fn", "tn")])
    call = np.repeat([1, 1, 0, 0], [counts[name] for name in ("tp", "fp", "fn", "tn")])
    ids = [str(i) for i in range(len(label))]
    return pd.DataFrame(
        {"patient_id": ids, "video": "", "split": "", "label": label, "source": "expert", "score": call}
    )


def test_aln_ultras_experts_are_evaluated_without_any_model():
    results = checked(evaluate_readers(experts()))
    source = results["sets"]["all"]["sources"]["expert"]
    assert source["kind"] == "reader"
    assert source["counts"] == PUBLISHED["aln_ultra"]["counts"]
    for name in ("sensitivity", "specificity", "accuracy"):
        assert round(100 * source[name]["estimate"], 1) == PUBLISHED["aln_ultra"][f"{name}_percent"]
        assert source[name]["low"] < source[name]["estimate"] < source[name]["high"]


def test_readers_alone_are_evaluated_on_the_training_patients_too():
    rows = experts()
    rows["split"] = np.where(np.arange(len(rows)) % 2, "train", "test_a")
    assert list(evaluate_readers(rows)["sets"]) == ["train", "test_a"]


def test_compare_gives_both_sources_and_their_tests_on_each_test_set():
    found = compare_sources(TABLE, "tin", "Dr Binary")
    json.dumps(found, allow_nan=False)
    assert list(found["sets"]) == ["test_a", "test_b"]
    expected = next(r for r in RESULTS["sets"]["test_a"]["comparisons"] if (r["a"], r["b"]) == ("tin", "Dr Binary"))
    assert found["sets"]["test_a"]["auc"] == expected["auc"]
    assert found["sets"]["test_a"]["mcnemar"] == expected["mcnemar"]
    tin = found["sets"]["test_a"]["sources"]["tin"]
    assert tin["auc"] == RESULTS["sets"]["test_a"]["sources"]["tin"]["auc"]


def test_compare_shows_each_source_on_the_patients_that_both_have():
    read_less = TABLE[(TABLE["source"] != "Dr Binary") | ~TABLE["patient_id"].isin(["test_a-0", "test_a-5"])]
    part = compare_sources(read_less, "tin", "Dr Binary", kinds=KINDS)["sets"]["test_a"]
    assert part["patients"] == 59
    assert {name: source["patients"] for name, source in part["sources"].items()} == {"tin": 59, "Dr Binary": 59}
    assert part["sources"]["Dr Binary"]["kind"] == "reader"


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [("tin", "tim", "'tim' is no source of the table; its sources are Dr Binary"), ("tin", "tin", "with itself")],
)
def test_compare_refuses_what_it_cannot_compare(a, b, message):
    with pytest.raises(CohortError, match=message):
        compare_sources(TABLE, a, b)


def test_compare_refuses_validation_patients_alone():
    with pytest.raises(CohortError, match="no set but training and validation holds both"):
        compare_sources(TABLE[TABLE["split"] == "val"], "tin", "image")
