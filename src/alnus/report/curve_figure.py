"""Learning curves: one figure a network, loss above, validation AUC below, the kept epoch marked.

metrics.csv and the model cards count epochs from 0, the figure from 1, as the console does.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alnus.report.run_files import ModelFiles
from alnus.report.style import INK, MUTED, SERIES, new_figure
from alnus.report.wording import epoch_from_one

TRAIN, VALIDATION, AUC = SERIES[1], SERIES[0], SERIES[2]


def learning_figure(models: Sequence[ModelFiles]) -> Figure:
    """Draw one network's curves; with cross-validation, one thin line a fold. Each model has metrics."""
    figure = new_figure(4.6, 3.9)
    loss, auc = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (1.15, 1)})
    width = 1.9 if len(models) == 1 else 1.0
    for model in models:
        if model.metrics is None:
            continue
        _line(
            loss, model.metrics, "train_loss", color=TRAIN, linestyle=(0, (5, 1.6)), linewidth=width, label="training"
        )
        _line(loss, model.metrics, "val_loss", color=VALIDATION, linestyle="-", linewidth=width, label="validation")
        _line(auc, model.metrics, "val_auc", color=AUC, linestyle="-", linewidth=width, label="validation AUC")
        _kept_epoch(auc, model)
    loss.set_ylabel("Loss")
    loss.set_ylim(bottom=0)
    _legend(loss)
    auc.set(ylabel="Validation AUC", xlabel="Epoch", ylim=(0, 1.05), yticks=[0, 0.25, 0.5, 0.75, 1])
    auc.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    auc.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels([loss, auc])
    figure.subplots_adjust(left=0.13, right=0.975, top=0.975, bottom=0.125, hspace=0.16)
    return figure


def _line(axes: Axes, metrics: pd.DataFrame, column: str, **look: object) -> None:
    if column not in metrics.columns:
        return
    known = metrics[["epoch", column]].dropna()
    if len(known) == 1:
        look["marker"] = "o"
    axes.plot(known["epoch"] + 1, known[column], **look)  # type: ignore[arg-type]  # line properties pass through


def _kept_epoch(axes: Axes, model: ModelFiles) -> None:
    epoch, value = epoch_from_one(model.card.get("epoch")), model.card.get("validation_auc")
    if epoch is not None and value is not None:
        axes.plot(
            [epoch], [value], marker="o", markersize=7, color=INK, markerfacecolor="none", markeredgewidth=1.5, zorder=5
        )


def _legend(axes: Axes) -> None:
    """One entry a kind of line, however many folds there are."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    if unique:
        axes.legend(list(unique.values()), list(unique), loc="lower left", ncols=2, fontsize=9, handlelength=2.6)
