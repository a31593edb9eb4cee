"""Verification results as a table to read."""

from facejobs.cli.counts import count_of
from facejobs.evaluation.verification import NotEnoughPairs, VerificationResult

_NAME_WIDTH = 18


def to_table(result: VerificationResult) -> str:
    """Return the result as lines for a terminal."""
    lines = [
        f"{result.name}: {count_of(result.genuine_pairs, 'pair')} of one person, {result.impostor_pairs:,} of "
        f"different people, {count_of(result.image_count, 'image')}",
        f"  protocol {result.protocol}",
    ]
    if result.accuracy is not None:
        accuracy = result.accuracy
        lines.append(
            f"  {'accuracy':{_NAME_WIDTH}}{accuracy.mean:.4f} ± {accuracy.deviation:.4f}"
            f"  {_interval(accuracy.interval)}  (mean ± standard deviation of {len(accuracy.folds)} folds)"
        )
    lines.extend(
        f"  {f'TAR at FAR {point.far:g}':{_NAME_WIDTH}}{point.tar:.4f}           {_interval(point.interval)}"
        f"  at cosine {point.threshold:.4f}"
        for point in result.tars
    )
    lines.extend(f"  {_label(missing):{_NAME_WIDTH}}{_explain(missing)}" for missing in result.unsupported)
    return "\n".join(lines)


def _interval(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]"


def _label(missing: NotEnoughPairs) -> str:
    if missing.far is None:
        return "accuracy"
    return f"TAR at FAR {missing.far:g}"


def _explain(missing: NotEnoughPairs) -> str:
    return f"not enough {missing.what}: {missing.present:,} present, {missing.needed:,} needed"
