"""What is made of a status and of what a cluster says; the common cases are tested over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from facejobs.jobs.backends.kubernetes_diagnosis import how_it_ended
from facejobs.jobs.backends.kubernetes_names import STARTED
from facejobs.jobs.backends.kubernetes_state import Observation, judge
from facejobs.jobs.status import State, Status, Transition

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def status(state: State, seconds_ago: float = 600.0) -> Status:
    return Status(transitions=(Transition(state=state, time=NOW - timedelta(seconds=seconds_ago)),))


def workload(condition: str = "", suspended: bool = False, **metadata: Any) -> dict[str, Any]:
    conditions = [{"type": condition, "status": "True", "message": "because"}] if condition else []
    return {"metadata": metadata, "spec": {"suspend": suspended}, "status": {"conditions": conditions}}


def pod(phase: str = "Running", state: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    spec = {"containers": [{"image": "image", "resources": {"limits": {"memory": "1024"}}}]}
    containers = [{"state": state if state is not None else {"running": {}}}]
    return {"metadata": {}, "spec": spec, "status": {"phase": phase, "containerStatuses": containers, **more}}


@pytest.mark.parametrize(
    ("said", "seen", "expected"),
    [
        (State.COMPLETED, Observation(workload("Failed"), []), State.COMPLETED),
        (State.FAILED, Observation(None, []), State.FAILED),
        (State.RUNNING, Observation(None, []), State.LOST),
        (State.PENDING, Observation(None, []), State.LOST),
        # Somebody deleted the Job, and its pods are saving.
        (State.RUNNING, Observation(None, [pod()]), State.RUNNING),
        # Its submit died before it was started; a queue of the cluster holds it back.
        (State.PENDING, Observation(workload(suspended=True), []), State.LOST),
        (State.PENDING, Observation(workload(suspended=True, annotations={STARTED: "true"}), []), State.PENDING),
        (State.RUNNING, Observation(workload(deletionTimestamp="now"), [pod()]), State.RUNNING),
        # The pod before has ended, and another one is to come.
        (State.FAILED, Observation(workload(), []), State.PENDING),
        (State.STOPPED, Observation(workload(), [pod("Failed", {"terminated": {"exitCode": 75}})]), State.PENDING),
        (State.RUNNING, Observation(workload(), [pod("Failed", {"terminated": {"exitCode": 137}})]), State.PENDING),
        (State.RUNNING, Observation(workload(), [pod()]), State.RUNNING),
        (State.FAILED, Observation(workload(), [pod()]), State.PENDING),
        (State.STOPPED, Observation(workload("Failed"), []), State.STOPPED),
        (State.RUNNING, Observation(workload("Failed"), []), State.FAILED),
        (State.RUNNING, Observation(workload("Complete"), []), State.FAILED),
        (State.RUNNING, Observation(workload("Completed"), []), State.FAILED),
    ],
)
def test_the_state(said: State, seen: Observation, expected: State) -> None:
    assert judge(status(said), seen, NOW).state is expected


def test_between_two_steps_nothing_is_called_lost() -> None:
    for seen in (Observation(None, []), Observation(workload(suspended=True), [])):
        assert judge(status(State.PENDING, 5.0), seen, NOW).state is State.PENDING


def test_the_cluster_s_own_words_are_kept() -> None:
    assert judge(status(State.RUNNING), Observation(workload("Failed"), []), NOW).reason == (
        "the cluster ended it: because"
    )


@pytest.mark.parametrize(
    ("ended", "more", "words"),
    [
        ({"exitCode": 137, "reason": "OOMKilled"}, {}, "ran out of memory and was killed: its limit is 1024 bytes"),
        ({"exitCode": 137}, {"reason": "Evicted", "message": "low on ephemeral-storage"}, "low on ephemeral-storage"),
        ({"exitCode": 143}, {"reason": "DeadlineExceeded"}, "long after its time limit"),
        (
            {"exitCode": 143},
            {"conditions": [{"type": "DisruptionTarget", "status": "True", "message": "node is drained"}]},
            "was taken away by the cluster: node is drained",
        ),
        ({"exitCode": 128, "reason": "StartError", "message": "bash: not found"}, {}, "could not be started: bash"),
        ({"exitCode": 127}, {}, "could not run /home/work/run_train.sh"),
        ({"exitCode": 9}, {}, "ended with exit code 9 and could not say why"),
    ],
)
def test_how_a_pod_ended(ended: dict[str, Any], more: dict[str, Any], words: str) -> None:
    found = how_it_ended(pod("Failed", {"terminated": ended}, **more))
    assert found is not None and words in found.words and found.exit_code == ended["exitCode"]


def test_a_pod_without_a_container_ended_with_its_node() -> None:
    lost = {"metadata": {}, "spec": {"containers": [{}]}, "status": {"phase": "Failed"}}
    found = how_it_ended(lost)
    assert found is not None and found.words == "task 0 failed: its node is gone"
