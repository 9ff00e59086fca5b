"""Every command and every snippet of the README and the documentation is run as a reader would type it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from alnus.cli import app
from alnus.config import load_preset, resolve
from alnus.phantom import PhantomConfig
from cohorts import spot_cine, write_avi

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?```(console|python|yaml)\n(.*?)```", re.DOTALL)
TOO_LONG = ("alnus demo",)  # `make demo` is the acceptance test of a release; its parts are tested in tests/study


def blocks(page: Path, language: str, *, run: bool = True) -> list[str]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text for marker, kind, text in found if kind == language and run == (not marker)]


def commands(page: Path, *, run: bool = True) -> list[str]:
    lines = [line for block in blocks(page, "console", run=run) for line in block.splitlines() if line]
    return [line for line in lines if not line.startswith(TOO_LONG)]


def pages_with(find) -> list:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if find(page)]


@pytest.fixture
def desk(tmp_path, tidy_desk) -> Path:
    """A reader's working directory of her own: what one page writes is not there for the next."""
    return Path(shutil.copytree(tidy_desk, tmp_path / "desk"))


@pytest.fixture(scope="module")
def tidy_desk(tmp_path_factory, small_cohort, finished_study) -> Path:
    """A cohort, a clip, a folder of videos, ALN-Ultra, and an earlier run."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copytree(small_cohort.parent, folder, dirs_exist_ok=True)
    shutil.copytree(finished_study, folder / "runs" / "first")
    write_avi(folder / "clip.mp4", spot_cine(grows=True, frames=12, side_px=48, seed=9))
    for patient in "ab":
        write_avi(folder / "exports" / patient / "1.avi", spot_cine(grows=True, frames=4, side_px=48, seed=1))
    _write_aln_ultra(folder / "ALN-Ultra")
    (folder / "study.yaml").write_text(blocks(ROOT / "docs/how-to/own-cohort.md", "yaml")[0])
    return folder


def _write_aln_ultra(folder: Path) -> None:
    """Ten patients in the published index's shape, without their videos."""
    labels = {"0": "0 0", "1": "1 1"}
    entries = ", ".join(f'"{n}": ["{labels[str(n % 2)]}", ["{n}_0.avi"], "{n}_0.jpg"]' for n in range(10))
    folder.mkdir()
    (folder / "index.json").write_text("{" + entries + "}")


def hurried(name: str) -> dict:
    """Return a preset that trains for two epochs on clips of half the size and tests few heatmaps."""
    preset = load_preset(name)
    for network in preset["networks"].values():
        network["training"] |= {"epochs": 2}
        network["clip"] |= {"resize_px": 36, "side_px": 32} if name == "small" else {}
    return preset | {
        "explanation": {"cases": 1, "wrong": 1, "faithfulness": {"cases": 2, "perturbed": 1, "randomised": 1}}
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with(commands))
def test_each_command_that_a_page_shows_does_what_it_says(page, desk, monkeypatch):
    """As it stands, but for the preset's epochs, clip size and heatmaps: what is learned is tested elsewhere.

    So are large pictures: a phantom's are of a quarter of the size. A study that the README shows too is run there.
    """
    monkeypatch.chdir(desk)
    monkeypatch.setattr("alnus.config.load_preset", hurried)
    monkeypatch.setattr("alnus.phantom.PhantomConfig", partial(PhantomConfig, scale=0.25))
    elsewhere = [] if page == PAGES[0] else [line for line in commands(PAGES[0]) if line.startswith("alnus study")]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk / "config"))  # the key of de-identification is made there
    for line in commands(page):
        words = shlex.split(line)
        if line in elsewhere:  # its run stands on the desk
            continue
        if words[0] == "make":
            subprocess.run(["make", "-n", "-C", str(ROOT), *words[1:]], check=True, capture_output=True)
            continue
        assert words[0] == "alnus", f"{page}: {line}"
        result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{page}: {line}\n{result.output}"


@pytest.mark.parametrize("page", pages_with(lambda page: commands(page, run=False)))
def test_a_command_that_is_too_long_to_run_is_at_least_known_with_its_options(page):
    for line in commands(page, run=False):
        words = shlex.split(line)
        names = [word for word in words[1:] if not word.startswith("-")]
        help_text = CliRunner().invoke(app, [names[0], "--help"], env={"COLUMNS": "200"}).output
        assert all(word in help_text for word in words if word.startswith("--")), line


@pytest.mark.parametrize("page", pages_with(lambda page: blocks(page, "python")))
def test_each_python_snippet_runs(page, desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    for snippet in blocks(page, "python"):
        exec(compile(snippet, str(page), "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", pages_with(lambda page: blocks(page, "yaml")))
def test_each_yaml_snippet_is_a_valid_configuration(page):
    for snippet in blocks(page, "yaml"):
        resolve({"cohort": "cohort.csv", "out": "run", **yaml.safe_load(snippet)}, origin=str(page))


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_each_file_in_configs_is_a_valid_configuration(path):
    resolve(yaml.safe_load(path.read_text()), origin=str(path))


def test_the_documentation_builds_without_a_warning(tmp_path):
    mkdocs = shutil.which("mkdocs", path=f"{Path(__import__('sys').executable).parent}")
    if mkdocs is None:
        pytest.skip("mkdocs is not installed: pip install -e '.[docs]'")
    done = subprocess.run(
        [mkdocs, "build", "--strict", "--site-dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "alnus study" in (tmp_path / "reference" / "commands" / "index.html").read_text(encoding="utf-8")
