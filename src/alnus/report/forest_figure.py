"""Subgroups as a forest plot: AUC, sensitivity and specificity of one network, a line a subgroup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alnus.report.style import INK, MUTED, SERIES, new_figure
from alnus.report.wording import has_estimate, has_interval

MEASURES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}
ROW_IN, LEFT_IN, PANEL_IN, GAP_IN = 0.235, 2.05, 1.3, 0.16
TICKS = {"auc": (0, 0.5, 1), "sensitivity": (0, 0.5, 1), "specificity": (0, 0.5, 1)}


def forest_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the subgroups of one network. rows: of results.json, the first being all patients."""
    lines = _lines(rows)
    height = ROW_IN * len(lines) + 0.85
    width = LEFT_IN + 3 * PANEL_IN + 2 * GAP_IN + 0.15
    figure = new_figure(width, height)
    for index, (measure, title) in enumerate(MEASURES.items()):
        left = LEFT_IN + index * (PANEL_IN + GAP_IN)
        box = (left / width, 0.4 / height, PANEL_IN / width, ROW_IN * len(lines) / height)
        _panel(figure.add_axes(box), lines, measure, title, is_first=index == 0)
    return figure


def _lines(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any] | None]]:
    """Return label and row of each line; a variable's name stands above its levels."""
    lines: list[tuple[str, Mapping[str, Any] | None]] = []
    last: object = None
    for row in rows:
        variable = row.get("variable")
        if variable is not None and variable != last:
            lines.append((_short(str(variable), 30), None))
        last = variable
        level = "All patients" if row.get("level") is None else f"   {row['level']}"
        lines.append((f"{_short(level, 19)}  {row['metastases']}/{row['patients']}", row))
    return lines


def _panel(
    axes: Axes, lines: Sequence[tuple[str, Mapping[str, Any] | None]], measure: str, title: str, *, is_first: bool
) -> None:
    axes.set(xlim=(-0.03, 1.03), ylim=(len(lines) - 0.5, -0.5))
    axes.set_title(title, fontsize=9.5, fontweight="bold", loc="left")
    axes.set_xticks(TICKS[measure], [f"{tick:g}" for tick in TICKS[measure]])
    axes.set_yticks(range(len(lines)), [label for label, _ in lines] if is_first else [])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    if is_first:
        for label, (_, row) in zip(axes.get_yticklabels(), lines, strict=True):
            label.set(fontsize=9, fontweight="bold" if row is None else "normal")
    whole = next((row for _, row in lines if row is not None), None)
    if whole is not None and has_estimate(whole.get(measure)):
        axes.axvline(whole[measure]["estimate"], color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
    for y, (_, row) in enumerate(lines):
        if row is not None:
            _mark(axes, y, row.get(measure), is_whole=row.get("level") is None)


def _mark(axes: Axes, y: int, value: Any, *, is_whole: bool) -> None:
    if not has_estimate(value):
        axes.text(0.5, y, "–", ha="center", va="center", color=MUTED)
        return
    colour = INK if is_whole else SERIES[0]
    if has_interval(value):
        axes.plot([value["low"], value["high"]], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
    axes.plot([value["estimate"]], [y], marker="D" if is_whole else "s", color=colour, markersize=5, clip_on=False)


def _short(text: str, letters: int) -> str:
    return f"{text[: letters - 1]}…" if len(text) > letters else text
