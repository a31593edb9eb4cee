"""Precision over recall as a picture."""

from pathlib import Path

import numpy as np

from facejobs.evaluation.average_precision import Floats
from facejobs.evaluation.curve_figure import new_figure, save_figure
from facejobs.evaluation.detection import HEADLINE, AveragePrecision, DetectionResult

_COLOURS = {
    HEADLINE: "tab:blue",
    "all": "0.3",
    "under_20px": "tab:brown",
    "20_to_50px": "tab:purple",
    "50_to_100px": "tab:pink",
    "over_100px": "tab:cyan",
    "easy": "tab:green",
    "medium": "tab:orange",
    "hard": "tab:red",
}


def draw_precision_recall(result: DetectionResult, path: Path) -> bool:
    """Draw the curve behind each average precision to the PNG file `path`: bands of size dashed, the headline thick.

    Returns False, and draws nothing, where there is no face to look for.
    """
    if not result.precisions:
        return False
    figure, axes = new_figure()
    for measured in result.precisions:
        recall, precision = _steps(measured)
        axes.step(
            recall,
            precision,
            where="pre",
            color=_COLOURS[measured.name],
            linewidth=2.2 if measured.name == HEADLINE else 1.2,
            linestyle="--" if "px" in measured.name and measured.name != HEADLINE else "-",
            label=f"{measured.label}: {measured.value:.3f}",
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    save_figure(figure, _title(result), path)
    return True


def _steps(measured: AveragePrecision) -> tuple[Floats, Floats]:
    """The precision that is measured, from recall 0 on; steps at which nothing was found yet have none."""
    found = measured.curve.recall > 0
    recall, precision = measured.curve.recall[found], measured.curve.precision[found]
    return np.append(0, recall), np.append(precision[:1] if len(precision) else 0, precision)


def _title(result: DetectionResult) -> str:
    return (
        f"{result.name}, test scale {result.scale}: {result.images:,} photographs, {result.detections:,} detections\n"
        "average precision of each curve below"
    )
