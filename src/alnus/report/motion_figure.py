"""The figure of altered cines: a point and interval for each network and alteration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from alnus.report.motion_section import CINES
from alnus.report.style import DASHES, GRID, INK, MUTED, SERIES, new_figure
from alnus.report.wording import has_estimate, has_interval, source_title

LABELS = ("as it is", "frames\nreversed", "frames\nshuffled", "frozen to\nthe keyframe", "the keyframe\nalone")
SPREAD = 0.6  # of the distance between two alterations, for the networks side by side


def motion_figure(
    networks: Sequence[tuple[str, Mapping[str, Any]]], image: Mapping[str, Any] | None, colours: Sequence[str]
) -> Figure:
    """Draw the AUC of each network on each cine. image: the image network's AUC, a band behind."""
    figure = new_figure(6.4, 3.3)
    axes = figure.add_axes((0.085, 0.21, 0.9, 0.68))
    axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=DASHES[3])
    if has_estimate(image):
        axes.axhline(image["estimate"], color=MUTED, linewidth=1.2)
        axes.axhspan(image["low"], image["high"], color=GRID, alpha=0.6, linewidth=0)
    for number, (name, part) in enumerate(networks):
        offset = SPREAD * ((number + 0.5) / len(networks) - 0.5)
        colour = SERIES[colours.index(name) % len(SERIES)] if name in colours else INK
        _points(axes, part, offset, colour, source_title(name))
    axes.set(ylim=(-0.02, 1.02), ylabel="AUC", xlim=(-0.5, len(CINES) - 0.5))
    axes.set_xticks(range(len(CINES)), LABELS, fontsize=9)
    axes.grid(visible=False, axis="x")
    figure.legend(loc="upper left", bbox_to_anchor=(0.07, 1.0), ncols=len(networks), fontsize=9, handletextpad=0.3)
    return figure


def _points(axes: Any, part: Mapping[str, Any], offset: float, colour: str, title: str) -> None:
    label: str | None = title
    for place, how in enumerate(CINES):
        area = part["auc"][how]
        if not has_estimate(area):
            continue
        if has_interval(area):
            axes.plot([place + offset] * 2, [area["low"], area["high"]], color=colour, linewidth=1.6)
        axes.plot([place + offset], [area["estimate"]], "o", color=colour, markersize=5.5, label=label)
        label = None
