"""The look that pictures of curves share."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = (7.0, 5.0)
_DPI = 120
_LEGEND_COLUMNS = 3


def new_figure() -> tuple["Figure", "Axes"]:
    """Return an empty figure of 840 x 600 pixels and its axes."""
    # matplotlib uses a temporary folder where the home cannot be written to, and it warns at length about that.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    return figure, figure.add_subplot()


def save_figure(figure: "Figure", title: str, path: Path) -> None:
    """Add title, grid of the first axes and, below, the legend of all labelled curves; write the PNG file `path`."""
    axes, *_ = figure.axes
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=_LEGEND_COLUMNS, fontsize=9, frameon=False)
    figure.savefig(path, format="png")
