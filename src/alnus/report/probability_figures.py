"""Calibration before and after recalibration, and decision curves: small multiples, one panel a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from alnus.report.probability_tables import STAGES
from alnus.report.style import DASHES, INK, MUTED, SERIES, new_figure, unit_axes
from alnus.report.wording import source_title

Named = Sequence[tuple[str, Mapping[str, Any]]]
PANEL_IN = 2.35


def calibration_models(body: Mapping[str, Any]) -> Named:
    """Return the networks of a set with a smooth calibration curve."""
    return [
        (name, source)
        for name, source in body["sources"].items()
        if source.get("kind", "model") == "model" and any(_curve(source, stage) for stage in STAGES)
    ]


def _curve(source: Mapping[str, Any], stage: str) -> Mapping[str, Any] | None:
    curve = (source.get(stage) or {}).get("curve")
    return curve if isinstance(curve, Mapping) and curve.get("predicted") else None


def calibration_figure(models: Named, colours: Sequence[str]) -> Figure:
    """Draw a row a network: its scores as they are, and recalibrated; line, band, the diagonal of perfection."""
    figure = new_figure(5.4, 0.55 + PANEL_IN * len(models))
    grid = figure.subplots(len(models), 2, squeeze=False, sharex=True, sharey=True)
    for row, (name, source) in zip(grid, models, strict=True):
        colour = _colour(name, colours)
        for axes, (stage, said) in zip(row, STAGES.items(), strict=True):
            unit_axes(axes)
            axes.set_title(f"{source_title(name)}, {said}", loc="left", fontsize=9.5, fontweight="bold")
            axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHES[3])
            _draw_curve(axes, _curve(source, stage), colour)
        row[0].set_ylabel("Share with metastasis")
    for axes in grid[-1]:
        axes.set_xlabel("Predicted probability")
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.11, right=0.985, top=1 - 0.25 / height, bottom=0.45 / height, hspace=0.2, wspace=0.08)
    return figure


def _draw_curve(axes: Axes, curve: Mapping[str, Any] | None, colour: str) -> None:
    if curve is None:
        axes.text(0.5, 0.5, "none", ha="center", color=MUTED)
        return
    axes.fill_between(curve["predicted"], curve["low"], curve["high"], color=colour, alpha=0.22, linewidth=0)
    axes.plot(curve["predicted"], curve["observed"], color=colour)


def decision_models(body: Mapping[str, Any]) -> Named:
    """Return the networks of a set with a decision curve."""
    return [
        (name, source)
        for name, source in body["sources"].items()
        if source.get("kind", "model") == "model" and (source.get("decision_curve") or {}).get("thresholds")
    ]


def decision_figure(models: Named, colours: Sequence[str]) -> Figure:
    """Draw net benefit over the threshold probability, a panel a network, beside biopsy for all and for none."""
    rows = -(-len(models) // 2)
    across = min(2, len(models))
    figure = new_figure(2.75 * across if across > 1 else 4.4, 1.15 + 2.1 * rows)
    grid = figure.subplots(rows, across, squeeze=False, sharex=True, sharey=True)
    flat = [axes for row in grid for axes in row]
    for axes in flat[len(models) :]:
        axes.set_visible(False)
    top = max(max(source["decision_curve"]["high"]) for _, source in models)
    for axes, (name, source) in zip(flat, models, strict=False):
        curve = source["decision_curve"]
        colour = _colour(name, colours)
        axes.fill_between(curve["thresholds"], curve["low"], curve["high"], color=colour, alpha=0.22, linewidth=0)
        axes.plot(curve["thresholds"], curve["treat_all"], color=MUTED, linewidth=1.3, linestyle=DASHES[1])
        axes.axhline(0, color=INK, linewidth=1, linestyle=DASHES[3])
        axes.plot(curve["thresholds"], curve["net_benefit"], color=colour)
        axes.set_title(source_title(name), loc="left", fontsize=9.5, fontweight="bold")
        axes.set(ylim=(-0.15, top + 0.03), xlim=(0, max(curve["thresholds"])))
    for index, axes in enumerate(flat[: len(models)]):
        if index % across == 0:
            axes.set_ylabel("Net benefit")
        if index + across >= len(models):
            axes.set_xlabel("Threshold probability")
            axes.tick_params(labelbottom=True)
    height = figure.get_figheight()
    left = 0.6 / figure.get_figwidth()
    figure.subplots_adjust(
        left=left, right=1 - 0.55 * left, top=1 - 0.25 / height, bottom=0.9 / height, hspace=0.3, wspace=0.12
    )
    _decision_legend(figure)
    return figure


def _decision_legend(figure: Figure) -> None:
    entries = [
        Line2D([], [], color=INK, label="network"),
        Patch(color=INK, alpha=0.22, linewidth=0, label="its interval"),
        Line2D([], [], color=MUTED, linewidth=1.3, linestyle=DASHES[1], label="biopsy all"),
        Line2D([], [], color=INK, linewidth=1, linestyle=DASHES[3], label="biopsy none"),
    ]
    columns = 4 if figure.get_figwidth() > 4 else 2
    figure.legend(handles=entries, loc="lower center", ncols=columns, fontsize=8.5, handlelength=2.2, columnspacing=1.2)


def _colour(name: str, colours: Sequence[str]) -> str:
    """Return a network's colour, the same in every figure."""
    return SERIES[(colours.index(name) if name in colours else len(colours)) % len(SERIES)]
