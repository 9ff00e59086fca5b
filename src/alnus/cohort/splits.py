"""Who trains, who validates, who tests: partitions by patient, stratified, the same for the same seed.

Source: Li et al., Front. Oncol. 13:1219838 (2023): two centres are parted into training, validation and testing
set A (61 of 271 patients), the third centre is testing set B.
Departures: the paper's validation share and its way of drawing are not known; here each class is parted in the same
proportion, and within it each centre.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from alnus.cohort.schema import SPLITS
from alnus.cohort.table import Cohort, patients
from alnus.config import SplitConfig
from alnus.errors import CohortError, ConfigError

COLUMNS = ["patient_id", "label", "center", "split"]
HELD_OUT = "folds"
CLASSES = (0, 1)


def assign_splits(cohort: Cohort, split: SplitConfig, *, seed: int) -> pd.DataFrame:
    """Return `patient_id, label, center, split` (train, val, test_a, test_b), one row a patient, sorted by id.

    The table's own `split` column is taken as it is. Else the external centres are test_b, and the rest is drawn
    into test_a, val and train, stratified by label and centre. Independent of the order of the table's rows.
    Raises CohortError where a partition that must be there is not, or training or validation has one class only.
    """
    people = _labelled(cohort)
    if "split" not in people:
        people = _drawn(cohort, people, split, seed=seed)
    _refuse_unusable(cohort, people)
    return people[COLUMNS]


def assign_folds(cohort: Cohort, split: SplitConfig, *, seed: int) -> list[pd.DataFrame]:
    """Return K tables like `assign_splits`'s, `split` being train, val or "folds" (the held-out fold).

    The table's `fold` column is taken where it holds exactly K folds; else folds are drawn, stratified by label.
    Each fold's validation patients are drawn from its training patients, stratified by label and centre.
    Raises CohortError where a class has too few patients for K, saying which K are possible; ConfigError for K < 2.
    """
    if split.folds < 2:
        raise ConfigError(f"split.folds: received {split.folds}, at least 2 are needed for cross-validation")
    people = _labelled(cohort)
    folds = _fold_of_each(cohort, people, split.folds, seed=seed)
    return [
        _with_held_out(cohort, people, folds == fold, split, rng=np.random.default_rng([seed, fold]))
        for fold in range(split.folds)
    ]


def _labelled(cohort: Cohort) -> pd.DataFrame:
    """Return the patients, each with a label, both classes among them."""
    people = patients(cohort)
    unlabelled = people.loc[people["label"].isna(), "patient_id"]
    if len(unlabelled):
        raise CohortError(
            f"{cohort.source}: patient '{unlabelled.iloc[0]}' has no label ({len(unlabelled)} patients in all);"
            " fill column label"
        )
    people["label"] = people["label"].astype("int64")
    _require_both_classes(cohort, people, "the table")
    return people


def _require_both_classes(cohort: Cohort, people: pd.DataFrame, where: str) -> None:
    present = people["label"].unique()
    if len(present) < len(CLASSES):
        raise CohortError(
            f"{cohort.source}: one class only: all {len(people)} patients of {where} have label {present[0]};"
            " patients with label 0 and with label 1 are needed"
        )


def _refuse_unusable(cohort: Cohort, people: pd.DataFrame) -> None:
    found = set(people["split"])
    for name in ("train", "val"):
        if name not in found:
            raise CohortError(f"{cohort.source}: column split has no patient in '{name}'; it holds {sorted(found)}")
        _require_both_classes(cohort, people[people["split"] == name], f"'{name}'")
    if not found & {"test_a", "test_b"}:
        raise CohortError(f"{cohort.source}: column split has no patient in 'test_a' or 'test_b'; a test set is needed")


def _drawn(cohort: Cohort, people: pd.DataFrame, split: SplitConfig, *, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    external = _external_centers(cohort, people, split)
    people = people.assign(split=SPLITS[0])
    outside = people["center"].isin(external)
    people.loc[outside, "split"] = "test_b"
    inside = people[~outside]
    _require_enough(cohort, inside)
    test = _sample(inside, split.test_fraction, rng=rng, left_over=2)
    people.loc[test, "split"] = "test_a"
    validation = _sample(inside.drop(index=test), split.validation_fraction, rng=rng, left_over=1)
    people.loc[validation, "split"] = "val"
    return people


def _external_centers(cohort: Cohort, people: pd.DataFrame, split: SplitConfig) -> tuple[str, ...]:
    """Return the centres of testing set B: as configured, else of three or more the one with fewest patients."""
    sizes = people["center"].value_counts()
    if split.external_centers is not None:
        unknown = [center for center in split.external_centers if center not in sizes.index]
        if unknown:
            known = ", ".join(f"'{center}'" for center in sorted(sizes.index))
            raise CohortError(
                f"{cohort.source}: external centre '{unknown[0]}' is not in column center, which holds {known};"
                " correct split.external_centers"
            )
        return split.external_centers
    if len(sizes) < 3:
        return ()
    return (min(sizes.index, key=lambda center: (sizes[center], center)),)


def _require_enough(cohort: Cohort, inside: pd.DataFrame) -> None:
    """Refuse a class that cannot be in training, validation and testing set A."""
    if inside.empty:
        raise CohortError(f"{cohort.source}: every centre is external; leave at least one to train on")
    _require_both_classes(cohort, inside, "the internal centres")
    for label, count in inside["label"].value_counts().items():
        if count < 3:
            raise CohortError(
                f"{cohort.source}: only {count} patients of the internal centres have label {label}; training,"
                " validation and testing set A need one each (3); add patients or give a split column"
            )


def _sample(people: pd.DataFrame, fraction: float, *, rng: np.random.Generator, left_over: int) -> list[int]:
    """Return the index labels of a stratified share: the number exact, then each class, then each centre in it.

    Each class keeps at least one patient in the share and `left_over` outside it.
    """
    classes = [people[people["label"] == label] for label in CLASSES]
    sizes = [len(group) for group in classes]
    total = math.floor(fraction * len(people) + 0.5)
    per_class = _apportioned(total, sizes, low=[1] * len(sizes), high=[size - left_over for size in sizes])
    chosen: list[int] = []
    for group, wanted in zip(classes, per_class, strict=True):
        centers = [part.index.to_numpy() for _, part in group.groupby("center")]
        sizes = [len(part) for part in centers]
        for part, take in zip(centers, _apportioned(wanted, sizes, low=[0] * len(sizes), high=sizes), strict=True):
            chosen.extend(int(index) for index in rng.permutation(part)[:take])
    return chosen


def _apportioned(total: int, sizes: list[int], *, low: list[int], high: list[int]) -> list[int]:
    """Share `total` among groups in proportion to their sizes, each between its bounds (largest remainders)."""
    total = min(max(total, sum(low)), sum(high))
    quotas = [total * size / sum(sizes) for size in sizes]
    shares = [min(max(math.floor(quota), least), most) for quota, least, most in zip(quotas, low, high, strict=True)]
    while sum(shares) != total:
        step = 1 if sum(shares) < total else -1
        bounds = high if step == 1 else low
        movable = [group for group in range(len(sizes)) if shares[group] != bounds[group]]
        group = max(movable, key=lambda group: step * (quotas[group] - shares[group]))
        shares[group] += step
    return shares


def _fold_of_each(cohort: Cohort, people: pd.DataFrame, folds: int, *, seed: int) -> np.ndarray:
    """Return each patient's fold, 0..K-1."""
    if "fold" in people and people["fold"].nunique() == folds:
        given: np.ndarray = np.searchsorted(np.unique(people["fold"]), people["fold"])
        return given
    fewest = int(people["label"].value_counts().min())
    if not _folds_fit(fewest, folds):
        possible = [k for k in range(2, fewest + 1) if _folds_fit(fewest, k)]
        advice = f"the largest possible K is {possible[-1]}" if possible else "no K is possible: add patients"
        raise CohortError(
            f"{cohort.source}: {folds} folds are not possible: the smaller class has {fewest} patients, and each fold"
            f" needs one held out, one to train and one to validate; {advice}"
        )
    drawn = np.empty(len(people), dtype=np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(people, people["label"])):
        drawn[held_out] = fold
    return drawn


def _folds_fit(count: int, folds: int) -> bool:
    """Tell whether a class of `count` patients has one in each fold and two outside the largest fold."""
    return folds <= count and count - math.ceil(count / folds) >= 2


def _with_held_out(
    cohort: Cohort, people: pd.DataFrame, held_out: np.ndarray, split: SplitConfig, *, rng: np.random.Generator
) -> pd.DataFrame:
    """Return one fold's table: its held-out patients, and the others in training and validation."""
    table = people.assign(split=np.where(held_out, HELD_OUT, SPLITS[0]))
    others = table[~held_out]
    counts = others["label"].value_counts()
    if len(counts) < len(CLASSES) or counts.min() < 2:
        raise CohortError(
            f"{cohort.source}: column fold leaves fewer than two patients of a class outside fold"
            f" of patient '{people['patient_id'][held_out].iloc[0]}'; one to train and one to validate are needed"
        )
    table.loc[_sample(others, split.validation_fraction, rng=rng, left_over=1), "split"] = SPLITS[1]
    return table[COLUMNS]
