"""Detection results as a table to read."""

from facejobs.cli.counts import count_of
from facejobs.cli.tables import printable
from facejobs.evaluation.detection import AveragePrecision, DetectionResult
from facejobs.evaluation.landmark_error import LANDMARK_NAMES, LandmarkError

_LABEL_WIDTH = 18


def to_table(result: DetectionResult) -> str:
    """Return the result as lines for a terminal."""
    lines = [
        f"{printable(result.name)}: {count_of(result.images, 'photograph')}, {count_of(result.detections, 'detection')}"
        f", test scale {result.scale}",
    ]
    if not result.precisions:
        lines.append("  no face is labelled that counts, so there is nothing to measure")
    else:
        lines.append(f"  {'':{_LABEL_WIDTH}}{'faces':>7}  {'AP':6}  {'95 % interval':16}  recall")
        lines.extend(_row(measured) for measured in result.precisions)
    best = None if result.headline is None else result.headline.curve.best_f1()
    if best is not None:
        lines.append(
            f"  faces from 20 px: best F1 {best.f1:.4f} at score {best.threshold:.4g}, precision {best.precision:.4f}, "
            f"recall {best.recall:.4f}"
        )
    if result.landmarks is not None:
        lines.extend(_landmarks(result.landmarks))
    return "\n".join(lines)


def _row(measured: AveragePrecision) -> str:
    interval = "" if measured.interval is None else f"[{measured.interval[0]:.4f}, {measured.interval[1]:.4f}]"
    return (
        f"  {measured.label:{_LABEL_WIDTH}}{measured.faces:>7,}  {measured.value:.4f}  {interval:16}  "
        f"{measured.recall:.4f}"
    )


def _landmarks(error: LandmarkError) -> list[str]:
    low, high = error.interval
    each = ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}"
        for name, value in zip(LANDMARK_NAMES, error.per_landmark, strict=True)
        if value == value
    )
    return [
        f"  landmark error {error.mean:.4f} of the face's size  [{low:.4f}, {high:.4f}]  "
        f"({count_of(error.faces, 'face')})",
        f"    {each}",
    ]
