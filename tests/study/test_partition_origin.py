"""Whether the cohort table divides its patients itself or a study draws them: what run.json says of the partitions."""

from pathlib import Path

import pandas as pd
import pytest

from alnus.cohort import Cohort
from alnus.config import resolve
from alnus.study.partition import are_given

PEOPLE = pd.DataFrame({"patient_id": ["P1", "P2", "P3"], "fold": [0, 1, 2], "split": ["train", "val", "test_a"]})


@pytest.mark.parametrize(
    ("columns", "folds", "given"),
    [
        (["patient_id", "split"], 0, True),
        (["patient_id"], 0, False),
        (["patient_id", "fold"], 3, True),
        (["patient_id", "fold"], 2, False),
        (["patient_id", "split"], 3, False),
    ],
)
def test_a_table_divides_its_patients_only_by_the_column_that_the_study_takes(
    columns: list[str], folds: int, given: bool
) -> None:
    cohort = Cohort(table=PEOPLE[columns], root=Path(), source=Path("c.csv"), clinical=(), is_phantom=False, readers=())
    config = resolve({"preset": "small", "cohort": "c.csv", "out": "run", "split": {"folds": folds}}, origin="test")
    assert are_given(cohort, config) is given
