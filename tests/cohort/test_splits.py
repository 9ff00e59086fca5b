"""Partitions and folds: by patient, stratified, reproducible, and refused where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alnus.cohort import Cohort, assign_folds, assign_splits, load_cohort
from alnus.config import SplitConfig
from alnus.errors import CohortError, ConfigError


def cohort_of(labels: list[int], centers: list[str] | None = None, videos: int = 1, **columns: list[object]) -> Cohort:
    """Make a cohort of `len(labels)` patients with so many videos each; columns: one value a patient."""
    ids = [f"P{number:04d}" for number in range(len(labels))]
    people = pd.DataFrame({"patient_id": ids, "label": labels, "center": centers or [""] * len(labels), **columns})
    table = pd.concat([people.assign(video=people["patient_id"] + f"_{number}.avi") for number in range(videos)])
    return Cohort(table.reset_index(drop=True), Path("cohort.csv"), Path(), False, (), ())


def paper() -> Cohort:
    """The paper's design: 271 patients of two hospitals, 93 with metastasis; 49 of a third, 17 with."""
    labels = [1] * 93 + [0] * 178 + [1] * 17 + [0] * 32
    centers = [("North", "South", "South")[number % 3] for number in range(271)] + ["West"] * 49
    return cohort_of(labels, centers)


def counts(table: pd.DataFrame) -> dict[tuple[str, int], int]:
    return {(str(split), int(label)): int(n) for (split, label), n in table.groupby(["split", "label"]).size().items()}


def test_the_papers_design_gives_61_patients_in_testing_set_a_21_with_metastasis_and_49_in_b():
    table = assign_splits(paper(), SplitConfig(), seed=0)
    found = counts(table)
    assert (found["test_a", 1], found["test_a", 0]) == (21, 40)
    assert (found["test_b", 1], found["test_b", 0]) == (17, 32)
    assert (found["val", 1] + found["val", 0], found["train", 1] + found["train", 0]) == (42, 168)
    assert set(table.loc[table["split"] == "test_b", "center"]) == {"West"}


def test_each_internal_center_gives_testing_set_a_its_share():
    table = assign_splits(paper(), SplitConfig(), seed=0)
    inside = table[table["center"] != "West"]
    for _, people in inside.groupby(["center", "label"]):
        assert abs((people["split"] == "test_a").sum() - len(people) * 61 / 271) <= 1


def test_two_centers_are_both_internal_unless_one_is_named_external():
    cohort = cohort_of([0, 1] * 20, ["N", "S", "S", "N"] * 10)
    assert "test_b" not in set(assign_splits(cohort, SplitConfig(), seed=0)["split"])
    named = assign_splits(cohort, SplitConfig(external_centers=("S",)), seed=0)
    assert set(named.loc[named["split"] == "test_b", "center"]) == {"S"}
    assert set(named.loc[named["split"] != "test_b", "center"]) == {"N"}


def test_no_external_center_may_be_asked_for_among_three():
    table = assign_splits(paper(), SplitConfig(external_centers=()), seed=0)
    assert "test_b" not in set(table["split"])


