"""`JOB@best:METRIC`: the COMPLETED version whose best value of a metric is the best."""

import difflib

from facejobs.jobs.errors import VersionNotFoundError
from facejobs.jobs.metric_summary import rank_value
from facejobs.jobs.status import State
from facejobs.jobs.version_index import list_versions
from facejobs.jobs.versions import VersionFolder, VersionStore


def best_version(store: VersionStore, job: str, metric: str) -> VersionFolder:
    """The best COMPLETED version by `metric`, the earliest of equals; VersionNotFoundError naming near metrics.

    Which way a metric improves is told by its name: see `facejobs.jobs.metric_history.direction_of`.
    """
    versions, _ = list_versions(store, job)
    if not versions:
        return store.get(job, 1)  # raises, saying what there is
    completed = [version for version in versions if version.state is State.COMPLETED]
    if not completed:
        raise VersionNotFoundError(f"no version of {job} is COMPLETED yet, so none is the best")
    measured = [version for version in completed if metric in version.metrics]
    if not measured:
        names = sorted({name for version in completed for name in version.metrics})
        near = difflib.get_close_matches(metric, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(names) or 'no metric at all'}"
        raise VersionNotFoundError(f"no COMPLETED version of {job} has the metric {metric}: {hint}")
    best = max(measured, key=lambda version: (rank_value(version.metrics[metric]), -version.number))
    return store.get(job, best.number)
