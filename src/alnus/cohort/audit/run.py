"""The audit of a cohort: every check that its table, its files, its partition and its store allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alnus.cohort.audit.association import audit_associations
from alnus.cohort.audit.duplicates import Owners, audit_content, audit_files
from alnus.cohort.audit.facts import facts_of
from alnus.cohort.audit.findings import AuditFinding, AuditReport
from alnus.cohort.audit.headers import audit_headers, header_patients
from alnus.cohort.audit.patients import audit_balance, audit_ids
from alnus.cohort.audit.probe import encoded, finding_of, probe
from alnus.cohort.audit.surroundings import around_tissue, marks_inside
from alnus.cohort.audit.table_identity import audit_table_identity
from alnus.cohort.table import Cohort, patients
from alnus.errors import CohortError
from alnus.media.cine import Box
from alnus.media.store import CineStore
from alnus.media.stored import read_meta

Progress = Callable[[str, int, int], None]
LEAST_PER_CLASS = 10
"""Labelled patients of either class that a probe needs."""
MOST_SCREENS = 400
"""Videos whose surroundings are decoded, drawn by the seed, one a patient."""


def audit_cohort(
    cohort: Cohort,
    *,
    splits: pd.DataFrame | None = None,
    store: CineStore | None = None,
    seed: int = 0,
    workers: int = 0,
    progress: Progress | None = None,
) -> AuditReport:
    """Audit a cohort for copies, leaks between splits, confounding, shortcuts and names.

    splits: one row a patient, `patient_id` and `split` (`assign_splits`, a run's splits.csv); None: the table's own.
    store: the cine store of this cohort; without it no frames are compared and no store's fact is tested.
    workers: processes that compare the videos, 0 = one a core. progress: called with (what is being done, done, in
    all). Nothing is written.
    Raises CohortError where `splits` lacks a column or puts a patient into two splits, MediaError for a damaged store.
    """
    tell = progress or (lambda what, done, total: None)
    people = _people(cohort, splits)
    owners = _owners(cohort, people)
    videos = cohort.table["video"].tolist()
    findings = audit_table_identity(cohort) + audit_ids(people)
    findings += audit_balance(people) if "split" in people and "label" in people else []
    paths = {video: cohort.path(video) for video in videos}
    findings += audit_files(paths, store, owners)
    named = header_patients(paths, progress=lambda done, total: tell("headers", done, total))
    findings += audit_headers(named, owners, dict(zip(videos, cohort.table["center"].astype(str), strict=True)))
    looked, not_looked = ["the table's cells and ids, and which files are the same"], []
    looked += [f"the patient ids in {len(named)} DICOM headers"] if named else []
    if store is None:
        not_looked.append("compared: the videos' frames (name the cine store that `alnus ingest` left)")
    else:
        held = set(store.videos())
        stored = [video for video in videos if video in held]
        findings += audit_content(store, stored, owners, workers=workers, progress=tell)
        looked.append(f"the frames of {len(stored)} of {len(videos)} videos")
    more = list(_shortcuts(cohort, people, store, seed, tell, looked, not_looked))
    return AuditReport(tuple(findings + more), tuple(looked), tuple(not_looked))


def _people(cohort: Cohort, splits: pd.DataFrame | None) -> pd.DataFrame:
    """Return one row a patient with the split that applies."""
    people = patients(cohort)
    if splits is None:
        return people
    absent = [name for name in ("patient_id", "split") if name not in splits]
    if absent:
        raise CohortError(f"the table of splits has no column {absent[0]}; it has: {', '.join(map(str, splits))}")
    given = splits[["patient_id", "split"]].astype(str).drop_duplicates()
    twice = given["patient_id"][given["patient_id"].duplicated()]
    if len(twice):
        raise CohortError(f"patient '{twice.iloc[0]}' is in two splits ({len(twice)} patients in all); draw them anew")
    return people.drop(columns="split", errors="ignore").merge(given, on="patient_id", how="left")


def _owners(cohort: Cohort, people: pd.DataFrame) -> Owners:
    patient = dict(zip(cohort.table["video"], cohort.table["patient_id"], strict=True))
    if "split" not in people:
        return Owners(patient, {})
    known = people.dropna(subset="split")
    split = dict(zip(known["patient_id"], known["split"], strict=True))
    return Owners(patient, {video: split[owner] for video, owner in patient.items() if owner in split})


def _shortcuts(
    cohort: Cohort,
    people: pd.DataFrame,
    store: CineStore | None,
    seed: int,
    tell: Progress,
    looked: list[str],
    not_looked: list[str],
) -> Iterator[AuditFinding]:
    labelled = people[people["label"].notna()].reset_index(drop=True)
    labels = labelled["label"].to_numpy(dtype=bool)
    if min(labels.sum(), (~labels).sum()) < LEAST_PER_CLASS:
        not_looked.append(f"looked for shortcuts: they need {LEAST_PER_CLASS} labelled patients of either class")
        return
    facts = facts_of(cohort, labelled, store)
    yield from audit_associations(facts, labels, seed=seed)
    looked.append(f"whether the label goes with {', '.join(facts.columns) or 'anything (no fact varies)'}")
    kinds = {"metadata": (encoded(facts), labels)} if len(facts.columns) else {}
    chosen = _one_video_each(cohort, labelled, seed)
    screens = _screens(cohort, chosen, store, tell)
    kinds["what lies outside the tissue"] = _held(chosen, screens, labelled)
    if store is not None:
        held = set(store.videos())
        marks = [marks_inside(store.frames(video)) if video in held else None for video in chosen["video"]]
        kinds["marks that never move inside the picture"] = _held(chosen, marks, labelled)
    for what, (features, those) in kinds.items():
        if len(those) and features.size and np.ptp(features, axis=0).max() > 0:
            result = probe(what, features, those, seed=seed)
            if result is not None:
                yield finding_of(result)
                continue
        not_looked.append(f"probed: {what} (nothing that varies is known of enough patients)")


def _one_video_each(cohort: Cohort, labelled: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return one row a patient, her first video, for at most MOST_SCREENS patients."""
    rows = cohort.table.drop_duplicates("patient_id")
    rows = rows[rows["patient_id"].isin(labelled["patient_id"])].sort_values("patient_id")
    if len(rows) > MOST_SCREENS:
        rows = rows.iloc[np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_SCREENS])]
    return rows


