"""What a comparison knows of one version."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from facejobs.jobs.comparison.detection_resamples import ResampledPrecision
from facejobs.jobs.comparison.pair_scores import PairScores
from facejobs.jobs.comparison.search_record import SearchRecord
from facejobs.jobs.metric_history import MetricHistory
from facejobs.jobs.status import State

SEED = "seed"


class Aspect(StrEnum):
    """What kind of thing a fact of a version is about."""

    PARAMETER = "parameter"
    INPUT = "input"
    COMMAND = "command"
    CODE = "code"
    IMAGE = "image"
    PACKAGE = "package"
    ENVIRONMENT = "environment"
    # Shown, and no cause: it changes how fast a job goes and where, not what it computes.
    MACHINE = "machine"


class Fact(NamedTuple):
    """The name of one thing that can differ, such as (PARAMETER, "lr"). Parameters are named with underscores."""

    aspect: Aspect
    name: str

    def __str__(self) -> str:
        return self.name if self.aspect in (Aspect.PARAMETER, self.name) else f"{self.aspect} {self.name}".strip()


@dataclass(frozen=True)
class Run:
    """One version: what went in (facts), how it stands, and what came out.

    `given` are the spec's parameters as they were written there; `resolved` all parameters with their defaults, where
    the run wrote them. `facts` are all other things that can change a result, JSON-ready. `inputs` are URLs by name,
    `scores` and `precisions` are by protocol. `without_influence` names the parameters of which the run says that they
    do not change its result.
    `store` is what a command has to give as --store, if anything. `notes` is what could not be read.
    """

    job: str
    version: str
    state: State
    given: Mapping[str, Any]
    facts: Mapping[Fact, Any]
    resolved: Mapping[str, Any] | None = None
    history: MetricHistory = field(default_factory=MetricHistory)
    scores: Mapping[str, PairScores] = field(default_factory=dict)
    precisions: Mapping[str, ResampledPrecision] = field(default_factory=dict)
    searches: SearchRecord | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    parent: str | None = None
    description: str = ""
    created: datetime | None = None
    by: str = ""
    notes: tuple[str, ...] = ()
    without_influence: frozenset[str] = frozenset()

    @property
    def finished(self) -> bool:
        """Whether the job ran to its end."""
        return self.state is State.COMPLETED

    def spelling(self, parameter: str) -> str:
        """How the spec spells a parameter; with dashes, as on the command line, if it does not name it."""
        for name in self.given:
            if name.replace("-", "_") == parameter:
                return name
        return parameter.replace("_", "-")
