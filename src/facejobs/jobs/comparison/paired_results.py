"""What two versions did on the same data: pairs of faces, photographs with faces, or people to identify."""

from facejobs.jobs.comparison.detection_resamples import compare_precisions
from facejobs.jobs.comparison.identification_significance import PeopleChange, changed_people, compare_searches
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.comparison.significance import PairedBootstrap, paired_bootstrap


def paired_bootstraps(first: Run, other: Run) -> list[PairedBootstrap]:
    """A bootstrap for each thing that both measured under one protocol."""
    tried = [
        paired_bootstrap(scores, other.scores[protocol])
        for protocol, scores in first.scores.items()
        if protocol in other.scores
    ]
    tried += [
        compare_precisions(precision, other.precisions[protocol])
        for protocol, precision in first.precisions.items()
        if protocol in other.precisions
    ]
    if first.searches and other.searches and first.searches.protocol == other.searches.protocol:
        tried += compare_searches(first.searches, other.searches)
    return [result for result in tried if result is not None]


def people_change(first: Run, other: Run) -> PeopleChange | None:
    """Who is identified better and worse, where both searched for the same probes."""
    if not first.searches or not other.searches or first.searches.protocol != other.searches.protocol:
        return None
    return changed_people(first.searches, other.searches)
