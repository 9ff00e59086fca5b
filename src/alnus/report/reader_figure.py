"""Each reader's accuracy and the readers' mean, a mark a way of reading, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alnus.evaluation.readers.text import TITLES
from alnus.report.style import MARKERS, MUTED, SERIES, new_figure

ROW_IN = 0.2
WIDTH_IN = 6.4


def reader_figure(found: Mapping[str, Any]) -> Figure:
    """Draw one analysis of `reader_study`, as plain values."""
    ways, names = found["study"]["treatments"], [*found["study"]["readers"], "Readers’ mean"]
    height = ROW_IN * (len(ways) + 0.8) * len(names) + 0.75 + 0.2 * len(ways)
    figure = new_figure(WIDTH_IN, height)
    axes = figure.add_axes((0.25, 0.5 / height, 0.72, 1 - (0.75 + 0.2 * len(ways)) / height))
    rows = [*found["by_reader"], *({**row, "reader": names[-1]} for row in found["means"])]
    step = len(ways) + 0.8
    for row in rows:
        _mark(axes, names.index(row["reader"]) * step + ways.index(row["treatment"]), ways.index(row["treatment"]), row)
    axes.set_yticks([place * step + (len(ways) - 1) / 2 for place in range(len(names))], names)
    axes.set(ylim=(step * len(names) - 0.9, -0.9), xlabel=TITLES[found["metric"]])
    axes.axhline((len(names) - 1) * step - 0.9, color=MUTED, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    figure.legend(handles=[_entry(place, way) for place, way in enumerate(ways)], loc="upper right", fontsize=9)
    return figure


def _look(place: int) -> dict[str, Any]:
    return {"color": SERIES[place % len(SERIES)], "marker": MARKERS[place % len(MARKERS)], "markersize": 5}


def _entry(place: int, way: str) -> Line2D:
    return Line2D([], [], linewidth=1.5, label=way, **_look(place))


def _mark(axes: Any, y: float, place: int, row: Mapping[str, Any]) -> None:
    if row["low"] is not None and row["high"] is not None:
        axes.plot([row["low"], row["high"]], [y, y], color=_look(place)["color"], linewidth=1.5)
    axes.plot([row["estimate"]], [y], linestyle="none", clip_on=False, **_look(place))
