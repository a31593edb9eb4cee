"""What ModelArts says of a job, as a state of ours and in words: V1's integers, V2's phases."""

from dataclasses import dataclass
from typing import Any

from facejobs.jobs.status import State


@dataclass(frozen=True)
class NativeStatus:
    """ModelArts' own name, the state it stands for (None where it says nothing), and what it means."""

    name: str
    state: State | None
    meaning: str

    def __str__(self) -> str:
        return f"ModelArts says {self.name}: {self.meaning}"


# "Job Statuses" of the V1 API reference.
_V1 = {
    0: ("UNKNOWN", None, "it does not know"),
    1: ("INIT", State.PENDING, "the job is being initialised"),
    2: ("IMAGE_CREATING", State.PENDING, "the image is being prepared"),
    3: (
        "IMAGE_FAILED",
        State.FAILED,
        "the image could not be prepared; look at its address, at the agency's right to pull it, and at its size",
    ),
    4: ("SUBMIT_TRYING", State.PENDING, "the job is being submitted"),
    5: ("SUBMIT_FAILED", State.FAILED, "the job could not be submitted to its resource pool"),
    6: ("DELETE_FAILED", State.FAILED, "the job could not be deleted"),
    7: ("WAITING", State.PENDING, "the job is queueing"),
    8: ("RUNNING", State.RUNNING, "the job runs"),
    9: ("KILLING", State.RUNNING, "the job is being stopped"),
    10: ("COMPLETED", State.COMPLETED, "the job has ended well"),
    11: ("FAILED", State.FAILED, "the job failed"),
    12: ("KILLED", State.STOPPED, "the job was stopped"),
    13: ("CANCELED", State.STOPPED, "the job was cancelled"),
    14: ("LOST", State.LOST, "the job was lost: its node or its container is gone"),
    15: ("SCALING", State.RUNNING, "the job is being scaled"),
    16: ("SUBMIT_MODEL_FAILED", State.FAILED, "the job ran, and its model could not be submitted"),
    17: ("DEPLOY_SERVICE_FAILED", State.FAILED, "the job ran, and its service could not be deployed"),
    18: ("CHECK_INIT", State.PENDING, "the review of the job is being initialised"),
    19: ("CHECK_RUNNING", State.PENDING, "the job is being reviewed"),
    20: ("CHECK_RUNNING_COMPLETED", State.PENDING, "the job was reviewed"),
    21: ("CHECK_FAILED", State.FAILED, "the job did not pass its review"),
}

# `status.phase` of the V2 API reference.
_V2 = {
    "Creating": (State.PENDING, "the job is being created"),
    "Pending": (State.PENDING, "the job is queueing"),
    "Running": (State.RUNNING, "the job runs"),
    "Failed": (State.FAILED, "the job failed"),
    "Completed": (State.COMPLETED, "the job has ended well"),
    "Terminating": (State.RUNNING, "the job is being stopped"),
    "Terminated": (State.STOPPED, "the job was stopped"),
    "Abnormal": (State.FAILED, "the job is abnormal"),
}
# `status.secondary_phase` that tells more about an abnormal job.
_SECONDARY = {
    "CreateFailed": (State.FAILED, "the job could not be created; look at its image, flavor and pool"),
    "TerminatedFailed": (State.FAILED, "the job could not be stopped"),
    "Lost": (State.LOST, "the job was lost: its node or its container is gone"),
    "Unknown": (State.LOST, "ModelArts has lost sight of the job"),
}


def v1_status(value: Any) -> NativeStatus:
    """The status of a V1 version: an integer, which some answers write as text."""
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number not in _V1:
        return NativeStatus(f"status {value!r}", None, "facejobs knows no such status")
    return NativeStatus(*_V1[number])


def v2_status(status: Any) -> NativeStatus:
    """The `status` object of a V2 job."""
    values = status if isinstance(status, dict) else {}
    phase, secondary = values.get("phase"), values.get("secondary_phase")
    if phase not in _V2:
        return NativeStatus(f"phase {phase!r}", None, "facejobs knows no such phase")
    state, meaning = _V2[phase]
    if phase == "Abnormal" and secondary in _SECONDARY:
        state, meaning = _SECONDARY[secondary]
    return NativeStatus(phase if secondary in (None, "", phase) else f"{phase} ({secondary})", state, meaning)
