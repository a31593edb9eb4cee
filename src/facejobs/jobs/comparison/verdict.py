"""What a comparison of two versions comes to."""

from dataclasses import dataclass
from enum import StrEnum

from facejobs.jobs.comparison.experiments import Experiment
from facejobs.jobs.comparison.formatting import listed, signed
from facejobs.jobs.comparison.run import Fact


class Judgement(StrEnum):
    """How a difference is to be taken; see docs/how-to/compare-versions.md."""

    CREDITED = "credited"
    CONFOUNDED = "confounded"
    NOISE = "noise"
    NOT_DISTINGUISHABLE = "not distinguishable"
    EQUAL = "equal"
    UNCHANGED = "nothing changed"
    UNFINISHED = "unfinished"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class Verdict:
    """One sentence, the metric it is about, what supports it, and the runs that would tell more."""

    judgement: Judgement
    sentence: str
    metric: str | None = None
    difference: float | None = None
    causes: tuple[Fact, ...] = ()
    details: tuple[str, ...] = ()
    experiments: tuple[Experiment, ...] = ()

    @property
    def gist(self) -> str:
        """The verdict in a few words, without the versions' names."""
        told = str(self.judgement)
        if self.judgement is Judgement.CREDITED:
            told = f"credited to {self.causes[0]}"
        elif self.judgement is Judgement.CONFOUNDED:
            told = f"confounded by {listed([str(fact) for fact in self.causes])}"
        if self.metric is None or self.difference is None:
            return told
        return f"{signed(self.difference)} in {self.metric}, {told}"
