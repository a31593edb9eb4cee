"""The CMC and the DET curve of an identification as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facejobs.evaluation.confidence import RULE_OF_30
from facejobs.evaluation.curve_figure import new_figure, save_figure
from facejobs.evaluation.identification import IdentificationResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_cmc(result: IdentificationResult, path: Path) -> bool:
    """Draw the cumulative match characteristic to the PNG file `path`; False, and nothing, without mated searches."""
    if not len(result.cmc):
        return False
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure()
    ranks = np.arange(1, len(result.cmc) + 1)
    axes.step(ranks, result.cmc, where="post", color="tab:blue", linewidth=1.6, marker=".", label="CMC")
    _draw_intervals(
        axes, [(point.rank, point.value, point.interval) for point in result.ranks], "rank-k accuracy, 95 % interval"
    )
    axes.set_xlim(0.5, max(2, len(ranks)) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(min(0.9, float(result.cmc[0]) - 0.1, *(point.interval[0] for point in result.ranks)), 1.005)
    axes.set_xlabel("rank k")
    axes.set_ylabel("mated searches whose mate is at rank k or better")
    mated = int(result.searches.mated.sum())
    title = f"CMC: {mated:,} searches among {result.searches.people:,} people\n{result.protocol}"
    save_figure(figure, title, path)
    return True


def draw_det(result: IdentificationResult, path: Path) -> bool:
    """Draw FNIR over FPIR, both logarithmic, to the PNG file `path`; False, and nothing, without both kinds of search.

    FPIRs that rest on fewer than 30 false positives are greyed.
    """
    if not len(result.fpir):
        return False
    figure, axes = new_figure()
    strangers, mated = len(result.fpir) - 1, int(result.searches.mated.sum())
    lowest = 1 / strangers
    # A logarithmic axis has no place for zero: such an FNIR is drawn where half a miss would be.
    half_a_miss = 0.5 / mated
    floor = 10 ** np.floor(np.log10(max(half_a_miss, float(result.fnir.min()))) - 1e-9)
    drawn = np.maximum(result.fnir[1:], half_a_miss)
    axes.step(result.fpir[1:], drawn, where="post", color="tab:blue", linewidth=1.6, label="FNIR")
    _draw_intervals(
        axes,
        [(point.fpir, max(point.fnir, half_a_miss), point.interval) for point in result.open_set],
        "FNIR at FPIR, 95 % interval",
    )
    axes.axvspan(lowest, min(1.0, RULE_OF_30 / strangers), color="0.9", zorder=0, label="fewer than 30 false positives")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(floor, 1.1)
    axes.set_xlabel("false positive identification rate (FPIR)")
    axes.set_ylabel("false negative identification rate (FNIR)")
    searches = f"{mated:,} mated and {strangers:,} non-mated searches among {result.searches.people:,} people"
    save_figure(figure, f"{searches}\n{result.protocol}", path)
    return True


def _draw_intervals(axes: "Axes", points: Sequence[tuple[float, float, tuple[float, float]]], label: str) -> None:
    """Points (x, y, interval of y) with their intervals."""
    if not points:
        return
    values = np.array([value for _, value, _ in points])
    low, high = np.array([interval for _, _, interval in points]).T
    spread = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
    places = [place for place, _, _ in points]
    axes.errorbar(places, values, yerr=spread, fmt="o", markersize=4, capsize=3, color="tab:red", label=label)
