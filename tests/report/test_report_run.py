"""The parts of the report that a run directory fills: exclusions, recordings, wrong cases, cards, checklists."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alnus.report.answers import ANSWERS
from alnus.report.checklist_tables import LISTS, checklist, checklists
from alnus.report.content import build
from alnus.report.document import Document, Facts, Table
from alnus.report.flow import cohort_flow
from alnus.report.model_cards import model_cards
from alnus.report.recordings import missing_table, recordings_table
from alnus.report.run_files import read_run
from alnus.report.wrong_cases import wrong_cases


@pytest.fixture(scope="module")
def document(phantom_run: Path) -> Document:
    return build(read_run(phantom_run))


def table(document: Document, name: str) -> Table:
    return next(found for found in document.tables() if found.name == name)


def test_exclusions_by_code_add_up_or_the_report_says_so(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, explain=False)
    rows = [("P900", "a.avi", "black", "black"), ("P901", "b.avi", "ends early", "unreadable")]
    listed = pd.DataFrame(rows, columns=["patient_id", "video", "reason", "code"])
    listed.to_csv(run / "excluded.csv", index=False)
    flow = cohort_flow(read_run(run))
    assert flow.reasons == (("black", 1), ("unreadable", 1))
    assert flow.problems == ()
    listed.head(1).to_csv(run / "excluded.csv", index=False)
    assert cohort_flow(read_run(run)).problems == ("The flow counts 2 excluded videos, but excluded.csv has 1.",)


def test_recordings_are_told_by_centre_and_what_a_file_does_not_state_is_counted(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    videos = pd.DataFrame(
        {
            "patient_id": ["P1", "P2", "P3"], "video": ["1.dcm", "2.avi", "3.avi"],
            "center": ["North", "South", "South"],
            "container": ["dcm", "avi", "avi"], "frames": [30, 40, 60], "height": [200] * 3, "width": [300, 300, 320],
            "duration_s": [1.0, 2.0, 3.0], "frame_rate_hz": ["25", "20", ""], "spacing_row_mm": ["0.1", "", ""],
            "keyframe": ["chosen", "middle", "middle"],
        }
    )  # fmt: skip
    videos.to_csv(run / "videos.csv", index=False)
    files = read_run(run)
    found = recordings_table(files)
    assert found is not None
    assert [row.cells[0].main for row in found.rows] == ["North", "South", "All"]
    south = found.rows[1].cells
    assert (south[1].main, south[2].main, south[3].text) == ("2", "avi", "50 (40–60)")
    assert south[5].text == "20.0 not stated: 1"
    assert south[7].text == "– not stated: 2"
    missing = missing_table(files)
    assert missing is not None
    told = {row.cells[0].main: (row.cells[1].main, row.cells[2].main) for row in missing.rows}
    assert told["Age"] == ("4", "320 patients")
    assert missing.notes[0].startswith("Complete: ")
    assert told["Keyframe chosen by a sonographer"] == ("2", "3 videos")


def test_every_wrong_case_is_listed_once_with_what_each_network_said(phantom_run: Path) -> None:
    files = read_run(phantom_run)
    body = files.sets()["test_a"]
    predictions = pd.read_csv(phantom_run / "predictions.csv")
    models = [name for name, source in body["sources"].items() if source["kind"] == "model"]
    wrong: dict[str, set[str]] = {}
    for name in models:
        cut = body["sources"][name]["threshold"]
        rows = predictions[(predictions["split"] == "test_a") & (predictions["source"] == name)]
        called = (rows["score"] >= cut).astype(int)
        wrong[name] = set(rows["patient_id"][called != rows["label"]])
    found = next(block for block in wrong_cases(files) if isinstance(block, Table) and block.name == "wrong_test_a")
    listed = [row.cells for row in found.rows if not row.heading]
    assert sorted(cells[0].main for cells in listed) == sorted(set().union(*wrong.values()))
    titles = {"TIN": "tin", "R(2+1)D": "r2plus1d", "ResNet-3D": "resnet3d", "Static image": "image"}
    for index, column in enumerate(found.columns):
        if column.label in titles:
            marked = {cells[0].main for cells in listed if cells[index].main in ("FN", "FP")}
            assert marked == wrong[titles[column.label]]


@pytest.mark.parametrize(("name", "numbered", "rows"), [("stard_ai", 40, 48), ("tripod_ai", 27, 52), ("claim", 44, 44)])
def test_a_checklist_has_every_item_of_the_published_one(name: str, numbered: int, rows: int) -> None:
    items = checklist(name)["items"]
    assert len(items) == rows
    assert len({item["number"] for item in items}) == rows
    assert {int(item["number"].rstrip("abcdefg")) for item in items} == set(range(1, numbered + 1))
    assert all(item["topic"] and item["asks"] and ("answer" in item or "authors" in item) for item in items)


def test_every_answer_of_the_checklists_exists_and_links_to_a_section(document: Document) -> None:
    used = {item["answer"] for name in LISTS for item in checklist(name)["items"] if "answer" in item}
    assert used == set(ANSWERS)
    sections = {section.name for section in document.sections}
    assert {section for section, _ in ANSWERS.values()} <= sections
    for name in LISTS:
        for row in table(document, f"checklist_{name}").rows:
            state, answer, where = row.cells[1].main, row.cells[2], row.cells[3]
            assert (state == "For the authors") == (answer.main == "") == (where.link == "")
            assert (state == "Answered") == (answer.note == "")
            assert where.link == "" or where.link in sections


def test_an_item_that_the_run_cannot_answer_is_left_to_the_authors(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    whole = checklists(read_run(run), {})
    for name in ("splits.csv", "cohort.json", "run.json", "excluded.csv"):
        (run / name).unlink()
    bare = checklists(read_run(run), {})

    def states(blocks: tuple[object, ...]) -> list[str]:
        return [row.cells[1].main for block in blocks if isinstance(block, Table) for row in block.rows]

    assert states(whole).count("For the authors") < states(bare).count("For the authors")
    assert states(whole).count("Answered") > 30


def test_each_network_has_a_card_that_says_research_only(document: Document) -> None:
    methods = next(section for section in document.sections if section.name == "methods")
    cards = [block for block in methods.blocks if isinstance(block, Facts)]
    assert [card.heading for card in cards] == [
        f"Model card: {name}" for name in ("TIN", "R(2+1)D", "ResNet-3D", "Static image")
    ]
    facts = dict(cards[0].items)
    assert facts["Use"].startswith("Research only.")
    assert facts["Trained on"] == "168 patients, 58 with metastasis"
    assert "learning rate" in facts["Optimisation"]


def test_a_card_says_what_was_done_with_the_starting_weights(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, explain=False)
    path = run / "models" / "tin" / "model.json"
    start = {"file": "resnet50.pth", "sha256": "11ad3fa6" + "0" * 56, "summary": "2-D ResNet-50: 318 tensors loaded"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"start": start}))
    facts = {card.heading: dict(card.items) for card in model_cards(read_run(run))}
    expected = "resnet50.pth (SHA-256 begins 11ad3fa600000000): 2-D ResNet-50: 318 tensors loaded"
    assert facts["Model card: TIN"]["Start"] == expected
    assert facts["Model card: Static image"]["Start"] == "random weights"


def test_the_cohort_is_described_by_centre_where_there_are_several(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    run = make_run(tmp_path, explain=False)
    stored = json.loads((run / "cohort.json").read_text())
    stored["by_center"] = {
        "columns": ["Variable", "Level", "Missing", "Overall", "A", "B"],
        "rows": [["n", "", "", "5", "2", "3"]],
    }
    (run / "cohort.json").write_text(json.dumps(stored))
    found = table(build(read_run(run)), "cohort_by_center")
    assert [column.label for column in found.columns][-2:] == ["A", "B"]
    assert found.caption == "The cohort by centre."