def test_another_seed_draws_other_patients_and_the_same_seed_the_same():
    first, again, other = (assign_splits(paper(), SplitConfig(), seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not first["split"].equals(other["split"])
    assert counts(first) == counts(other)


cohorts = st.builds(
    cohort_of,
    st.lists(st.integers(0, 1), min_size=6, max_size=60).filter(
        lambda labels: min(sum(labels), len(labels) - sum(labels)) >= 3
    ),
    videos=st.integers(1, 3),
)
shares = st.builds(
    SplitConfig, test_fraction=st.floats(0.01, 0.9), validation_fraction=st.floats(0.01, 0.9), folds=st.integers(2, 6)
)


@given(cohorts, shares, st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_a_patient_never_stands_in_two_splits_and_each_class_is_in_each_split_in_any_row_order(
    cohort, split, seed, order
):
    table = assign_splits(cohort, split, seed=seed)
    assert table["patient_id"].is_unique
    assert set(table["patient_id"]) == set(cohort.table["patient_id"])
    assert set(counts(table)) == {(name, label) for name in ("train", "val", "test_a") for label in (0, 1)}
    rows = list(range(len(cohort.table)))
    order.shuffle(rows)
    shuffled = Cohort(cohort.table.iloc[rows].reset_index(drop=True), cohort.source, cohort.root, False, (), ())
    pd.testing.assert_frame_equal(table, assign_splits(shuffled, split, seed=seed))


@given(cohorts, shares, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_each_patient_is_held_out_once_and_each_fold_trains_and_validates_both_classes(cohort, split, seed):
    fewest = int(cohort.table.drop_duplicates("patient_id")["label"].value_counts().min())
    assume(fewest >= split.folds and fewest - -(-fewest // split.folds) >= 2)
    tables = assign_folds(cohort, split, seed=seed)
    assert len(tables) == split.folds
    held_out = [patient for table in tables for patient in table.loc[table["split"] == "folds", "patient_id"]]
    assert sorted(held_out) == sorted(cohort.table["patient_id"].unique())
    everywhere = {(name, label) for name in ("train", "val", "folds") for label in (0, 1)}
    assert all(set(counts(table)) == everywhere for table in tables)


def test_folds_do_not_depend_on_the_order_of_the_rows():
    cohort = paper()
    turned = Cohort(cohort.table.iloc[::-1].reset_index(drop=True), cohort.source, cohort.root, False, (), ())
    pairs = zip(*(assign_folds(which, SplitConfig(folds=5), seed=3) for which in (cohort, turned)), strict=True)
    for one, other in pairs:
        pd.testing.assert_frame_equal(one, other)


def test_folds_hold_the_classes_in_the_tables_proportion():
    for table in assign_folds(paper(), SplitConfig(folds=5), seed=0):
        assert counts(table)["folds", 1] == 22
        assert counts(table)["folds", 0] == 42


@pytest.mark.parametrize("folds", [3, 5])
def test_thirteen_patients_are_enough_for_three_and_five_folds(sample_data, folds):
    cohort = load_cohort(sample_data / "lung_us" / "cohort.csv", need_files=True)
    assert (len(cohort.table), cohort.table["patient_id"].nunique()) == (23, 13)
    for table in assign_folds(cohort, SplitConfig(folds=folds), seed=0):
        assert len(counts(table)) == 6


def test_the_tables_own_splits_are_taken_as_they_are():
    own = ["train", "train", "val", "val", "test_b"]
    table = assign_splits(cohort_of([0, 1, 0, 1, 1], split=own), SplitConfig(), seed=0)
    assert table["split"].tolist() == own


def test_the_tables_own_folds_are_taken_where_their_number_is_right():
    own = [10, 10, 20, 20, 10, 10, 20, 20]
    cohort = cohort_of([0, 1] * 4, fold=own)
    for table, fold in zip(assign_folds(cohort, SplitConfig(folds=2), seed=0), (10, 20), strict=True):
        assert (table["split"] == "folds").tolist() == [number == fold for number in own]
    drawn = assign_folds(cohort, SplitConfig(folds=4), seed=0)
    assert len(drawn) == 4


@pytest.mark.parametrize(
    ("labels", "columns", "message"),
    [
        ([1] * 9, {}, r"one class only: all 9 patients of the table have label 1"),
        (
            [0, 1, 0, 1, 0],
            {"split": ["train", "train", "val", "test_a", "val"]},
            r"one class only: .* of 'val' have label 0",
        ),
        ([0, 0, 0, 1, 1], {"split": ["train", "train", "val", "val", "test_a"]}, r"one class only: .* of 'train' have"),
        ([0, 1], {"split": ["train", "train"]}, r"column split has no patient in 'val'; it holds \['train'\]"),
        ([0, 1], {"split": ["val", "val"]}, r"column split has no patient in 'train'"),
        ([0, 1, 0, 1], {"split": ["train", "train", "val", "val"]}, r"no patient in 'test_a' or 'test_b'"),
        ([0, 1, 0, 1, 0], {}, r"only 2 patients of the internal centres have label 1; .* need one each \(3\)"),
        ([0, 1, 0, 1], {"label": [0, 1, None, 1]}, r"patient 'P0002' has no label \(1 patients in all\); fill"),
    ],
)
def test_a_cohort_that_cannot_be_parted_is_refused_in_words(labels, columns, message):
    cohort = cohort_of(labels)
    for name, values in columns.items():
        cohort.table[name] = pd.array(values, dtype="Int64") if name == "label" else values
    with pytest.raises(CohortError, match=message):
        assign_splits(cohort, SplitConfig(), seed=0)


def test_an_external_center_that_is_not_there_is_refused_with_those_that_are():
    cohort = cohort_of([0, 1] * 6, ["North", "South"] * 6)
    with pytest.raises(
        CohortError, match=r"external centre 'Wset' is not in column center, which holds 'North', 'South'"
    ):
        assign_splits(cohort, SplitConfig(external_centers=("Wset",)), seed=0)


def test_external_centers_must_leave_both_classes_to_train_on():
    cohort = cohort_of([0, 1] * 6, ["North", "South"] * 6)
    with pytest.raises(CohortError, match=r"one class only: all 6 patients of the internal centres have label 0"):
        assign_splits(cohort, SplitConfig(external_centers=("South",)), seed=0)
    with pytest.raises(CohortError, match=r"every centre is external"):
        assign_splits(cohort, SplitConfig(external_centers=("South", "North")), seed=0)


@pytest.mark.parametrize(
    ("positive", "folds", "advice"),
    [(4, 5, "the largest possible K is 4"), (3, 2, "the largest possible K is 3"), (2, 2, "no K is possible")],
)
def test_too_many_folds_are_refused_with_the_largest_possible_number(positive, folds, advice):
    with pytest.raises(CohortError, match=advice):
        assign_folds(cohort_of([1] * positive + [0] * 9), SplitConfig(folds=folds), seed=0)


def test_own_folds_that_leave_a_class_untrained_are_refused():
    with pytest.raises(CohortError, match=r"column fold leaves fewer than two patients of a class outside fold"):
        assign_folds(cohort_of([1, 1, 0, 0, 0, 0], fold=[0, 0, 0, 1, 1, 1]), SplitConfig(folds=2), seed=0)


def test_no_folds_cannot_be_drawn():
    with pytest.raises(ConfigError, match=r"split.folds: received 0, at least 2"):
        assign_folds(paper(), SplitConfig(), seed=0)
