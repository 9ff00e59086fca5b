"""What every room's tests share: where the sample data are, a small cohort, and one finished study of it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))  # tests/cohorts.py

TINY = (  # settings that make a study a matter of seconds; given to commands as --set
    "training.epochs=2",
    "training.batch_size=4",
    "clip.resize_px=32",
    "clip.side_px=32",
    "workers=1",
    "explanation.cases=1",
    "explanation.wrong=4",
    "explanation.faithfulness.perturbed=4",
    "explanation.faithfulness.randomised=2",
    "networks.tin.width=16",
)


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start: they would ignore it, as what a shell starts behind it does."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: some tests wait for a browser, a server or a program."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that hold slow tests: the last process to end then has short ones left."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system releases whatever becomes of this process."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def made_once(name: str, make: Callable[[Path], object], factory: pytest.TempPathFactory) -> Path:
    """Return a folder that `make` fills; of several processes that test at once the first does it for all."""
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with locked(root / f"{name}.lock"):
        if not (root / f"{name}.made").exists():
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir()
            make(root / name)
            (root / f"{name}.made").touch()
    return root / name


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with real clips and published data (ALNUS_SAMPLE_DATA, else ../shared/data); skips where absent."""
    folder = Path(os.environ.get("ALNUS_SAMPLE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"sample data are not here: {folder} (set ALNUS_SAMPLE_DATA)")
    return folder


@pytest.fixture(scope="session")
def small_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort of 30 patients in three centres, one AVI and one reader's call each. Do not write into its folder."""
    from cohorts import write_cohort

    return made_once("shared-cohort", write_cohort, tmp_path_factory) / "cohort.csv"


@pytest.fixture(scope="session")
def tiny_settings() -> list[str]:
    """Arguments that make a study of the small cohort a matter of seconds."""
    return [part for setting in TINY for part in ("--set", setting)]


@pytest.fixture(scope="session")
def finished_study(small_cohort: Path, tiny_settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a study of the small cohort with TIN and the image network. Do not write into it."""
    from typer.testing import CliRunner

    from alnus.cli import app

    def make(folder: Path) -> None:
        arguments = ["study", small_cohort, "--preset", "small", "--models", "tin,image", "--out", folder / "run"]
        result = CliRunner().invoke(app, [*map(str, arguments), *tiny_settings], catch_exceptions=False)
        assert result.exit_code == 0, result.output

    return made_once("shared-study", make, tmp_path_factory) / "run"


@pytest.fixture
def plain_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports with empty figures, for tests of something else: to draw them is most of what a report costs."""
    from alnus.report import style

    with style.styled():
        style.save(style.new_figure(1, 1), tmp_path / "plain", "figure")
    pictures = {kind: (tmp_path / "plain" / f"figure.{kind}").read_bytes() for kind in ("svg", "png")}
    shutil.rmtree(tmp_path / "plain")

    def draw_plain(files: Any, folder: Path) -> None:
        from alnus.report.figures import drawings

        folder.mkdir(exist_ok=True)
        for name in drawings(files):
            for kind, picture in pictures.items():
                (folder / f"{name}.{kind}").write_bytes(picture)

    monkeypatch.setattr("alnus.report.write.draw_figures", draw_plain)
