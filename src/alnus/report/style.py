"""The look of every figure, and files of it that are the same bytes each time.

Colours: Okabe and Ito's palette, which colour-blind readers can tell apart; every line also has its own dash,
every reader an own marker.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alnus.provenance import write_atomic

INK, MUTED, GRID, PAPER = "#1f2328", "#6a737d", "#dfe3e8", "#ffffff"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (5, 1.4, 1, 1.4)),
    (0, (1.2, 1.2)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
MARKERS = ("^", "s", "D", "v", "P", "X", "p", "h")
PNG_DPI = 200


def settings() -> dict[str, Any]:
    """Return matplotlib's settings for our figures."""
    return {
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same shapes on every machine
        "font.size": 10,
        "text.color": INK,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "lines.linewidth": 1.9,
        "svg.fonttype": "path",
        "svg.hashsalt": "alnus",
        "path.simplify": False,
        "text.parse_math": False,  # a patient or reader called "$x$" is no formula
    }


@contextmanager
def styled() -> Iterator[None]:
    """Draw in our style, whatever the user's matplotlibrc says; a glyph the font lacks becomes a box, silently."""
    ours: Any = settings()  # the stubs want a literal of every key
    with mpl.rc_context(ours), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that belongs to no global state."""
    figure = Figure(figsize=(width_in, height_in))
    FigureCanvasAgg(figure)
    return figure


def unit_axes(axes: Axes) -> None:
    """Give axes from 0 to 1 both ways, square, with a little air so that curves at 0 and 1 stay visible."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write <name>.svg and <name>.png below `folder`."""
    for suffix, options in (
        ("svg", {"metadata": {"Date": None}}),
        ("png", {"dpi": PNG_DPI, "metadata": {"Software": None}}),
    ):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, **options)
        write_atomic(folder / f"{name}.{suffix}", buffer.getvalue())
