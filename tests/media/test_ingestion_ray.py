"""A Ray cluster ingests into the same bytes as this machine's processes."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alnus.errors import MediaError
from alnus.media import IngestItem, engines_ray, ingest

SCRIPT = """
import sys
from pathlib import Path
from alnus.media import IngestItem, ingest
folder, store = Path(sys.argv[1]), Path(sys.argv[2])
items = [IngestItem(path.name, path) for path in sorted(folder.iterdir())]
print(ingest(items, store, workers=2, engine="ray").kept)
import ray
assert not ray.is_initialized()
"""


@pytest.mark.slow
def test_a_local_cluster_leaves_the_same_bytes_and_is_shut_down(tmp_path, scene, make):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: the extra cluster")
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.dcm", "b.dcm", "c.dcm"):
        make.saved(folder / name, make.ultrasound(scene))
    (folder / "text").write_text("no video")
    items = [IngestItem(path.name, path) for path in sorted(folder.iterdir())]
    ingest(items, tmp_path / "process", workers=1)
    # in a process of its own: what Ray leaves open is none of the other tests' business
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(tmp_path / "ray")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr[-2000:]
    assert _contents(tmp_path / "ray") == _contents(tmp_path / "process")


def _contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("*")) if path.is_file()}


def test_without_ray_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MediaError, match=r"pip install 'alnus\[cluster\]'"):
        ingest([IngestItem("a", tmp_path / "a")], tmp_path / "store", engine="ray")


def test_an_actor_that_is_lost_costs_its_video_alone():
    class Lost(Exception):  # noqa: N818  stands in for Ray's
        pass

    class Ray:
        class exceptions:  # noqa: N801  a module in Ray
            RayActorError = Lost
            RayTaskError = type("RayTaskError", (Exception,), {})

        @staticmethod
        def get(reference):
            raise Lost

    assert engines_ray._answer(Ray, None) == {"refused": engines_ray.LOST}
