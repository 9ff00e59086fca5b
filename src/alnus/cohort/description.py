"""What the cohort is: Table 1 by partition, and the flow of patients into the partitions."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from tableone import TableOne

from alnus.cohort.schema import SPLITS
from alnus.cohort.splits import HELD_OUT
from alnus.cohort.table import Cohort

PARTITIONS = (*SPLITS, HELD_OUT)
GROUP = "Partition"
MISSING = "missing"
UNDEFINED = "n/a"
MIXED = "differs between videos"
MOST_LEVELS = 10
MOST_CHARACTERS = 60


def table_by_center(cohort: Cohort, splits: pd.DataFrame) -> pd.DataFrame | None:
    """Describe the same patients by centre, as `table_one` does by partition; None where fewer than two are named.

    A patient without a centre counts under "missing".
    """
    rows = cohort.table[cohort.table["patient_id"].isin(splits["patient_id"])]
    centers = rows.groupby("patient_id")["center"].first().replace("", MISSING).astype(str)
    named = sorted(set(centers) - {MISSING})
    if len(named) < 2 or len(named) > MOST_LEVELS:
        return None
    groups = pd.DataFrame({"patient_id": centers.index, "split": centers.to_numpy()})
    everywhere = replace(cohort, table=cohort.table.assign(center=""))  # no row that repeats the columns
    return table_one(everywhere, groups, groups=(*named, MISSING))


def table_one(cohort: Cohort, splits: pd.DataFrame, *, groups: Sequence[str] = PARTITIONS) -> pd.DataFrame:
    """Describe the patients by partition: videos each, label, centre and the clinical columns, as text.

    splits: `patient_id, split`, one row a patient; others are not described. Columns: Variable, Level, Missing
    (patients without the value), Overall, then each partition that has patients. Numbers are mean (SD), or
    "n/a" for the SD of one patient; categories n (%), a missing one being the level "missing". A number that differs
    between a patient's videos counts with its mean. Free text and links (over 10 levels, or over 60 characters) are
    left out; `.attrs["left_out"]` names them. groups: the order of the columns, by name.
    """
    people, left_out = _described_patients(cohort, splits)
    numeric = [name for name in people.columns[1:] if pd.api.types.is_float_dtype(people[name])]
    missing = {name: int(people[name].isna().sum()) for name in people.columns[1:]}
    for name in people.columns[1:]:
        if name not in numeric:
            people[name] = people[name].astype(object).where(people[name].notna(), MISSING).astype(str)
    described = _tableone(people, numeric, groups)
    _blank_spread_of_one(described, people, numeric)
    result = _as_text(described, missing)
    result.attrs["left_out"] = left_out
    return result


def _described_patients(cohort: Cohort, splits: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return one row a patient with its partition first, and the names of the columns that cannot be tabulated."""
    rows = cohort.table[cohort.table["patient_id"].isin(splits["patient_id"])]
    videos = rows.groupby("patient_id").size()
    people = pd.DataFrame({GROUP: splits.set_index("patient_id")["split"].reindex(videos.index)})
    people["Videos a patient"] = videos.astype("float64")
    people["Label"] = rows.groupby("patient_id")["label"].first().astype(object)
    if (rows["center"] != "").any():
        people["Center"] = rows.groupby("patient_id")["center"].first()
    left_out = []
    for name in cohort.clinical:
        values = _per_patient(rows, name)
        if set(values.dropna()) <= {0.0, 1.0}:  # a yes or no: counted, not averaged
            values = values.map({0.0: "0", 1.0: "1"}).astype(object)
        if _is_tabulable(values):
            people[name if name not in people else f"{name} (of the table)"] = values
        else:
            left_out.append(name)
    return people.reset_index(drop=True), left_out


