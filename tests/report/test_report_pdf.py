from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typst
from numpy.typing import NDArray
from PIL import Image

from alnus.report import write_report
from alnus.report.content import build
from alnus.report.gallery import shrunken
from alnus.report.pdf import BEYOND_BUNDLED, breakable, fonts, lay_out, timestamp
from alnus.report.run_files import read_run
from alnus.report.write import _pictures

PPI = 48
MARKUP = '#panic("evaluated") *x* $y$ ] @z <q> \\ `r` // c'


def pages(run: Path, folder: Path) -> list[NDArray[np.uint8]]:
    """The pages of the run's PDF as pictures (height, width, 3)."""
    document = build(read_run(run))
    pictures = {path: (mime, data) for path, mime, data in shrunken(_pictures(document))}
    source = lay_out(document, run / "figures", pictures, folder)
    made, warnings = typst.compile_with_warnings(source, root=folder, font_paths=fonts(""), format="png", ppi=PPI)
    assert warnings == []
    return [
        np.asarray(Image.open(io.BytesIO(page)).convert("RGB")) for page in (made if isinstance(made, list) else [made])
    ]


def header(page: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The top 22 mm of a page, where the running header stands."""
    return page[: round(22 / 25.4 * PPI)]


def red_share(strip: NDArray[np.uint8]) -> float:
    red, green, blue = (strip[..., k].astype(int) for k in range(3))
    return float(((red > 140) & (green < 80) & (blue < 80)).mean())


@pytest.fixture(scope="module")
def phantom_pages(phantom_run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[NDArray[np.uint8]]:
    return pages(phantom_run, tmp_path_factory.mktemp("pages"))


def test_the_phantom_banner_stands_on_every_page(phantom_pages: list[NDArray[np.uint8]]) -> None:
    assert len(phantom_pages) >= 6
    first = header(phantom_pages[0])
    assert red_share(first) > 0.1
    assert (first[first[..., 0] > 140].min(axis=-1) > 200).any()  # letters are cut out of the red in white
    for page in phantom_pages[1:]:
        np.testing.assert_array_equal(header(page), first)


def test_no_page_is_wider_than_its_margins(phantom_pages: list[NDArray[np.uint8]]) -> None:
    margin = round(15 / 25.4 * PPI)  # the page's is 17 mm
    for page in phantom_pages:
        assert page[:, :margin].min() == 255
        assert page[:, -margin:].min() == 255


@pytest.mark.usefixtures("plain_figures")
def test_a_real_cohort_has_no_red_banner(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "pages").mkdir()
    run = make_run(tmp_path / "run", phantom=False, explain=False)
    write_report(run)
    assert all(red_share(header(page)) == 0 for page in pages(run, tmp_path / "pages"))


def test_the_pdf_is_a_pdf_with_its_title_and_the_bundled_fonts(phantom_run: Path) -> None:
    data = (phantom_run / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert b"LibertinusSerif" in data
    assert not re.search(rb"/BaseFont /[A-Z]{6}\+(?!LibertinusSerif|DejaVuSansMono)", data)


def test_the_same_run_gives_the_same_bytes(phantom_run: Path) -> None:
    def state() -> dict[str, bytes]:
        kept = [*phantom_run.glob("report.*"), *phantom_run.glob("figures/*"), *phantom_run.glob("tables/*")]
        return {str(path): path.read_bytes() for path in kept}

    before = state()
    write_report(phantom_run)
    assert len(before) > 20
    assert state() == before


def test_markup_in_a_users_words_is_printed_not_evaluated(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, explain=False, readers={MARKUP: 1.0})
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(re.sub(r"^title: .*$", lambda _: f"title: '{MARKUP}'", config, flags=re.MULTILINE))
    _, pdf = write_report(run)
    assert pdf.stat().st_size > 10_000


def test_the_date_is_the_runs_unless_source_date_epoch_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert timestamp("1970-01-02T00:00:00+00:00") == timestamp("1970-01-02T00:00:00") == 86400
    assert timestamp("") == 0
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "42")
    assert timestamp("1970-01-02T00:00:00+00:00") == 42


def test_a_word_too_long_for_its_column_may_break_and_keeps_its_letters() -> None:
    word = "store/0123456789abcdef0123456789abcdef/P001.dcm"
    broken = breakable({"text": word, "name": word})
    assert broken["name"] == word
    assert broken["text"].replace("\u200b", "") == word
    assert max(map(len, broken["text"].split("\u200b"))) <= 13


def test_system_fonts_are_let_in_only_for_scripts_that_the_bundled_ones_lack() -> None:
    assert BEYOND_BUNDLED.search("第三医院")
    assert not BEYOND_BUNDLED.search("Müller, Łódź, Αθήνα, Москва, “–’ × − ≥")
    assert {font.family for font in fonts("plain").fonts()} >= {"Libertinus Serif", "DejaVu Sans Mono"}
    assert all(font.path is None for font in fonts("plain").fonts())
