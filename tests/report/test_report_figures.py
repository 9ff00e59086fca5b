from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest

from alnus.report.curve_figure import learning_figure
from alnus.report.flow import Flow, Leaf, Stage
from alnus.report.flow_figure import flow_figure
from alnus.report.html import inline_svg
from alnus.report.roc_figure import roc_figure
from alnus.report.run_files import ModelFiles
from alnus.report.style import save, styled


def source(kind: str, sensitivity: float, specificity: float, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "sensitivity": {"estimate": sensitivity}, "specificity": {"estimate": specificity}} | more


def lines(axes: Any) -> list[tuple[list[float], list[float], Any]]:
    return [(list(line.get_xdata()), list(line.get_ydata()), line) for line in axes.get_lines()]


def test_operating_points_stand_at_one_minus_specificity_and_sensitivity() -> None:
    curve = {"fpr": [0, 0, 1], "tpr": [0, 0.9, 1]}
    auc = {"estimate": 0.95, "low": 0.9, "high": 1.0}
    sources = {"tin": source("model", 0.76, 0.9, roc=curve, auc=auc), "anna": source("reader", 0.6, 0.7)}
    with styled():
        drawn = lines(roc_figure(sources, title="Testing set A", confidence=0.95).axes[0])
    points = [(x[0], y[0]) for x, y, line in drawn if len(x) == 1 and line.get_marker() != "None"]
    assert points == [(pytest.approx(0.1), 0.76), (pytest.approx(0.3), 0.6)]
    assert ([0, 0, 1], [0, 0.9, 1]) in [(x, y) for x, y, _ in drawn]


def test_every_network_has_its_own_colour_and_dash_and_every_reader_its_own_marker() -> None:
    curve = {"fpr": [0, 0.2, 1], "tpr": [0, 0.8, 1]}
    networks = {name: source("model", 0.8, 0.8, roc=curve) for name in ("tin", "r2plus1d", "resnet3d", "image")}
    readers = {name: source("reader", 0.7, 0.7) for name in "abcd"}
    with styled():
        axes = roc_figure(networks | readers, title="t", confidence=0.95).axes[0]
    curves = [line for line in axes.get_lines() if len(line.get_xdata()) == 3]
    assert len({line.get_color() for line in curves}) == len({repr(line._dash_pattern) for line in curves}) == 4
    marks = [line.get_marker() for line in axes.get_lines() if line.get_markerfacecolor() == "none"]
    assert len(set(marks)) == len(marks) == 4


def test_a_network_keeps_its_colour_on_a_set_that_lacks_another() -> None:
    curve = {"fpr": [0, 0.2, 1], "tpr": [0, 0.8, 1]}
    both = {name: source("model", 0.8, 0.8, roc=curve) for name in ("tin", "image")}
    with styled():
        figures = [
            roc_figure(sources, title="t", confidence=0.95, order=("tin", "image")).axes[0]
            for sources in (both, {"image": both["image"]})
        ]
    colours = [[line.get_color() for line in axes.get_lines() if len(line.get_xdata()) == 3][-1] for axes in figures]
    assert colours[0] == colours[1]


def test_learning_curves_of_one_epoch_are_visible() -> None:
    metrics = pd.DataFrame({"epoch": [0], "train_loss": [0.7], "val_loss": [0.6], "val_auc": [0.5]})
    model = ModelFiles("tin", {"source": "tin", "epoch": 0, "validation_auc": 0.5}, metrics)
    with styled():
        loss, auc = learning_figure([model]).axes
    assert [line.get_marker() for line in loss.get_lines()] == ["o", "o"]
    points = [(x, y) for x, y, line in lines(loss) + lines(auc) if line.get_marker() == "o"]
    assert points == [([1], [0.7]), ([1], [0.6]), ([1], [0.5]), ([1], [0.5])]  # the first epoch is 1, the kept one too


def test_a_long_label_stays_inside_its_box() -> None:
    flow = Flow(
        (Stage("x" * 300, 3, 3), Stage("Analysed", 2, 2)), (Stage("why " * 100, 1, 1),), (Leaf("A", 2, 1, 1),), ()
    )
    with styled():
        figure = flow_figure(flow)
        figure.canvas.draw()
    width = figure.bbox.width
    assert all(text.get_window_extent().x1 <= width for text in figure.axes[0].texts if text.get_text())


def test_drawing_leaves_the_users_settings_and_the_same_bytes(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    for name in ("one", "two"):
        with styled():
            save(flow_figure(Flow((Stage("A", 1),), (), (), ())), tmp_path / name, "flow")
    assert dict(mpl.rcParams) == before
    for suffix in ("svg", "png"):
        assert (tmp_path / "one" / f"flow.{suffix}").read_bytes() == (tmp_path / "two" / f"flow.{suffix}").read_bytes()


def test_hostile_words_in_a_figure_leave_no_markup_in_the_page(tmp_path: Path) -> None:
    with styled():
        save(flow_figure(Flow((Stage("--><script>x</script>$a$", 1),), (), (), ())), tmp_path, "flow")
    svg = inline_svg((tmp_path / "flow.svg").read_text(encoding="utf-8"), "flow")
    assert "script" not in svg
    assert "<!--" not in svg
    assert "http" not in svg.replace("http://www.w3.org/1999/xlink", "")
    assert 'id="flow-' in svg


def test_a_script_that_the_font_lacks_is_drawn_without_a_warning(tmp_path: Path) -> None:
    with styled():
        save(flow_figure(Flow((Stage("第三医院", 1),), (), (), ())), tmp_path, "flow")
    assert (tmp_path / "flow.png").is_file()
