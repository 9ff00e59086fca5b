"""What every room's tests share: where the sample data are, a small cohort, and one finished study of it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that hold slow tests: the last process to end then has short ones left."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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

    return write_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def tiny_settings() -> list[str]:
    """Arguments that make a study of the small cohort a matter of seconds."""
    return [part for setting in TINY for part in ("--set", setting)]


@pytest.fixture(scope="session")
def finished_study(small_cohort: Path, tiny_settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a study of the small cohort with TIN and the image network. Do not write into it."""
    from typer.testing import CliRunner

    from alnus.cli import app

    out = tmp_path_factory.mktemp("study") / "run"
    arguments = ["study", str(small_cohort), "--preset", "small", "--models", "tin,image", "--out", str(out)]
    result = CliRunner().invoke(app, [*arguments, *tiny_settings], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out
