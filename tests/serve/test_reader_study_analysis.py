"""What a study's readings become: times by the server's clock, a table for `alnus evaluate`, the MRMC numbers."""

from __future__ import annotations

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from sqlmodel import select

from alnus.evaluation import Mrmc, ReadingTimes, mrmc, read_ratings, reading_times
from alnus.serve.database import open_database
from alnus.serve.database.tables import Case, Job, Role, State, User, Video
from alnus.serve.readers import making
from alnus.serve.readers.analysis import analyse, missing
from alnus.serve.readers.cases import readable_cases
from alnus.serve.readers.design import Design
from alnus.serve.readers.export import COLUMNS, as_csv, rows_of
from alnus.serve.readers.making import Wish, close_study, make_study, start_study, study_cases, study_readers
from alnus.serve.readers.reading import RefusedError, lock, worklist_of
from alnus.serve.readers.tables import Reading, ReadingPause
from alnus.serve.readers.timing import LOST_S, finish, tick
from alnus.serve.readers.truth import set_truth
from alnus.study.tables import evaluate_table

CASES, READERS = 24, 4
NOW_S = 1_000_000.0


@pytest.fixture
def database(tmp_path):
    """Cases that are done and readers, as rows alone."""
    database = open_database(None, data=tmp_path)
    with database.writing() as session:
        for number in range(READERS):
            session.add(User(id=f"U-{number}", name=f"reader{number}", role=Role.READER, password="none"))
        for number in range(CASES):
            session.add(Case(id=f"C-{number:02d}", patient_key=f"P-{number}", origin="upload", submitted_by="system"))
            session.flush()
            video = Video(
                id=f"V-{number:02d}", case_id=f"C-{number:02d}", sha256=str(number), size_bytes=1, origin="upload"
            )
            video.is_phantom = number == 3
            session.add(video)
            session.flush()
            session.add(Job(video_id=video.id, state=State.RETURNED))
    return database


@pytest.fixture(autouse=True)
def nothing_shown(monkeypatch):
    """The network's answers do not matter here."""
    monkeypatch.setattr(making, "_shown", lambda *_: {})


def started(session, design: Design, *, readers: int = READERS, truth: bool = True):
    wish = Wish("A study", design, "1-5", washout_days=28, seed=1, model="tin")
    names = [f"U-{number}" for number in range(readers)]
    study = make_study(session, wish, readable_cases(session), names, actor="U-0")
    start_study(session, None, study, actor="U-0")
    if truth:
        set_truth(session, study, {f"C-{number:02d}": number % 2 for number in range(CASES)}, actor="U-0")
    return study


def answer(session, study, reader, reading: Reading, rng, *, seconds: float | None = None) -> None:
    """Lock an answer that leans towards the truth."""
    truth = next(item.truth for item in study_cases(session, study.id) if item.id == reading.item_id) or 0
    gain = 1.5 if reading.treatment == "with model" else 0.8
    seen = gain * truth + rng.normal()
    reading.suspicion, reading.call = int(np.clip(np.round(2.5 + seen), 1, 5)), int(seen > 0.6)
    reading.begun_s, reading.active_s = NOW_S, seconds or float(np.exp(rng.normal(3, 0.3)))
    lock(session, worklist_of(session, study, reader), reading, now_s=NOW_S, actor=reader.user_id)


