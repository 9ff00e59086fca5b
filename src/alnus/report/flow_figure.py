"""The cohort flow as a diagram: boxes from top to bottom, what was excluded at the side, partitions below."""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from alnus.report.flow import Flow
from alnus.report.style import INK, MUTED, PAPER, SERIES, new_figure
from alnus.report.wording import count

WIDTH_IN, BOX_IN, GAP_IN, LEAF_IN, LEAF_GAP_IN = 5.4, 0.5, 0.27, 0.46, 0.08
TRUNK_IN, INDENT_IN, BUS_IN, LINE_IN = 2.6, 0.5, 0.22, 0.19
SIDE_LEFT_IN, SIDE_LETTERS = 1.55, 50
MOST_REASONS = 8


def flow_figure(flow: Flow) -> Figure:
    """Draw the flow, one inch of axes to one inch of paper, so that text never outgrows its box."""
    trunk = len(flow.trunk)
    side = _side_lines(flow) if trunk > 1 else []
    side_gap = LINE_IN * len(side) + 0.14 if side else 0.0
    height = trunk * (BOX_IN + GAP_IN) + side_gap + len(flow.leaves) * (LEAF_IN + LEAF_GAP_IN) + 0.1
    figure = new_figure(WIDTH_IN, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH_IN), ylim=(0, height))
    axes.axis("off")
    top = height - 0.05
    for index, stage in enumerate(flow.trunk):
        _box(axes, 0.05, top, TRUNK_IN, BOX_IN, stage.label, stage.text)
        bottom = top - BOX_IN
        gap = GAP_IN + (side_gap if index == 0 else 0)
        if index + 1 < trunk:
            _arrow(axes, (0.05 + TRUNK_IN / 2, bottom), (0.05 + TRUNK_IN / 2, bottom - gap))
            if index == 0 and side:
                _excluded(axes, side, bottom - gap / 2)
        top = bottom - gap
    _leaves(axes, flow, top + GAP_IN, top)
    return figure


def _side_lines(flow: Flow) -> list[tuple[str, str]]:
    """Return the lines of the box at the side, each with its colour."""
    lines = []
    for stage in flow.excluded:
        lines += [(line, INK) for line in textwrap.wrap(stage.label, SIDE_LETTERS)[:2]]
        lines.append((stage.text, MUTED))
    for reason, videos in flow.reasons[:MOST_REASONS]:
        lines.append((f"   {reason}: {count(videos, 'video')}", INK))
    if len(flow.reasons) > MOST_REASONS:
        rest = sum(n for _, n in flow.reasons[MOST_REASONS:])
        lines.append((f"   other reasons: {count(rest, 'video')}", INK))
    return lines


def _excluded(axes: Axes, lines: list[tuple[str, str]], middle: float) -> None:
    """Draw what left the study, beside the arrow that it left from."""
    height = LINE_IN * len(lines) + 0.16
    _arrow(axes, (0.05 + TRUNK_IN / 2, middle), (SIDE_LEFT_IN, middle))
    axes.add_patch(_patch((SIDE_LEFT_IN, middle - height / 2), WIDTH_IN - SIDE_LEFT_IN - 0.05, height, MUTED))
    for index, (line, colour) in enumerate(lines):
        y = middle + height / 2 - 0.08 - LINE_IN * (index + 0.5)
        axes.text(SIDE_LEFT_IN + 0.12, y, line, va="center", fontsize=9, color=colour)


def _leaves(axes: Axes, flow: Flow, start: float, top: float) -> None:
    bus = 0.05 + BUS_IN
    for index, leaf in enumerate(flow.leaves):
        y = top - index * (LEAF_IN + LEAF_GAP_IN)
        middle = y - LEAF_IN / 2
        axes.plot([bus, bus], [start, middle], color=MUTED, linewidth=1)
        _arrow(axes, (bus, middle), (INDENT_IN, middle))
        _box(axes, INDENT_IN, y, WIDTH_IN - INDENT_IN - 0.05, LEAF_IN, leaf.label, leaf.text, edge=SERIES[0])


def _box(
    axes: Axes, x: float, top: float, width: float, height: float, label: str, text: str, *, edge: str = INK
) -> None:
    axes.add_patch(_patch((x, top - height), width, height, edge))
    axes.text(
        x + 0.12, top - height / 2 + 0.11, _short(label, int(width / 0.09)), va="center", fontsize=9.5, weight="bold"
    )
    axes.text(x + 0.12, top - height / 2 - 0.11, _short(text, int(width / 0.078)), va="center", fontsize=9.5)


def _patch(corner: tuple[float, float], width: float, height: float, edge: str) -> FancyBboxPatch:
    style = "round,pad=0,rounding_size=0.05"
    return FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=PAPER, edgecolor=edge, linewidth=1, zorder=2)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    look = {"arrowstyle": "-|>", "color": MUTED, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, arrowprops=look)


def _short(text: str, width: int) -> str:
    return f"{text[: width - 1].rstrip()}…" if len(text) > width else text
