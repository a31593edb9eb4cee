"""The curves of a report, as the report's script draws them: few enough points for a phone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facejobs.jobs.comparison.comparison import Comparison
from facejobs.jobs.comparison.pair_scores import PairScores
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.metric_history import MetricCurve, Point

CURVE_POINTS = 1200
_ROC_POINTS = 400
_BINS = 40
_DIGITS = 6


def report_data(comparison: Comparison) -> dict[str, Any]:
    """Learning curves by metric, and for each verification set its histograms and ROC curves, JSON-ready."""
    curves = [_metric(name, comparison.runs) for name in _drawable(comparison)]
    return {
        "versions": [run.version for run in comparison.runs],
        "selected": _selected(comparison),
        "curves": curves,
        "sets": [_set(protocol, comparison.runs) for protocol in _protocols(comparison.runs)],
    }


def _selected(comparison: Comparison) -> str | None:
    """The metric that decides, if it is a curve and not a single point; else the first one that is."""
    names = _drawable(comparison)
    curved = [name for name in names if _longest(comparison, name) > 1]
    decisive = [pair.verdict.metric for pair in comparison.pairs if pair.verdict.metric in curved]
    return next(iter([*decisive, *curved, *names]), None)


def _drawable(comparison: Comparison) -> list[str]:
    """Metrics in the order of the table, those of a single point last: they are not much of a curve."""
    names = [row.name for row in comparison.rows]
    return sorted(names, key=lambda name: _longest(comparison, name) == 1)


def _longest(comparison: Comparison, name: str) -> int:
    return max(len(curve.points) for run in comparison.runs if (curve := run.history.curves.get(name)))


def _metric(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    series = []
    for run in runs:
        curve = run.history.curves.get(name)
        if curve is not None:
            series.append(_series(run, curve))
    return {"name": name, "series": series}


def _series(run: Run, curve: MetricCurve) -> dict[str, Any]:
    points = thinned(curve.points)
    times = [point.time for each in run.history.curves.values() for point in each.points if point.time is not None]
    start = min(times, default=None)
    minutes = None
    if start is not None and all(point.time is not None for point in points):
        minutes = [round((point.time - start) / 60, 3) for point in points if point.time is not None]
    return {
        "version": run.version,
        "step": [point.step for point in points],
        "value": [_rounded(point.value) for point in points],
        "minutes": minutes,
        "all": len(curve.points),
    }


def thinned(points: Sequence[Point], most: int = CURVE_POINTS) -> list[Point]:
    """At most `most` points: of equal runs of points the lowest and the highest, so that no spike disappears."""
    if len(points) <= most:
        return list(points)
    edges = np.linspace(0, len(points), most // 2 + 1).astype(int)
    kept: list[Point] = []
    for low, high in pairwise(edges):
        part = points[low:high]
        kept += sorted({min(part, key=lambda point: point.value), max(part, key=lambda point: point.value)})
    return kept


def _protocols(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(protocol for run in runs for protocol in run.scores))


def _set(protocol: str, runs: Sequence[Run]) -> dict[str, Any]:
    scored = [(run.version, run.scores[protocol]) for run in runs if protocol in run.scores]
    every = np.concatenate([scores.distance for _, scores in scored])
    edges = np.linspace(*(_range(every)), _BINS + 1)
    return {
        "name": scored[0][1].name,
        "protocol": protocol,
        "pairs": len(scored[0][1].same),
        "centres": [_rounded(float(centre)) for centre in (edges[:-1] + edges[1:]) / 2],
        "series": [{"version": version, **_distribution(scores, edges)} for version, scores in scored],
    }


def _range(distances: NDArray[np.float64]) -> tuple[float, float]:
    if not len(distances) or distances.min() == distances.max():
        return 0.0, 4.0
    return float(distances.min()), float(distances.max())


def _distribution(scores: PairScores, edges: NDArray[np.float64]) -> dict[str, Any]:
    genuine, impostor = scores.distance[scores.same], scores.distance[~scores.same]
    far, tar = _roc(genuine, impostor)
    return {"genuine": _shares(genuine, edges), "impostor": _shares(impostor, edges), "far": far, "tar": tar}


def _shares(distances: NDArray[np.float64], edges: NDArray[np.float64]) -> list[float]:
    counts = np.histogram(distances, edges)[0]
    return [_rounded(float(count)) for count in counts / max(1, len(distances))]


def _roc(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Accept rates of impostor and genuine pairs at ascending distance thresholds; empty without both kinds."""
    if not len(genuine) or not len(impostor):
        return [], []
    limits = np.unique(np.concatenate([genuine, impostor]))
    far = np.searchsorted(np.sort(impostor), limits, side="right") / len(impostor)
    tar = np.searchsorted(np.sort(genuine), limits, side="right") / len(genuine)
    far, tar = np.append(0.0, far), np.append(0.0, tar)
    chosen = np.unique(np.linspace(0, len(far) - 1, _ROC_POINTS).astype(int))
    # Low false accept rates are what a recogniser is judged by: of them every point is kept.
    chosen = np.union1d(chosen, np.flatnonzero(far <= 0.02)[-_ROC_POINTS:])
    return [_rounded(float(value)) for value in far[chosen]], [_rounded(float(value)) for value in tar[chosen]]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