def read_all(session, study, *, seed: int = 0, leave: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for reader in study_readers(session, study.id):
        readings = worklist_of(session, study, reader).readings
        for reading in readings[: len(readings) - leave]:
            answer(session, study, reader, reading, rng)
    session.flush()


@pytest.mark.parametrize("design", Design)
def test_the_export_goes_through_the_evaluation_and_gives_the_numbers_of_a_direct_call(database, tmp_path, design):
    with database.writing() as session:
        study = started(session, design)
        read_all(session, study)
        found = analyse(session, study)
        files = {rating: tmp_path / f"{rating}.csv" for rating in ("suspicion", "call")}
        for rating, path in files.items():
            path.write_text(as_csv(rows_of(session, study, rating=rating)))
    treatments = {"independent": ["alone"], "concurrent": ["with model"]}.get(design, ["with model", "alone"])
    graded, calls = (read_ratings(files[rating], needs=("truth", "rating", "time_s")) for rating in files)
    assert found.measures["auc"] == mrmc(graded, treatments=treatments)
    for metric in ("sensitivity", "specificity"):
        assert found.measures[metric] == mrmc(calls, metric=metric, treatments=treatments)
    assert found.times == reading_times(graded, treatments=treatments)
    assert len(found.measures["auc"].differences) == len(treatments) - 1

    printed = evaluate_table(files["suspicion"], {}).results
    means = {row["treatment"]: row["estimate"] for row in printed["reader_study"]["auc"]["means"]}
    assert means == {row.treatment: pytest.approx(row.estimate) for row in found.measures["auc"].means}
    assert printed["reading_times"]["means"]
    assert set(evaluate_table(files["call"], {}).results["reader_study"]) == {"sensitivity", "specificity"}
    assert json.dumps(printed)
    assert "AUC" in found.text


def test_the_analysis_agrees_with_accuracies_counted_by_hand(database):
    with database.writing() as session:
        study = started(session, Design.INDEPENDENT)
        read_all(session, study)
        found = analyse(session, study)
        table = pd.read_csv(StringIO(as_csv(rows_of(session, study))))
    by_hand = []
    for _, own in table.groupby("reader"):
        sick, well = (own.loc[own["truth"] == truth, "suspicion"].to_numpy() for truth in (1, 0))
        pairs = (sick[:, None] > well).mean() + 0.5 * (sick[:, None] == well).mean()
        by_hand.append((pairs, own.loc[own["truth"] == 1, "said_metastasis"].mean(), np.log(own["time_s"]).mean()))
    area, sensitivity, log_s = np.mean(by_hand, axis=0)
    assert found.measures["auc"].means[0].estimate == pytest.approx(area)
    assert found.measures["sensitivity"].means[0].estimate == pytest.approx(sensitivity)
    assert found.times.means[0].estimate == pytest.approx(np.exp(log_s))


def test_a_row_says_who_read_what_and_how_and_names_no_account(database):
    with database.writing() as session:
        study = started(session, Design.SECOND_READER)
        reader = study_readers(session, study.id)[1]
        rng = np.random.default_rng(0)
        for reading, seconds in zip(worklist_of(session, study, reader).readings[:4], (10, 4, 20, 5), strict=True):
            answer(session, study, reader, reading, rng, seconds=seconds)
        session.flush()
        rows = rows_of(session, study)
        text = as_csv(rows)
        cases = {item.id: item.case_id for item in study_cases(session, study.id)}
        order = [cases[one.item_id] for one in worklist_of(session, study, reader).readings[:4]]
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert {row["reader"] for row in rows} == {"R2"}
    assert "reader1" not in text
    assert "U-1" not in text
    assert [row["case"] for row in rows] == order
    assert [row["truth"] for row in rows] == [int(case[2:]) % 2 for case in order]
    assert [row["treatment"] for row in rows] == ["alone", "with model"] * 2
    assert [row["step_time_s"] for row in rows] == [10, 4, 20, 5]
    assert [row["time_s"] for row in rows] == [10, 14, 20, 25]  # with the model: until the second answer


def test_simulated_patients_are_marked_in_every_row_and_in_the_analysis(database):
    with database.writing() as session:
        study = started(session, Design.INDEPENDENT)
        read_all(session, study)
        marked = {row["case"] for row in rows_of(session, study) if row["origin"] == "phantom"}
        assert marked == {"C-03"}
        assert analyse(session, study).is_phantom


def test_nothing_is_analysed_while_some_still_read_or_a_truth_is_missing(database):
    with database.writing() as session:
        study = started(session, Design.INDEPENDENT, truth=False)
        assert missing(session, study).readings == dict.fromkeys(range(1, READERS + 1), CASES)
        assert missing(session, study).truths == CASES
        read_all(session, study, leave=2)
        set_truth(session, study, {f"C-{number:02d}": number % 2 for number in range(CASES)}, actor="U-0")
        assert missing(session, study).readings == dict.fromkeys(range(1, READERS + 1), 2)
        assert missing(session, study)
        close_study(session, study, actor="U-0")
        assert not missing(session, study)


def test_a_closed_study_that_lacks_readings_is_analysed_with_the_jackknife_and_says_so(database):
    with database.writing() as session:
        study = started(session, Design.SECOND_READER)
        read_all(session, study, leave=3)
        close_study(session, study, actor="U-0")
        found = analyse(session, study)
    assert found.is_incomplete
    assert isinstance(found.measures["auc"], Mrmc)
    assert found.measures["auc"].covariance == "jackknife"
    assert found.measures["auc"].study.missing == 3 * READERS


def test_one_reader_alone_speaks_for_themselves(database):
    with database.writing() as session:
        study = started(session, Design.SECOND_READER, readers=1)
        read_all(session, study)
        found = analyse(session, study)
    assert found.measures["auc"].readers == "fixed"
    assert isinstance(found.times, ReadingTimes)


def test_what_cannot_be_answered_says_why(database):
    with database.writing() as session:
        study = started(session, Design.INDEPENDENT, truth=False)
        set_truth(session, study, {f"C-{number:02d}": 0 for number in range(CASES)}, actor="U-0")
        read_all(session, study)
        found = analyse(session, study)
        assert "0 cases with metastasis" in found.measures["auc"]
        assert isinstance(found.measures["specificity"], Mrmc)
        empty = started(session, Design.INDEPENDENT)
        close_study(session, empty, actor="U-0")
        assert set(analyse(session, empty).measures.values()) == {"no reading was locked"}


# Time


@pytest.fixture
def timed(database):
    """(session, reading): of which nothing was shown yet."""
    with database.writing() as session:
        started(session, Design.INDEPENDENT, readers=1)
        session.flush()
        yield session, session.exec(select(Reading)).first()


def told(session, reading: Reading, *events: tuple[float, str]) -> float:
    """Tell events at seconds; return the time at the end of the last, where the answer is locked."""
    for at_s, event in events[:-1]:
        tick(session, reading, event, now_s=NOW_S + at_s)
    finish(session, reading, now_s=NOW_S + events[-1][0])
    session.flush()
    return reading.active_s


def pauses(session) -> list[tuple[float, float, str]]:
    return [(one.began_s - NOW_S, one.ended_s - NOW_S, one.reason) for one in session.exec(select(ReadingPause))]


def test_the_time_begins_with_the_first_frame_shown(timed):
    session, reading = timed
    assert told(session, reading, (0, "alive"), (3, "resume"), (5, "shown"), (12, "lock")) == 7
    assert reading.begun_s == NOW_S + 5
    assert pauses(session) == []


def test_pauses_do_not_count_and_are_kept(timed):
    session, reading = timed
    events = [(0, "shown"), (5, "pause"), (105, "resume"), (110, "hidden"), (111, "resume"), (120, "lock")]
    assert told(session, reading, *events) == 5 + 5 + 9
    assert pauses(session) == [(5, 105, "reader"), (110, 111, "hidden")]


def test_of_who_has_gone_the_time_stands_from_the_last_touch(timed):
    """The page says so after five minutes without one; those do not count, however soon after a pause they began."""
    session, reading = timed
    alive = [(float(at_s), "alive") for at_s in range(10, 320, 10)]
    events = [(0, "shown"), *alive, (320, "idle"), (900, "resume"), (910, "lock")]
    assert told(session, reading, *events) == 20 + 10
    assert pauses(session) == [(20, 900, "idle")]


def test_a_page_that_says_twice_that_nobody_is_there_takes_no_time_away(timed):
    session, reading = timed
    events = [(0, "shown"), (4, "pause"), (5, "resume"), (6, "idle"), (7, "idle"), (8, "lock")]
    assert told(session, reading, *events) == 4
    assert reading.active_s >= 0


def test_events_that_come_twice_change_nothing(timed):
    session, reading = timed
    events = [
        (0, "shown"),
        (1, "shown"),
        (5, "pause"),
        (6, "hidden"),
        (7, "pause"),
        (9, "resume"),
        (9, "resume"),
        (10, "x"),
    ]
    assert told(session, reading, *events) == 6
    assert pauses(session) == [(5, 9, "reader")]


def test_a_page_that_falls_silent_stops_the_time_when_it_was_last_heard_of(timed):
    session, reading = timed
    events = [(0, "shown"), (10, "alive"), (20, "alive"), (20 + 3600, "shown"), (3630, "lock")]
    assert told(session, reading, *events) == 20 + 10
    assert pauses(session) == [(20, 3620, "lost")]


def test_a_page_that_tells_in_time_is_not_lost(timed):
    session, reading = timed
    events = [(at_s, "alive") for at_s in np.arange(LOST_S, 10 * LOST_S, LOST_S)]
    assert told(session, reading, (0, "shown"), *events, (10 * LOST_S, "lock")) == 10 * LOST_S


def test_an_answer_that_is_locked_in_a_pause_counts_until_the_pause(timed):
    session, reading = timed
    assert told(session, reading, (0, "shown"), (8, "pause"), (50, "lock")) == 8
    assert pauses(session) == [(8, 50, "reader")]


def test_nothing_is_locked_without_an_answer_or_a_frame(timed):
    session, reading = timed
    study, reader = making_of(session, reading)
    with pytest.raises(RefusedError, match="both a call and a suspicion"):
        lock(session, worklist_of(session, study, reader), reading, now_s=NOW_S, actor="U-0")
    reading.call, reading.suspicion = 1, 3
    with pytest.raises(RefusedError, match="No frame was shown"):
        lock(session, worklist_of(session, study, reader), reading, now_s=NOW_S, actor="U-0")


def making_of(session, reading: Reading):
    from alnus.serve.readers.tables import ReaderStudy, StudyReader

    reader = session.get(StudyReader, reading.reader_id)
    return session.get(ReaderStudy, reader.study_id), reader
