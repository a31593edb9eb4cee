"""The ROC curve of a verification as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facejobs.evaluation.confidence import RULE_OF_30
from facejobs.evaluation.curve_figure import new_figure, save_figure
from facejobs.evaluation.thresholds import OrderedScores
from facejobs.evaluation.verification import VerificationResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_roc(result: VerificationResult, path: Path) -> bool:
    """Draw TAR over FAR (logarithmic) to the PNG file `path`; FARs that have too few impostor pairs are greyed.

    Returns False, and draws nothing, where there is no genuine or no impostor pair.
    """
    if result.genuine_pairs == 0 or result.impostor_pairs == 0:
        return False
    figure, axes = new_figure()
    lowest = 10.0 ** np.floor(np.log10(1 / result.impostor_pairs) - 1e-9)
    far, tar = OrderedScores.of(result.scores, result.same).roc()
    axes.step(far[far > 0], tar[far > 0], where="post", color="tab:blue", linewidth=1.6, label="TAR")
    rates = np.geomspace(lowest, 1, 200)
    axes.plot(rates, rates, color="0.5", linestyle=":", linewidth=1, label="chance")
    _draw_operating_points(axes, result)
    limit = min(1.0, RULE_OF_30 / result.impostor_pairs)
    _grey_unsupported(axes, lowest, limit, tar[(far >= lowest) & (far <= limit)])
    axes.set_xscale("log")
    axes.set_xlim(lowest, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("false accept rate (FAR)")
    axes.set_ylabel("true accept rate (TAR)")
    save_figure(figure, _title(result), path)
    return True


def _draw_operating_points(axes: "Axes", result: VerificationResult) -> None:
    if not result.tars:
        return
    values = np.array([point.tar for point in result.tars])
    low, high = np.array([point.interval for point in result.tars]).T
    axes.errorbar(
        [point.far for point in result.tars],
        values,
        yerr=[values - low, high - values],
        fmt="o",
        markersize=4,
        capsize=3,
        color="tab:red",
        label="TAR at FAR, 95 % interval",
    )


def _grey_unsupported(axes: "Axes", lowest: float, limit: float, curve: NDArray[np.float64]) -> None:
    """Grey the FARs from `lowest` to `limit` and say why, where `curve`, the TARs there, leaves most room."""
    below, above = (float(curve.min()), 1 - float(curve.max())) if len(curve) else (1.0, 0.0)
    axes.axvspan(lowest, limit, color="0.85", zorder=0)
    axes.text(
        np.sqrt(lowest * limit),
        below / 2 if below >= above else 1 - above / 2,
        f"not enough pairs:\nfewer than\n{RULE_OF_30} false accepts",
        ha="center",
        va="center",
        color="0.35",
        fontsize=9,
        bbox={"facecolor": "0.85", "edgecolor": "none", "pad": 2},
        zorder=3,
    )


def _title(result: VerificationResult) -> str:
    pairs = f"{result.genuine_pairs:,} genuine and {result.impostor_pairs:,} impostor pairs"
    return f"{result.name}: {pairs}\n{result.protocol}"
