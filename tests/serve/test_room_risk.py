"""The risk is the run's: what its results.json states, with the interval of its calibration, and nothing else."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from reading_rooms import write_model
from scipy import special
from statsmodels.api import GLM, families

from alnus.config import EvaluationConfig
from alnus.evaluation import evaluate, freeze_thresholds
from alnus.models import read_card
from alnus.provenance import write_json
from alnus.serve import risk
from alnus.serve.risk import read_risks


def predictions(folds: int = 0, videos: int = 1) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    rows = []
    for fold in range(max(folds, 1)):
        held_out = range(40, 60) if not folds else range(40 + 10 * fold, 50 + 10 * fold)
        for patient in (*range(40), *held_out):
            for video in range(videos):
                score = np.clip(0.5 + 0.2 * (patient % 2 - 0.5) + generator.normal(0, 0.15), 0.02, 0.98)
                row = {"patient_id": f"P{patient}", "video": f"{patient}-{video}.avi", "label": patient % 2}
                row |= {"split": "val" if patient < 40 else "test_a", "source": "tin", "score": score, "call": None}
                rows.append(row | ({"fold": fold} if folds else {}))
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def table():
    return predictions(videos=2)


@pytest.fixture(scope="module")
def statements(table):
    """What a study writes into results.json, by the code that a study calls."""
    thresholds = freeze_thresholds(table)
    return thresholds["tin"], evaluate(table, EvaluationConfig(replicates=200), thresholds=thresholds)


@pytest.fixture
def run(tmp_path, table, statements):
    threshold, results = statements
    table.to_csv(tmp_path / "predictions.csv", index=False)
    write_json(tmp_path / "results.json", results)
    return write_model(tmp_path / "models" / "tin", threshold=threshold)


def changed(run, change) -> None:
    path = run.parents[1] / "results.json"
    results = json.loads(path.read_text())
    change(results)
    write_json(path, results)


def test_the_risk_and_its_interval_are_those_of_the_runs_platt_fit(run, table):
    """Oracle: statsmodels' generalised linear model on Platt's targets, with Wald's interval on the log odds."""
    said = read_risks(run, read_card(run)).assess(0.6)
    patients = table[table["split"] == "val"].groupby("patient_id").agg({"score": "mean", "label": "first"})
    odds, truth = special.logit(patients["score"].to_numpy()), patients["label"].to_numpy() == 1
    targets = np.where(truth, (truth.sum() + 1) / (truth.sum() + 2), 1 / ((~truth).sum() + 2))
    fit = GLM(targets, np.column_stack([np.ones(len(odds)), odds]), family=families.Binomial()).fit()
    expected = fit.get_prediction(np.array([[1.0, special.logit(0.6)]])).summary_frame(alpha=0.05).iloc[0]
    assert said.risk == pytest.approx(expected["mean"], rel=1e-5)
    assert (said.risk_low, said.risk_high) == pytest.approx(
        (expected["mean_ci_lower"], expected["mean_ci_upper"]), rel=1e-4
    )
    assert said.reasons == {}


def test_the_threshold_is_the_frozen_one_and_the_risk_at_it_is_the_thresholds_risk(run, statements):
    risks = read_risks(run, read_card(run))
    assert risks.threshold == statements[0]
    at = risks.assess(risks.threshold)
    assert at.call is True
    assert at.risk == pytest.approx(at.threshold_risk)
    assert risks.assess(risks.threshold - 0.01).call is False


def test_the_answer_is_the_conformal_sets(run):
    risks = read_risks(run, read_card(run))
    assert risks.assess(0.99).answer == "metastasis"
    assert risks.assess(0.01).answer == "no metastasis"
    assert risks.assess(0.5).answer == "not sure: examine"


def test_the_risk_rises_with_the_score_and_lies_in_its_interval(run):
    said = [read_risks(run, read_card(run)).assess(score) for score in (0.0, 0.1, 0.4, 0.6, 0.9, 1.0)]
    assert all(one.risk_low <= one.risk <= one.risk_high for one in said)
    assert [one.risk for one in said] == sorted(one.risk for one in said)


def test_a_network_outside_a_run_has_a_score_alone(tmp_path):
    model = write_model(tmp_path / "tin", threshold=None)
    said = read_risks(model, read_card(model)).assess(0.7)
    assert (said.risk, said.risk_low, said.threshold, said.answer, said.call) == (None, None, None, None, None)
    assert set(said.reasons.values()) == {risk.NO_RUN}


def test_a_run_with_another_threshold_is_not_taken_for_the_networks_own(run):
    changed(run, lambda results: results["thresholds"]["tin"].update(value=0.123))
    said = read_risks(run, read_card(run)).assess(0.7)
    assert said.risk is None
    assert said.reasons["risk"] == risk.OTHER_RUN


def test_a_calibration_that_is_not_platts_has_a_risk_without_interval(run):
    def other(results):
        results["frozen"]["tin"]["recalibration"]["-1"].update(method="temperature", intercept=0.0)

    changed(run, other)
    said = read_risks(run, read_card(run)).assess(0.7)
    assert said.risk is not None
    assert (said.risk_low, said.reasons) == (None, {"interval": risk.NO_INTERVAL})


def test_predictions_that_do_not_give_the_frozen_map_give_no_interval(run):
    path = run.parents[1] / "predictions.csv"
    table = pd.read_csv(path)
    table.assign(score=table["score"] ** 2).to_csv(path, index=False)
    said = read_risks(run, read_card(run)).assess(0.7)
    assert (said.risk_low, said.reasons) == (None, {"interval": risk.NOT_REPRODUCED})


def test_a_run_that_learnt_nothing_says_why(run):
    def nothing(results):
        why = {"recalibration": "no validation patients", "not_sure": "no validation patients"}
        results["frozen"]["tin"].update(recalibration=None, not_sure=None, reasons=why)

    changed(run, nothing)
    assert read_risks(run, read_card(run)).assess(0.7).reasons["risk"] == "no validation patients"


def test_a_results_file_that_is_no_runs_is_as_if_it_stated_nothing(run):
    (run.parents[1] / "results.json").write_text("[]")
    assert set(read_risks(run, read_card(run)).assess(0.7).reasons.values()) == {risk.NOT_STATED}


def test_a_folds_network_has_its_own_folds_map(tmp_path):
    table = predictions(folds=2)
    table["split"] = table["split"].replace("test_a", "test")
    thresholds = freeze_thresholds(table)
    results = evaluate(table, EvaluationConfig(replicates=200), thresholds=thresholds)
    table.to_csv(tmp_path / "predictions.csv", index=False)
    write_json(tmp_path / "results.json", results)
    said = []
    for fold in (0, 1):
        model = write_model(tmp_path / "models" / f"fold{fold}" / "tin", threshold=thresholds["tin"][fold], fold=fold)
        said.append(read_risks(model, read_card(model)).assess(0.6))
    assert said[0].reasons == said[1].reasons == {}
    assert said[0].risk != said[1].risk
