"""A reader study's page: the same numbers as its JSON, a figure with words, nothing loaded from elsewhere."""

from __future__ import annotations

import html as markup
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alnus.evaluation.readers.roe_metz import as_table, simulated_ratings
from alnus.report import write_table_report
from alnus.report.document import Table
from alnus.report.reader_study import reader_sections
from alnus.study.tables import evaluate_table


def ratings(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = as_table(simulated_ratings(rng, (1.2, 1.9), readers=3, positive=8, negative=12), positive=8)
    table["reader"] = table["reader"].map({1: "<b>Li</b>", 2: "Ångström", 3: "Okafor"})
    return table.assign(treatment=table["treatment"].map({1: "alone", 2: "with the model"}))


def study(tmp_path: Path, table: pd.DataFrame, **options: Any) -> tuple[dict[str, Any], str]:
    table.to_csv(tmp_path / "ratings.csv", index=False)
    found = evaluate_table(tmp_path / "ratings.csv", {}, readers=options)
    return found.results, found.text


def table_of(results: dict[str, Any], name: str) -> Table:
    blocks = [block for section in reader_sections(results, "") for block in section.blocks]
    return next(block for block in blocks if isinstance(block, Table) and block.name == name)


def test_a_reader_studys_page_shows_each_reader_the_means_and_the_test(tmp_path: Path) -> None:
    results, text = study(tmp_path, ratings().assign(time_s=20.0 + np.arange(120) % 7))
    found = results["reader_study"]["auc"]
    rows = table_of(results, "readers_auc").rows
    assert [row.cells[0].main for row in rows] == [*found["study"]["readers"], "Readers’ mean"]
    assert [cell.main for cell in rows[-1].cells[1:]] == [f"{mean['estimate']:.3f}" for mean in found["means"]]
    assert table_of(results, "differences_auc").rows[0].cells[2].main == f"{found['p_value']:.3f}"
    page = write_table_report(results, tmp_path / "page.html", text=text).read_text(encoding="utf-8")
    shown = markup.unescape(page)
    assert "3 readers read 20 cases, 8 with and 12 without metastasis in 2 ways" in shown
    assert "<b>Li</b>" not in page  # a reader's name is no markup
    assert "AUC of the readers." in page  # the figure in words
    assert "Reading times" in page
    assert "All ways of reading equal: F(1," in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<[^>]*>|data:\S*", " ", page), flags=re.IGNORECASE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"readers": "fixed"}, "says nothing of others"),
        ({"cases": "fixed"}, "random readers, fixed cases."),
        ({"covariance": "jackknife"}, "jackknife covariance"),
        ({"metrics": ["sensitivity", "specificity"], "threshold": 1.0}, "Difference, percentage points"),
    ],
)
def test_the_page_says_how_a_reader_study_was_analysed(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    results, text = study(tmp_path, ratings(), **options)
    page = write_table_report(results, tmp_path / "page.html", text=text).read_text(encoding="utf-8")
    assert said in page


def test_missing_readings_and_one_way_of_reading_are_told_not_hidden(tmp_path: Path) -> None:
    results, _ = study(tmp_path, ratings().drop(index=[3, 50]))
    said = [
        block.text for section in reader_sections(results, "") for block in section.blocks if hasattr(block, "text")
    ]
    assert any("2 of 120 readings are missing" in text for text in said)
    one = ratings()
    results, text = study(tmp_path, one[one["treatment"] == "alone"])
    page = write_table_report(results, tmp_path / "one.html", text=text).read_text(encoding="utf-8")
    assert "3 readers read 20 cases" in markup.unescape(page)
    assert "differences of the readers" not in page
