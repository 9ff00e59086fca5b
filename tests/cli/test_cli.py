"""The command line: quick to answer; one line and the right exit status for each thing that a user can get wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from alnus import cli


def alnus(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a process of its own."""
    command = [sys.executable, "-m", "alnus.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


@pytest.fixture
def here(monkeypatch, capsys):
    """Run the command in this process: as above but for the seconds in which a process of its own imports torch."""

    def alnus_here(*arguments: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["alnus", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, end.value.code or 0, printed.out, printed.err)

    return alnus_here


def changed(table: Path, folder: Path, change) -> Path:
    """A copy of a cohort table, its videos' paths made absolute, after `change` was done to its rows."""
    rows = pd.read_csv(table, dtype=str)
    rows["video"] = [str(table.parent / video) for video in rows["video"]]
    change(rows)
    copy = folder / "cohort.csv"
    rows.to_csv(copy, index=False)
    return copy


def test_help_answers_in_under_0_4_s():
    """In processor time, which other work on the machine does not lengthen."""

    def seconds() -> float:
        process = subprocess.Popen([sys.executable, "-m", "alnus.cli", "--help"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0
        return used.ru_utime + used.ru_stime

    assert min(seconds() for _ in range(5)) < 0.4


def test_help_imports_no_torch_and_no_pandas():
    code = "import sys, alnus.cli; sys.exit(any(name in sys.modules for name in ('torch', 'lightning', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "command",
    ["demo", "phantom", "ingest", "check", "study", "train", "predict", "explain", "evaluate", "compare", "models"],
)
def test_each_command_explains_itself_with_an_example(command):
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: alnus {command}" in result.output


def set_label_to_two(rows):
    rows.loc[3, "label"] = "2"


def put_one_patient_into_two_splits(rows):
    rows["split"] = ["train", "val", "test_a"] * (len(rows) // 3)
    rows.loc[1, "patient_id"] = rows.loc[0, "patient_id"]
    rows.loc[1, "label"] = rows.loc[0, "label"]
    rows.loc[1, "reader_a"] = rows.loc[0, "reader_a"]


def give_everyone_the_same_label(rows):
    rows["label"] = "1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_label_to_two, r"row 4.*label.*2"),
        (put_one_patient_into_two_splits, r"P000.*split"),
        (give_everyone_the_same_label, r"(?i)class|label"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_line_and_status_4(here, change, message, small_cohort, tmp_path):
    table = changed(small_cohort, tmp_path, change)
    done = here("study", table, "--preset", "small", "--out", tmp_path / "run")
    assert done.returncode == 4, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("alnus: error:")
    assert __import__("re").search(message, line), line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--set", "training.epoch=3"], 3, "unknown key"),
        (["--models", "tin,vgg"], 3, "'vgg' is not one of"),
        (["--set", "training"], 3, "write KEY=VALUE"),
        (["--preset", "huge"], 3, "'huge' is not one of"),
        (["--nonsense"], 2, "No such option"),
    ],
)
def test_a_wrong_setting_is_named_with_its_status(here, arguments, status, message, small_cohort, tmp_path):
    done = here("study", small_cohort, "--out", tmp_path / "run", *arguments)
    assert (done.returncode, message in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_without_an_output_directory_is_a_usage_error(here, small_cohort):
    done = here("study", small_cohort)
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_a_missing_cohort_is_named(tmp_path):
    done = alnus("study", tmp_path / "none.csv", "--out", tmp_path / "run")
    assert done.returncode == 4
    assert "none.csv" in done.stderr


def test_a_foreign_directory_is_not_written_into(here, small_cohort, tmp_path):
    (tmp_path / "thesis.doc").write_text("precious")
    done = here("study", small_cohort, "--preset", "small", "--out", tmp_path)
    assert done.returncode == 3
    assert "holds no earlier run" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


@pytest.mark.parametrize("name", ["text.dcm", "absent.mp4", "cut.avi"])
def test_a_file_that_is_no_video_is_named_with_status_5(here, name, small_cohort, finished_study, tmp_path):
    whole = (small_cohort.parent / "videos" / "P000.avi").read_bytes()
    contents = {"text.dcm": b"Dear colleague,\n" * 40, "cut.avi": whole[: len(whole) // 2]}
    path = tmp_path / name
    if name in contents:
        path.write_bytes(contents[name])
    done = here("predict", finished_study / "models" / "image", path)
    assert done.returncode == 5, done.stderr
    assert name in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_what_is_no_model_is_named_with_status_6(here, tmp_path):
    done = here("predict", tmp_path, tmp_path / "clip.mp4")
    assert done.returncode == 6
    assert "neither a model's directory" in done.stderr


def test_an_ingestion_that_keeps_nothing_ends_with_status_5_and_says_where_the_reasons_are(here, tmp_path):
    (tmp_path / "note.mp4").write_text("no video")
    (tmp_path / "none.csv").write_text("patient_id,video\nP1,note.mp4\n")
    for more in ((), ("--json",)):
        done = here("ingest", tmp_path / "none.csv", "--out", tmp_path / "store", *more)
        assert done.returncode == 5
        assert "it is not a DICOM or video file" in done.stdout
        assert "none of its 1 videos can be used;" in done.stderr
        assert "excluded.csv says why of each" in done.stderr


def test_check_names_missing_videos(here, small_cohort, tmp_path):
    def lose(rows):
        rows.loc[5, "video"] = "gone.avi"

    done = here("check", changed(small_cohort, tmp_path, lose))
    assert done.returncode == 4
    assert "1 of 30 videos are not there: gone.avi; put them there, or correct the paths" in done.stderr


def test_json_output_is_json(finished_study):
    result = CliRunner().invoke(cli.app, ["evaluate", str(finished_study / "predictions.csv"), "--json"])
    assert "tin" in json.loads(result.stdout)["sets"]["test_a"]["sources"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["check", "{cohort}", "--folds", "1"], 3, "at least 2"),
        (["evaluate", "{cohort}", "--confidence", "1.5"], 3, "confidence"),
        (["ingest", "{cohort}", "--out", "{tmp}/store", "--workers", "-3"], 2, "workers"),
        (["study", "{cohort}", "--out", "{tmp}/file/run"], 3, "cannot be the output directory"),
        (
            ["study", "{cohort}", "--out", "{tmp}/r", "--set", "evaluation.comparisons=[[tin,bob]]"],
            3,
            "'bob' is no network",
        ),
        (["study", "{cohort}", "--out", "{tmp}/r", "--set", "networks.tin.weights={tmp}/file"], 6, "file"),
        (["predict", "{run}/models/image", "{video}", "--out", "{tmp}"], 2, "{tmp}"),
    ],
)
def test_what_can_be_known_beforehand_is_refused_before_any_work(
    here, arguments, status, message, small_cohort, finished_study, tmp_path
):
    (tmp_path / "file").write_text("no weights, no directory")
    places = {"cohort": small_cohort, "tmp": tmp_path, "run": finished_study}
    places["video"] = small_cohort.parent / "videos" / "P000.avi"
    done = here(*(word.format(**places) for word in arguments))
    assert done.returncode == status, done.stderr
    assert message.format(**places) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()


def test_ctrl_c_during_training_says_that_the_run_can_go_on(small_cohort, tmp_path):
    settings = ["--set", "clip.resize_px=32", "--set", "clip.side_px=32", "--set", "networks.tin.width=16"]
    arguments = ["train", small_cohort, "--preset", "small", "--models", "tin", "--out", tmp_path / "run", *settings]
    command = [sys.executable, "-m", "alnus.cli", *map(str, arguments), "--set", "training.epochs=2000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    written = [tmp_path / "run" / "models" / "tin" / name for name in ("metrics.csv", "checkpoints/last.ckpt")]
    while not all(path.is_file() for path in written):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=200)
    assert process.returncode == 130, printed
    assert "interrupted" in printed
    assert "Traceback" not in printed
    assert all(path.is_file() for path in written)
