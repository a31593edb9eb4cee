"""Where a version stands, from what its status says and what the cluster says."""

from dataclasses import dataclass
from datetime import UTC, datetime

from facejobs.jobs.backends import kubernetes_names as names
from facejobs.jobs.backends.kubernetes_diagnosis import (
    Ending,
    Problem,
    how_it_ended,
    is_over,
    is_running,
    newest,
    task_of,
    why_waiting,
)
from facejobs.jobs.backends.kubernetes_manifest import Manifest
from facejobs.jobs.status import State, Status

# Between two steps of a submit, or of the cluster, something may seem to be missing.
_MOMENT_SECONDS = 60.0


@dataclass(frozen=True)
class Observation:
    """What the cluster says: the Job or JobSet, if there is one, its pods, and why it makes none."""

    workload: Manifest | None
    pods: list[Manifest]
    no_pods: Problem | None = None


@dataclass(frozen=True)
class Verdict:
    """The state. With a `reason` it is to be recorded; `hopeless` work is to be removed from the cluster."""

    state: State
    reason: str = ""
    exit_code: int | None = None
    hopeless: bool = False


def ended_as(workload: Manifest) -> Manifest | None:
    """The condition by which a Job or a JobSet has ended; None if it goes on."""
    for condition in workload.get("status", {}).get("conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Completed", "Failed"):
            found: Manifest = condition
            return found
    return None


def judge(status: Status, seen: Observation, now: datetime | None = None) -> Verdict:
    """What is true of a version. `status` must have been read after the cluster was asked."""
    said = Verdict(status.state)
    workload = seen.workload
    if status.state is State.COMPLETED:
        return said
    if workload is None:
        lives = any(not is_over(pod) for pod in seen.pods)
        return said if lives or status.state.ended or _young(status, now) else Verdict(State.LOST)
    if condition := ended_as(workload):
        return said if status.state.ended else _judge_ended(condition, seen.pods)
    if workload["metadata"].get("deletionTimestamp"):
        return said
    if workload.get("spec", {}).get("suspend"):
        started = workload["metadata"].get("annotations", {}).get(names.STARTED)
        return Verdict(State.PENDING if started or _young(status, now) else State.LOST)
    return _judge_active(status, seen, now)


def _judge_ended(condition: Manifest, pods: list[Manifest]) -> Verdict:
    if condition["type"] != "Failed":
        words = "its pods ended with 0, but recorded no end: is /home/work/run_train.sh of the image that of facejobs?"
        return Verdict(State.FAILED, words)
    ending = _first_ending(pods)
    if ending is not None:
        return Verdict(State.FAILED, ending.words, ending.exit_code)
    why = condition.get("message") or condition.get("reason") or "the cluster does not say why"
    return Verdict(State.FAILED, f"the cluster ended it: {why}")


def _first_ending(pods: list[Manifest]) -> Ending | None:
    """The newest bad end, of the first task that has one."""
    for task in sorted({task_of(pod) for pod in pods}):
        pod = newest(pods, task)
        ending = how_it_ended(pod) if pod else None
        if ending is not None:
            return ending
    return None


def _judge_active(status: Status, seen: Observation, now: datetime | None) -> Verdict:
    """Of a Job that goes on: an attempt that has ended is followed by another one."""
    first = newest(seen.pods)
    if first is not None and is_running(first):
        return Verdict(State.PENDING if status.state.ended else status.state)
    problem = seen.no_pods if first is None else why_waiting(first, now)
    if problem is not None and problem.hopeless:
        return Verdict(State.FAILED, problem.words, hopeless=True)
    # Written only while nothing else can write: the task of a pod that waits has not begun.
    tell = problem is not None and status.state is State.PENDING and status.reason != problem.words
    return Verdict(State.PENDING, problem.words if problem is not None and tell else "")


def _young(status: Status, now: datetime | None) -> bool:
    if not status.transitions:
        return True
    return ((now or datetime.now(UTC)) - status.transitions[-1].time).total_seconds() < _MOMENT_SECONDS