def _screens(
    cohort: Cohort, chosen: pd.DataFrame, store: CineStore | None, tell: Progress
) -> list[NDArray[np.float64] | None]:
    screens = []
    for done, (_, row) in enumerate(chosen.iterrows(), start=1):
        screens.append(around_tissue(cohort.path(row["video"]), _tissue(row, store)))
        tell("surroundings of the tissue", done, len(chosen))
    return screens


def _tissue(row: pd.Series, store: CineStore | None) -> Box | None:
    """Return the tissue's box: what the store has cut out, else the table's ROI."""
    if store is not None and row["video"] in set(store.videos()):
        crop = (read_meta(Path(store.root) / store.entry(row["video"]).key) or {}).get("crop")
        if isinstance(crop, dict):
            return Box(**crop)
    sides = [row.get(name) for name in ("roi_x", "roi_y", "roi_w", "roi_h")]
    return None if any(side is None or pd.isna(side) for side in sides) else Box(*(int(side) for side in sides))


def _held(
    chosen: pd.DataFrame, features: list[NDArray[np.float64] | None], labelled: pd.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the features (patients, d) of those that have some, and their labels."""
    label = dict(zip(labelled["patient_id"], labelled["label"], strict=True))
    pairs = [(f, bool(label[p])) for f, p in zip(features, chosen["patient_id"], strict=True) if f is not None]
    if not pairs:
        return np.empty((0, 0)), np.empty(0, bool)
    return np.stack([f for f, _ in pairs]), np.array([given for _, given in pairs])
