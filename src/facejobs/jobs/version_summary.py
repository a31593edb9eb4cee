"""One version on one line: what lists show, and what the index of a job keeps of versions that are COMPLETED."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from facejobs.jobs.liveness import effective_state
from facejobs.jobs.metric_summary import MetricSummary, read_metrics
from facejobs.jobs.spec import Parameter
from facejobs.jobs.status import State, Status, read_status
from facejobs.jobs.version_record import VersionRecord
from facejobs.jobs.versions import VersionFolder


class VersionSummary(BaseModel):
    """Facts of one version, JSON-ready. `state` is the true one, LOST included."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    version: str
    parent: str | None
    created: AwareDatetime
    by: str
    description: str
    parameters: dict[str, Parameter]
    inputs: dict[str, str]
    state: State
    reason: str = ""
    attempt: int = 1
    started: AwareDatetime | None = None
    ended: AwareDatetime | None = None
    metrics: dict[str, MetricSummary] = {}

    @property
    def seconds(self) -> float | None:
        """How long the last attempt ran, or has been running; None before it began."""
        if self.started is None or (self.ended is None and self.state.ended):
            return None
        return ((self.ended or datetime.now(self.started.tzinfo)) - self.started).total_seconds()


def summarise(folder: VersionFolder, status: Status | None = None) -> VersionSummary:
    """Read one version (its status only if it is not given); raises VersionNotFoundError, VersionDamagedError."""
    record = folder.record
    status = status or read_status(folder.store)
    return VersionSummary(
        **_of_record(folder.number, record),
        state=effective_state(status, folder.store),
        reason=status.reason,
        attempt=status.attempt,
        started=status.started,
        ended=status.ended,
        metrics=read_metrics(folder.store),
    )


def _of_record(number: int, record: VersionRecord) -> dict[str, object]:
    return {
        "number": number,
        "version": record.version,
        "parent": record.parent,
        "created": record.created,
        "by": record.by,
        "description": record.spec.description,
        "parameters": record.spec.parameters,
        "inputs": record.spec.inputs,
    }
