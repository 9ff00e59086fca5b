"""The MRMC analysis of a study that was read: AUC of the suspicion, sensitivity and specificity of the call, times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from sqlmodel import Session

from alnus.errors import CohortError
from alnus.evaluation import Mrmc, ReadingTimes, mrmc, mrmc_lines, reading_times, times_lines
from alnus.evaluation.readers.mrmc import Metric
from alnus.evaluation.table import PHANTOM
from alnus.serve.readers.design import TREATMENTS, Design
from alnus.serve.readers.export import rows_of
from alnus.serve.readers.making import study_cases, study_readers
from alnus.serve.readers.reading import worklist_of
from alnus.serve.readers.tables import Phase, ReaderStudy

METRICS: dict[Metric, str] = {"auc": "suspicion", "sensitivity": "said_metastasis", "specificity": "said_metastasis"}
"""Each measure with the column that it is computed from."""


@dataclass(frozen=True)
class Missing:
    """What an analysis waits for. readings: still to be locked, by the reader's place. truths: cases without one."""

    readings: dict[int, int] = field(default_factory=dict)
    truths: int = 0
    is_draft: bool = False

    def __bool__(self) -> bool:
        """Whether anything is missing."""
        return self.is_draft or bool(self.readings) or self.truths > 0


@dataclass(frozen=True)
class StudyAnalysis:
    """Each measure, or why there is none. is_incomplete: readings are missing; the study was closed without them."""

    measures: dict[Metric, Mrmc | str]
    times: ReadingTimes | str
    is_incomplete: bool
    is_phantom: bool

    @property
    def text(self) -> str:
        """The same in words, as `alnus evaluate` prints it."""
        found = [mrmc_lines(one, readers=True) for one in self.measures.values() if isinstance(one, Mrmc)]
        if isinstance(self.times, ReadingTimes):
            found.append(times_lines(self.times))
        return "\n\n".join("\n".join(lines) for lines in found)


def missing(session: Session, study: ReaderStudy) -> Missing:
    """Return what is missing: a running study is analysed when all is read, a closed one with what was read.

    Nobody looks at results while others still read: that would be an interim look that no test accounts for.
    """
    truths = sum(item.truth is None for item in study_cases(session, study.id))
    left = {}
    if study.phase == Phase.RUNNING:
        lists = [worklist_of(session, study, reader) for reader in study_readers(session, study.id)]
        counts = {one.reader.place: sum(each.locked_s is None for each in one.readings) for one in lists}
        left = {place: count for place, count in counts.items() if count}
    return Missing(left, truths, is_draft=study.phase == Phase.DRAFT)


def analyse(session: Session, study: ReaderStudy) -> StudyAnalysis:
    """Return the analysis of the locked readings; of what cannot be answered, the reason."""
    table = pd.DataFrame(rows_of(session, study))
    if table.empty:
        nothing = "no reading was locked"
        return StudyAnalysis(dict.fromkeys(METRICS, nothing), nothing, is_incomplete=True, is_phantom=False)
    treatments = [str(one) for one in TREATMENTS[Design(study.design)]]
    planned = len(study_readers(session, study.id)) * len(study_cases(session, study.id)) * len(treatments)
    options: dict[str, Any] = {
        "treatments": treatments,
        "readers": "random" if table["reader"].nunique() > 1 else "fixed",
    }
    is_whole = len(table) == planned
    return StudyAnalysis(
        {metric: _accuracy(table, metric, is_whole=is_whole, options=options) for metric in METRICS},
        _times(table, options),
        is_incomplete=not is_whole,
        is_phantom=bool((table["origin"] == PHANTOM).any()),
    )


def _accuracy(table: pd.DataFrame, metric: Metric, *, is_whole: bool, options: dict[str, Any]) -> Mrmc | str:
    rated = table.assign(rating=table[METRICS[metric]])
    try:
        return mrmc(rated, metric=metric, covariance="delong" if is_whole else "jackknife", **options)
    except CohortError as error:
        return str(error)


def _times(table: pd.DataFrame, options: dict[str, Any]) -> ReadingTimes | str:
    try:
        return reading_times(table, **options)
    except CohortError as error:
        return str(error)
