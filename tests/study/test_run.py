"""The run directory: damaged records are refused, changed files noticed, two studies kept apart."""

import contextlib
import json

import pytest

from alnus.errors import ConfigError
from alnus.study.run import Run


def opened(directory) -> Run:
    return Run.open(directory, seed=0, command="test")


@pytest.fixture
def run(tmp_path):
    with contextlib.closing(opened(tmp_path / "run")) as run:
        yield run


def write(path, text: str) -> list:
    path.write_text(text)
    return [path]


@pytest.mark.parametrize("content", ["", "[]", '{"stages": null}', '{"stages": "x"}', '{"stages": {"ingest": [1]}}'])
def test_a_damaged_record_is_refused_by_name(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ConfigError, match=r"run\.json: is damaged; remove it"):
        opened(tmp_path)


def test_a_second_study_in_the_same_directory_is_refused_until_the_first_is_closed(run):
    with pytest.raises(ConfigError, match="another study is at work"):
        opened(run.directory)
    run.close()
    opened(run.directory).close()


def test_a_file_as_output_directory_is_refused_by_name(tmp_path):
    (tmp_path / "thesis").write_text("precious")
    with pytest.raises(ConfigError, match="thesis: cannot be the output directory"):
        opened(tmp_path / "thesis")


def test_a_stage_is_repeated_where_its_file_was_changed_and_only_then(run):
    path = run.path("table.csv")
    assert run.once("stage", {"a": 1}, lambda: write(path, "right"))
    assert not run.once("stage", {"a": 1}, lambda: write(path, "again"))
    path.write_text("edited by hand")
    assert run.once("stage", {"a": 1}, lambda: write(path, "right"))
    assert run.once("stage", {"a": 2}, lambda: write(path, "other"))
    path.unlink()
    assert run.once("stage", {"a": 2}, lambda: write(path, "other"))


def test_the_time_of_a_stage_is_that_of_all_its_sessions(run):
    run.record["stages"]["train"] = {"seconds": 100.0, "sessions": 1}
    with run.timed("train"):
        pass
    stage = json.loads(run.path("run.json").read_text())["stages"]["train"]
    assert stage["seconds"] >= 100
    assert stage["sessions"] == 2