def _per_patient(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return a clinical column's value for each patient: a number's mean, a category or that it differs."""
    grouped = rows.groupby("patient_id")[name]
    if pd.api.types.is_float_dtype(rows[name]):
        return grouped.mean()
    return grouped.first().mask(grouped.nunique() > 1, MIXED)


def _is_tabulable(values: pd.Series) -> bool:
    """Tell whether a column says something of a group: not empty, and no free text, link or identifier."""
    given = values.dropna()
    if given.empty or pd.api.types.is_float_dtype(values):
        return not given.empty
    is_short = int(given.str.len().max()) <= MOST_CHARACTERS
    return is_short and given.nunique() <= MOST_LEVELS and not given.str.contains("://", regex=False).any()


def _tableone(people: pd.DataFrame, numeric: list[str], groups: Sequence[str]) -> pd.DataFrame:
    columns = list(people.columns[1:])
    present = set(people[GROUP])
    with warnings.catch_warnings():
        # tableone 0.9.6 adds rows to a MultiIndex in a way that pandas 3 deprecates, and averages empty groups
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"tableone\.")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"tableone\.")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"(tableone|numpy|pandas)\.")
        described = TableOne(
            people,
            columns=columns,
            categorical=[name for name in columns if name not in numeric],
            continuous=numeric,
            groupby=GROUP,
            order={GROUP: [name for name in groups if name in present]},
            missing=False,
        )
    frame: pd.DataFrame = described.tableone
    return frame


def _blank_spread_of_one(frame: pd.DataFrame, people: pd.DataFrame, numeric: list[str]) -> None:
    """Replace the SD that tableone states as 0 where a partition has fewer than two values: it has none."""
    for name in numeric:
        given = people.groupby(GROUP)[name].count()
        for column in frame.columns:
            if given.get(column[-1], given.sum()) <= 1:
                row = (f"{name}, mean (SD)", "")
                frame.loc[row, column] = re.sub(r"\(.*\)$", f"({UNDEFINED})", str(frame.loc[row, column]))


def _as_text(frame: pd.DataFrame, missing: dict[str, int]) -> pd.DataFrame:
    """Return tableone's table as plain text columns, a variable's name and missing count on its first row only."""
    variables = [str(variable) for variable, _ in frame.index]
    first = [row == 0 or variables[row - 1] != variable for row, variable in enumerate(variables)]
    counts = {f"{name}, {kind}": str(count) for name, count in missing.items() for kind in ("mean (SD)", "n (%)")}
    text = pd.DataFrame(
        {
            "Variable": [name if leads else "" for name, leads in zip(variables, first, strict=True)],
            "Level": [str(level) for _, level in frame.index],
            "Missing": [counts.get(name, "") if leads else "" for name, leads in zip(variables, first, strict=True)],
        }
    )
    for column in frame.columns:
        name = str(column[-1] if isinstance(column, tuple) else column)
        text[name] = [re.sub(r"\bnan\b", UNDEFINED, str(cell)) for cell in frame[column]]
    return text


def flow(cohort: Cohort, excluded: Iterable[str], splits: pd.DataFrame) -> list[dict[str, Any]]:
    """Count patients and videos from the table to the partitions: `label`, `patients`, `videos` a step.

    excluded: videos of the table that could not be used. splits: `patient_id, split`. The table's numbers less the
    excluded ones are the analysed ones, and the partitions (with those in none) add up to these.
    """
    table = cohort.table[["patient_id", "video"]]
    kept = table[~table["video"].isin(set(excluded))]
    partition = kept["patient_id"].map(splits.set_index("patient_id")["split"])
    lost_patients = table["patient_id"].nunique() - kept["patient_id"].nunique()
    steps = [
        _step("In the cohort table", table),
        {
            "label": "Excluded videos, and patients left without a video",
            "patients": lost_patients,
            "videos": len(table) - len(kept),
        },
        _step("Analysed", kept),
        *(_step(name, kept[partition == name]) for name in PARTITIONS if (partition == name).any()),
    ]
    unplaced = kept[~partition.isin(PARTITIONS)]
    return steps if unplaced.empty else [*steps, _step("In no partition", unplaced)]


def _step(label: str, rows: pd.DataFrame) -> dict[str, Any]:
    return {"label": label, "patients": int(rows["patient_id"].nunique()), "videos": len(rows)}
