"""Calibrated probabilities as a picture: what came true of them, and where faces lie."""

from pathlib import Path

import numpy as np

from facejobs.evaluation.curve_figure import new_figure, save_figure
from facejobs.evaluation.match_probability import Reliability

_EDGES = np.linspace(0, 1, 11).tolist()


def draw_reliability(reliability: Reliability, title: str, path: Path) -> None:
    """Draw the share of right matches over their probability to the PNG file `path`; bars count the matches."""
    figure, axes = new_figure()
    counts = axes.twinx()
    right, wrong = reliability.probabilities[reliability.right], reliability.probabilities[~reliability.right]
    counts.hist(
        [right, wrong], bins=_EDGES, stacked=True, color=["tab:blue", "tab:orange"], alpha=0.25,
        label=["right matches", "wrong matches"],
    )  # fmt: skip
    counts.set_ylabel("matches")
    axes.set_zorder(counts.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.plot([0, 1], [0, 1], color="0.5", linestyle=":", linewidth=1, label="perfect calibration")
    bins = reliability.bins
    shares = np.array([bin_.right for bin_ in bins])
    low, high = np.array([bin_.interval for bin_ in bins]).T
    axes.errorbar(
        [bin_.probability for bin_ in bins], shares, yerr=[np.maximum(shares - low, 0), np.maximum(high - shares, 0)],
        fmt="o-", markersize=4, linewidth=1, capsize=3, color="tab:red", label="share right, 95 % interval",
    )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("probability that the name is right")
    axes.set_ylabel("share of matches that are right")
    save_figure(figure, title, path)
