"""End to end with Orthanc, in a network namespace of its own: results come back once, wherever the server is killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("highdicom", reason="the DICOM node needs the extra `serve`")
from node_rooms import NAME, NUMBER, STUDY

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("node_orthanc.py")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def namespace() -> list[str]:
    """The command that gives a process a network of its own; a skip where that is not permitted."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        ):
            return command
    pytest.skip("unshare -n is not permitted here, and Orthanc would listen on every address")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    for program in ("Orthanc", "dciodvfy"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if not PLUGIN.exists():
        pytest.skip("orthanc-dicomweb is not installed")
    folder = tmp_path_factory.mktemp("orthanc")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*namespace(), sys.executable, str(SCRIPT), str(folder)],
        capture_output=True, text=True, check=False, timeout=600, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


def test_the_server_was_killed_at_every_stage(found):
    assert len(found["chain"]["killed"]) == 14
    assert all(found["chain"]["killed"].values()), found["chain"]["killed"]


def test_nothing_is_lost_and_nothing_is_twice(found):
    chain = found["chain"]
    assert chain["finished"]
    assert sorted(one["class"] for one in chain["archive"]) == [
        "Comprehensive SR Storage",
        "Multi-frame True Color Secondary Capture Image Storage",
        "Ultrasound Multi-frame Image Storage",
    ]
    assert [chain[table] for table in ("video", "result", "node_instance", "outbound")] == [1, 1, 1, 2]
    assert {state for _, state, _ in chain["attempts"]} == {"sent"}
    assert chain["answered"]["again"] is True


def test_success_is_answered_for_nothing_that_could_be_lost(found):
    answered = found["chain"]["answered"]
    assert answered["received, not kept"] is False
    assert answered["kept, not answered"] is False


def test_the_source_is_not_changed_and_its_copy_is_gone(found):
    assert found["chain"]["source_unchanged"]
    assert found["chain"]["left"] == []


@pytest.mark.parametrize("way", ["chain", "web"])
def test_what_came_back_is_valid_and_of_the_same_patient_in_series_of_its_own(found, way):
    back = [one for one in found[way]["archive"] if not one["is_source"]]
    (source,) = (one for one in found[way]["archive"] if one["is_source"])
    assert len(back) == 2
    for one in back:
        assert one["errors"] == []
        assert one["was_read"]
        assert one["patient"] == NAME
        assert "research use only" in one["description"]
    assert len({one["series"] for one in [*back, source]}) == 3


def test_a_study_is_fetched_and_answered_over_dicomweb_once(found):
    web = found["web"]
    assert web["finished"]
    assert web["node_instance"] == 1
    assert [(one["new"], one["reason"]) for one in web["fetches"]] == [(1, None), (0, None)]


def test_no_server_said_a_word_of_the_patient(found):
    for word in (NAME, NAME.split("^")[0], NUMBER, STUDY, "1.2.840.114340"):
        assert word not in found["log"]
