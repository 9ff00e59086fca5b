"""The ROC figure of a test set: curves, the operating points at the frozen thresholds, the readers' points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alnus.report.style import DASHES, GRID, INK, MARKERS, MUTED, PAPER, SERIES, new_figure, unit_axes
from alnus.report.wording import has_estimate, interval, is_number, number, source_title

WIDTH_IN, SIDE_IN, LEFT_IN, ROW_IN = 4.6, 3.95, 0.55, 0.176
Named = tuple[str, Mapping[str, Any]]


def roc_figure(
    sources: Mapping[str, Mapping[str, Any]],
    *,
    title: str,
    confidence: float,
    order: Sequence[str] = (),
    banded: str | None = None,
) -> Figure:
    """Draw one test set. sources: results.json's, by name; those without a curve give points only.

    order: the networks of the whole study, so that each keeps its colour on every set.
    banded: the network whose pointwise band is drawn too; of all of them the bands would hide each other.
    """
    of_kind = {
        kind: [(name, source) for name, source in sources.items() if source.get("kind", "model") == kind]
        for kind in ("model", "ceiling", "reader")
    }
    rows = sum(len(named) for named in of_kind.values()) + 1
    bottom = 0.12 + ROW_IN * rows + 0.56
    height = bottom + SIDE_IN + 0.32
    figure = new_figure(WIDTH_IN, height)
    axes = figure.add_axes((LEFT_IN / WIDTH_IN, bottom / height, SIDE_IN / WIDTH_IN, SIDE_IN / height))
    unit_axes(axes)
    axes.set(xlabel="1 − specificity", ylabel="Sensitivity")
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.2, zorder=1)
    colours = [*order, *(name for name, _ in of_kind["model"] if name not in order)]
    entries = [
        *_networks(axes, of_kind["model"], colours, banded),
        *_ceilings(axes, of_kind["ceiling"]),
        *_readers(axes, of_kind["reader"]),
    ]
    _legend(figure, entries, f"AUC ({100 * confidence:g}% CI); filled point: its calls", height)
    return figure


def _legend(figure: Figure, entries: Sequence[Line2D], title: str, height: float) -> None:
    legend = figure.legend(
        handles=entries,
        loc="lower left",
        bbox_to_anchor=(0.02, 0.06 / height),
        title=title,
        fontsize=9,
        title_fontsize=8.5,
        alignment="left",
        handlelength=3.2,
        labelspacing=0.35,
        borderaxespad=0,
    )
    legend.get_title().set_color(MUTED)


def _networks(axes: Axes, named: Sequence[Named], colours: Sequence[str], banded: str | None) -> list[Line2D]:
    entries = []
    for name, source in named:
        index = colours.index(name)
        look = {"color": SERIES[index % len(SERIES)], "linestyle": DASHES[index % len(DASHES)]}
        if name == banded:
            _band(axes, source, look["color"])
        _curve(axes, source, zorder=3, **look)
        _point(axes, source, marker="o", color=look["color"], markeredgecolor=PAPER, markersize=9, zorder=6)
        label = f"{source_title(name)}  {_auc_label(source)}"
        entries.append(Line2D([], [], marker="o", markeredgecolor=PAPER, markersize=7, label=label, **look))
    return entries


def _ceilings(axes: Axes, named: Sequence[Named]) -> list[Line2D]:
    entries = []
    for index, (name, source) in enumerate(named):
        look: dict[str, Any] = {"color": MUTED, "linestyle": ((0, (1, 1.5)), (0, (6, 2)))[index % 2], "linewidth": 1.2}
        _curve(axes, source, zorder=2, **look)
        entries.append(Line2D([], [], label=f"{source_title(name, 'ceiling')}  {_auc_label(source)}", **look))
    return entries


def _readers(axes: Axes, named: Sequence[Named]) -> list[Line2D]:
    entries = []
    for index, (name, source) in enumerate(named):
        look: dict[str, Any] = {
            "marker": MARKERS[index % len(MARKERS)],
            "color": INK,
            "markerfacecolor": "none",
            "markeredgewidth": 1.5,
            "markersize": 8,
            "linestyle": "none",
        }
        drawn = _point(axes, source, zorder=7, **look)
        percent = _point_label(source) if drawn else "no operating point"
        entries.append(Line2D([], [], label=f"{source_title(name, 'reader')}  {percent}", **look))
    return entries


def _band(axes: Axes, source: Mapping[str, Any], colour: str) -> None:
    band = source.get("roc_band")
    if isinstance(band, Mapping) and band.get("fpr"):
        axes.fill_between(band["fpr"], band["low"], band["high"], color=colour, alpha=0.18, linewidth=0, zorder=1.5)


def _curve(axes: Axes, source: Mapping[str, Any], **look: Any) -> None:
    roc = source.get("roc")
    if isinstance(roc, Mapping) and roc.get("fpr"):
        axes.plot(roc["fpr"], roc["tpr"], solid_capstyle="round", **look)


def _point(axes: Axes, source: Mapping[str, Any], **look: Any) -> bool:
    if not (has_estimate(source.get("sensitivity")) and has_estimate(source.get("specificity"))):
        return False
    look.setdefault("linestyle", "none")
    axes.plot([1 - source["specificity"]["estimate"]], [source["sensitivity"]["estimate"]], clip_on=False, **look)
    return True


def _auc_label(source: Mapping[str, Any]) -> str:
    auc = source.get("auc")
    if not isinstance(auc, Mapping) or not is_number(auc.get("estimate")):
        return "AUC not defined"
    return f"{number(auc['estimate'])} ({interval(auc)})"


def _point_label(source: Mapping[str, Any]) -> str:
    sensitivity, specificity = source["sensitivity"]["estimate"], source["specificity"]["estimate"]
    return f"sensitivity {number(100 * sensitivity, 1)}%, specificity {number(100 * specificity, 1)}%"
