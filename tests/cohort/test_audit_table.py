"""The audit of a table alone: names in it, ids that are one, splits that are too small, labels that go with a fact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alnus.cohort import load_cohort
from alnus.cohort.audit import AuditFinding, AuditReport, audit_cohort, audit_table_identity
from alnus.cohort.audit.association import area, associations, holm
from alnus.cohort.audit.patients import audit_ids
from alnus.cohort.audit.probe import encoded, probe
from alnus.errors import CohortError


def cohort_of(folder: Path, **columns: list[object]):
    count = len(next(iter(columns.values())))
    base = {
        "patient_id": [f"S{number:03d}" for number in range(count)],
        "video": [f"videos/{number}.avi" for number in range(count)],
        "label": [number % 2 for number in range(count)],
    }
    pd.DataFrame({**base, **columns}).to_csv(folder / "cohort.csv", index=False)
    return load_cohort(folder / "cohort.csv")


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("patient_id", "Mueller^Anna", "a person's name"),
        ("patient_id", "Anna Mueller", "a person's name"),
        ("patient_id", "4711823", "a hospital number"),
        ("patient_id", "S_1961-03-14", "a date"),
        ("video", "Mueller_Anna/1.avi", "a person's name"),
        ("video", "exports/19610314/1.avi", "a date"),
        ("video", "MRN_4711823/a.avi", "a hospital number"),
        ("video", "1.2.840.113619.2.55.3.2831.7/1.dcm", "a DICOM UID"),
        ("remark", "anna@example.org", "an e-mail address"),
        ("remark", "030 / 450 5123", "a telephone number"),
        ("remark", "call +49 (0)30 4505123, mornings", "a telephone number"),
        ("remark", "14.03.1961", "a date"),
        ("remark", "Mueller, Anna", "a person's name"),
        ("admitted", 19610314, "a date"),
        ("number", 4711823, "a hospital or telephone number"),
    ],
)
def test_a_cell_that_identifies_is_found_and_its_value_is_not_repeated(tmp_path, column, value, what):
    plain = {"patient_id": "S1", "video": "v/1.avi", "remark": "none", "admitted": 3, "number": 7}[column]
    filler = [f"{plain}{n}" if column in ("patient_id", "video") else plain for n in range(3)]
    found = audit_table_identity(cohort_of(tmp_path, **{column: [*filler, value]}))
    texts = [finding.text for finding in found]
    assert any(f"column {column}: 1 cells look like {what} (video 4 of the table)" in text for text in texts), texts
    assert not any(str(value) in text for text in texts)
    assert {finding.severity for finding in found} == {"warning"}


@pytest.mark.parametrize("name", ["birth_date", "Patient Name", "phone", "mrn", "DOB"])
def test_a_column_whose_name_says_identity_is_found(tmp_path, name):
    found = audit_table_identity(cohort_of(tmp_path, **{name: ["x"] * 4}))
    assert any("its name says" in finding.text for finding in found)


def test_free_text_is_found(tmp_path):
    note = "seen again in March with her sister, who lives in the next village"
    found = audit_table_identity(cohort_of(tmp_path, comment=["", "none", note, ""]))
    assert any("holds free text" in finding.text for finding in found)


@pytest.mark.parametrize(
    "value",
    ["https://doi.org/10.1186/s13089-020-00177-4", "doi:10.1186/2036-7902-4-16", "0.000012345678", "5.0 0.61803398875"],
)
def test_an_address_and_a_decimal_are_no_telephone_number(tmp_path, value):
    assert audit_table_identity(cohort_of(tmp_path, source=[value, "own", "own", value])) == []


def test_an_ordinary_table_holds_no_identity(tmp_path):
    columns = {"age": [61, 40, 33, 70], "er": [1, 0, 1, 1], "grade": ["II", "I", "III", "II"], "ki67": [1.5, 20, 3, 4]}
    assert audit_table_identity(cohort_of(tmp_path, center=["North"] * 4, **columns)) == []


@pytest.mark.parametrize(
    "ids", [("P7", "p7"), ("P 7", "P7"), ("P007", "P7"), ("РА7", "PA7"), ("P-7", "P_7"), ("007", "7")]  # noqa: RUF001  Cyrillic
)  # fmt: skip
def test_ids_that_differ_in_spelling_only_are_found(ids):
    people = pd.DataFrame({"patient_id": [*ids, "P8", "Q7"], "split": ["train", "test_a", "train", "val"]})
    (finding,) = audit_ids(people)
    assert finding.patients == tuple(ids)
    assert "they stand in test_a and train" in finding.text


def test_ids_that_differ_otherwise_are_not_found():
    assert audit_ids(pd.DataFrame({"patient_id": ["P10", "P1", "P100", "P01x", "A1", "B1"]})) == []


def labels_and_facts(seed: int, patients: int = 120):
    rng = np.random.default_rng(seed)
    labels = rng.random(patients) < 0.4
    rate = rng.choice([20.0, 25, 30], patients)
    return labels, pd.DataFrame({"frame rate": rate, "probe": rng.choice(list("LC"), patients)}), rng


def test_a_frame_rate_that_goes_with_the_label_is_named_with_its_auc(tmp_path):
    rate = [25 + 5 * (n % 2) for n in range(60)]
    rate[0] = rate[3] = 30
    report = audit_cohort(cohort_of(tmp_path, scanner_frequency=rate))
    (found,) = [finding for finding in report.findings if finding.code == "confounded"]
    assert "the label is predicted by column scanner_frequency alone: AUC 0.98 (0.9" in found.text
    assert "P_Holm < 0.001, 60 patients" in found.text
    assert any(finding.code == "shortcut" and "from metadata alone" in finding.text for finding in report.findings)


def test_a_center_that_goes_with_the_label_is_named_with_cramers_v(tmp_path):
    report = audit_cohort(cohort_of(tmp_path, center=["N" if n % 2 or n < 6 else "S" for n in range(60)]))
    (found,) = [finding for finding in report.findings if finding.code == "confounded"]
    assert "the label goes with center: Cramér's V 0.90" in found.text


def test_facts_that_know_nothing_are_rarely_significant():
    hits = 0
    for seed in range(60):
        labels, facts, _ = labels_and_facts(seed)
        p = holm(np.array([found.p_value for found in associations(facts, labels, seed=seed)]))
        hits += int((p < 0.05).any())
    assert hits <= 8  # binomial(60, 0.05) exceeds 8 once in two thousand


def test_the_probes_p_value_is_as_often_small_under_the_null_as_it_says():
    results = []
    for seed in range(40):
        labels, facts, rng = labels_and_facts(seed, 60)
        features = np.concatenate([encoded(facts), rng.normal(size=(60, 30))], axis=1)
        results.append(probe("noise", features, labels, seed=seed))
    p = np.array([result.p_value for result in results])
    assert (p < 0.2).sum() <= 16
    assert (p < 0.5).sum() >= 10
    assert not any(result.is_shortcut for result in results if result.p_value > 0.01)


def test_a_planted_shortcut_is_found_by_the_probe():
    labels, _, rng = labels_and_facts(1, 60)
    features = rng.normal(size=(60, 100))
    features[:, :5] += 2 * labels[:, None]
    result = probe("the border", features, labels, seed=0)
    assert result.is_shortcut
    assert "from the border alone the label is predicted with AUC" in result.line()


def test_the_area_is_that_of_the_pairs_and_holm_is_holm():
    labels, scores = np.array([0, 0, 1, 1, 1], bool), np.array([1.0, 3, 2, 3, 4])
    assert area(labels, scores)[0] == pytest.approx((1 + 0 + 1 + 0.5 + 1 + 1) / 6)
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


def test_splits_are_checked_for_size_classes_and_patients(tmp_path):
    cohort = cohort_of(tmp_path, patient_id=[f"S{n}" for n in range(40)])
    split = ["train"] * 30 + ["val"] * 6 + ["test_a"] * 4
    table = pd.DataFrame({"patient_id": cohort.table["patient_id"], "split": split})
    texts = [f.text for f in audit_cohort(cohort, splits=table).findings if f.code == "few_patients"]
    assert any("split val: 3 patients with and 3 without" in text for text in texts)
    twice = pd.concat([table, table.iloc[:1].assign(split="val")])
    with pytest.raises(CohortError, match="patient 'S0' is in two splits"):
        audit_cohort(cohort, splits=twice)
    with pytest.raises(CohortError, match="has no column split"):
        audit_cohort(cohort, splits=table[["patient_id"]])


def test_a_report_says_the_worst_first_and_fits_json():
    report = AuditReport((AuditFinding("a", "note", "n"), AuditFinding("b", "error", "e", ("P1",))), ("x",), ("y",))
    assert report.lines() == ["error: e", "note: n", "looked at x", "not y"]
    assert report.as_json()["findings"][0]["patients"] == ["P1"]
    assert report.has_errors
