"""Deletion and insertion curves: a column a network, three orders in each panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from alnus.report.style import DASHES, MUTED, SERIES, new_figure
from alnus.report.wording import source_title

LOOKS: dict[str, dict[str, Any]] = {
    "heat": {"color": SERIES[1], "linestyle": "-", "linewidth": 2.0},
    "random": {"color": MUTED, "linestyle": DASHES[1], "linewidth": 1.5},
    "centre": {"color": SERIES[0], "linestyle": DASHES[3], "linewidth": 1.5},
}
TITLES = {"heat": "in the order of the heat", "random": "at random", "centre": "from the centre"}
ROWS = {"deletion": "share removed", "insertion": "share shown"}


def faithfulness_figure(networks: Sequence[tuple[str, Mapping[str, Any]]]) -> Figure:
    """Draw the curves of the networks that have some."""
    drawn = [(name, part["curves"]) for name, part in networks if part.get("curves")]
    figure = new_figure(max(4.2, 0.6 + 1.65 * len(drawn)), 4.1)
    grid = figure.subplots(2, len(drawn), squeeze=False, sharex=True, sharey="col")
    for column, (name, curves) in enumerate(drawn):
        for axes, (measure, label) in zip(grid[:, column], ROWS.items(), strict=True):
            for order, look in LOOKS.items():
                axes.plot(curves["shares"], curves[measure][order], label=TITLES[order], **look)
            axes.set_xlabel(label, fontsize=9)
            axes.set_ylim(bottom=0)
        grid[0, column].set_title(source_title(name), loc="left", fontsize=9.5, fontweight="bold")
    for axes in grid[:, 0]:
        axes.set_ylabel("Mean score")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=9)
    figure.subplots_adjust(left=0.1, right=0.985, top=0.93, bottom=0.2, hspace=0.42, wspace=0.34)
    return figure
