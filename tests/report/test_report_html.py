from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alnus.report import write_report
from alnus.report.banners import PHANTOM_BANNER, RESEARCH_BANNER

VOID = {"meta", "img", "br", "link", "hr", "input", "source"}
HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """A page as its elements: open tags must close, ids and addresses are kept, text by table."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.missing_alt: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        given = {name: value or "" for name, value in attributes}
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [
            given[name] for name in ("src", "href", "xlink:href", "srcset", "data", "action") if name in given
        ]
        self.addresses += re.findall(r"url\(([^)]*)\)", given.get("style", "") + given.get("clip-path", ""))
        if tag == "img" and not given.get("alt"):
            self.missing_alt.append(given["src"][:40])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def text(phantom_run: Path) -> str:
    return (phantom_run / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_every_element_closes_and_every_id_is_unique(page: Page) -> None:
    assert page.tags["section"] == 19
    assert [name for name, n in Counter(page.ids).items() if n > 1] == []


def test_every_reference_inside_a_figure_meets_its_target(page: Page) -> None:
    inner = [address.removeprefix("#") for address in page.addresses if address.startswith("#")]
    assert len(inner) > 50
    assert set(inner) <= set(page.ids)


def test_the_page_loads_nothing_from_outside_itself(text: str, page: Page) -> None:
    assert [a for a in page.addresses if not a.startswith(("#", "data:image/"))] == []
    assert "@import" not in text
    assert page.tags["script"] == page.tags["link"] == page.tags["iframe"] == 0
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style


def test_every_picture_has_words_for_those_who_cannot_see_it(text: str, page: Page) -> None:
    assert page.missing_alt == []
    assert text.count('role="img" aria-label="') == page.tags["svg"] > 0


def test_a_phantom_report_says_so_in_a_banner_that_print_repeats(text: str, page: Page) -> None:
    assert PHANTOM_BANNER in page.text
    printed = text[text.index("@media print") :]
    assert ".banner { display: table-header-group; break-inside: avoid" in printed


@pytest.mark.usefixtures("plain_figures")
def test_a_real_cohort_has_no_phantom_banner(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    html, _ = write_report(make_run(tmp_path, phantom=False, explain=False))
    shown = Page(html.read_text(encoding="utf-8")).text
    assert RESEARCH_BANNER in shown
    assert "PHANTOM" not in shown
    assert "simulated" not in shown


@pytest.mark.usefixtures("plain_figures")
def test_one_file_that_says_phantom_is_enough_for_the_banner(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, phantom=False, explain=False)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"phantom": True}))
    html, _ = write_report(run)
    assert PHANTOM_BANNER in html.read_text(encoding="utf-8")


def test_a_patient_called_script_does_not_run(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, readers={HOSTILE: 1.0})
    index = json.loads((run / "explanations" / "index.json").read_text())
    index[0]["patient_id"] = HOSTILE
    (run / "explanations" / "index.json").write_text(json.dumps(index))
    pd.DataFrame([[HOSTILE, HOSTILE, HOSTILE]], columns=["patient_id", "video", "reason"]).to_csv(
        run / "excluded.csv", index=False
    )
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(re.sub(r"^title: .*$", f"title: '{HOSTILE}'", config, flags=re.MULTILINE))
    html, _ = write_report(run)
    page = Page(html.read_text(encoding="utf-8"))
    assert page.tags["script"] == 0
    assert page.text.count(HOSTILE) >= 6


@pytest.mark.usefixtures("plain_figures")
def test_a_file_outside_the_run_is_never_embedded(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    (tmp_path / "run").mkdir()
    run = make_run(tmp_path / "run")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "secret.png")
    index = json.loads((run / "explanations" / "index.json").read_text())[:1]
    index[0]["png"] = "../../secret.png"
    (run / "explanations" / "index.json").write_text(json.dumps(index))
    page = Page(write_report(run)[0].read_text(encoding="utf-8"))
    assert page.tags["img"] == 0
    assert f"The picture of patient {index[0]['patient_id']} is missing" in page.text


def test_large_heatmaps_are_made_small_enough_to_mail(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path, sizes={"train": (9, 9), "val": (15, 27), "test_a": (21, 40)})
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    pictures = sorted((run / "explanations").glob("*.png"))[:6]
    for path in pictures:
        Image.fromarray(noise).save(path, compress_level=1)
    assert sum(path.stat().st_size for path in pictures) > 15_000_000
    html, pdf = write_report(run)
    assert html.stat().st_size < 10_000_000
    assert pdf.stat().st_size < 10_000_000
