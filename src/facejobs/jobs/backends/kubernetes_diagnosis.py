"""What a pod, or a Job, says of itself, in words: why it does not start, and how it ended."""

from datetime import UTC, datetime
from typing import NamedTuple

from facejobs.jobs.backends.kubernetes_errors import explain_quota
from facejobs.jobs.backends.kubernetes_manifest import Manifest

_INDEX = "batch.kubernetes.io/job-completion-index"
# A registry may be away for a while; after this a pod that cannot be made is given up.
_PATIENCE_SECONDS = 300.0
_LONGEST = 400
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ErrImageNeverPull", "ImageInspectError")
_BROKEN = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff")


class Problem(NamedTuple):
    """Why a pod does not start; `hopeless` where waiting will not help."""

    words: str
    hopeless: bool = False


class Ending(NamedTuple):
    """How a pod ended that ended badly."""

    words: str
    exit_code: int | None = None


def task_of(pod: Manifest) -> int:
    """The number of its task."""
    found = pod["metadata"].get("annotations", {}).get(_INDEX) or pod["metadata"].get("labels", {}).get(_INDEX)
    return int(found or 0)


def newest(pods: list[Manifest], task: int = 0) -> Manifest | None:
    """The newest pod of a task: the one that has not ended, as a pod is only replaced when it has."""
    own = [pod for pod in pods if task_of(pod) == task]
    return max(own, key=lambda pod: (not is_over(pod), pod["metadata"].get("creationTimestamp") or ""), default=None)


def is_over(pod: Manifest) -> bool:
    """Whether its containers have ended."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_running(pod: Manifest) -> bool:
    """Whether its container runs."""
    return any("running" in status.get("state", {}) for status in _containers(pod)) and not is_over(pod)


def has_log(pod: Manifest) -> bool:
    """Whether its container has begun, so that there is a log."""
    return any({"running", "terminated"} & status.get("state", {}).keys() for status in _containers(pod))


def why_waiting(pod: Manifest, now: datetime | None = None) -> Problem | None:
    """What keeps it from starting; None if nothing is wrong."""
    status = pod.get("status", {})
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return Problem(f"no node takes it yet ({_short(condition.get('message') or condition.get('reason'))})")
    for container in _containers(pod):
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            return _explain_waiting(pod, waiting.get("reason", ""), waiting.get("message", ""), now)
    return None


def _explain_waiting(pod: Manifest, reason: str, message: str, now: datetime | None) -> Problem | None:
    late = _age(pod, now) > _PATIENCE_SECONDS
    if reason == "InvalidImageName":
        return Problem(f"{_image(pod)} is no name of an image", hopeless=True)
    if reason in _IMAGE:
        return Problem(f"the image {_image(pod)} cannot be pulled: {_image_hint(message)} ({reason})", late)
    if reason in _BROKEN:
        return Problem(f"its container cannot be made: {_config_hint(message)} ({reason})", late)
    return None


def _image_hint(message: str) -> str:
    lower = message.lower()
    if any(word in lower for word in ("unauthorized", "denied", "authentication", "401", "403")):
        hint = "the registry wants a login: make a Secret of it (kubectl create secret docker-registry), "
        return f"{hint}and name it with -o image_pull_secrets=NAME"
    if "platform" in lower:
        return "it is not made for the processors of the node"
    if "not found" in lower or "manifest unknown" in lower:
        return "the registry does not have it any more; push it again"
    return _short(message)


def _config_hint(message: str) -> str:
    if "non-root" in message or "runAsNonRoot" in message:
        return f"the image's user is root, or has no number; name one with -o run_as_user=1000: {_short(message)}"
    return _short(message)


def how_it_ended(pod: Manifest) -> Ending | None:
    """Why it failed, of a pod whose task could not say so itself; None if it succeeded or goes on."""
    status = pod.get("status", {})
    if status.get("phase") != "Failed":
        return None
    name = f"task {task_of(pod)}"
    ended = _terminated(pod)
    code = ended.get("exitCode")
    if status.get("reason") == "Evicted":
        return Ending(f"{name} was evicted from its node: {_short(status.get('message'))}", code)
    if status.get("reason") == "DeadlineExceeded":
        return Ending(f"{name} was still there long after its time limit, and was killed", code)
    if ended.get("reason") == "OOMKilled":
        return Ending(f"{name} ran out of memory and was killed{_memory(pod)}", code)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return Ending(f"{name} was taken away by the cluster: {_short(condition.get('message'))}", code)
    if ended.get("reason") in ("StartError", "ContainerCannotRun"):
        return Ending(f"{name} could not be started: {_short(ended.get('message'))}", code)
    if code == 127:
        return Ending(f"{name} could not run /home/work/run_train.sh: is that in the image?", code)
    if code is not None:
        return Ending(f"{name} ended with exit code {code} and could not say why", code)
    return Ending(f"{name} failed: {_short(status.get('message') or status.get('reason') or 'its node is gone')}")


def why_no_pods(warnings: list[str]) -> Problem | None:
    """What keeps a Job from making pods at all, from its events."""
    for text in reversed(warnings):
        if text.startswith("FailedCreate"):
            return Problem(f"the cluster makes no pods for it: {explain_quota(text) or _short(text)}")
    return None


def _containers(pod: Manifest) -> list[Manifest]:
    return list(pod.get("status", {}).get("containerStatuses") or [])


def _terminated(pod: Manifest) -> Manifest:
    """How its container ended; empty if it has not."""
    states = (container.get("state", {}) for container in _containers(pod))
    return next((state["terminated"] for state in states if "terminated" in state), {})


def _image(pod: Manifest) -> str:
    return str(pod["spec"]["containers"][0].get("image", ""))


def _memory(pod: Manifest) -> str:
    limit = pod["spec"]["containers"][0].get("resources", {}).get("limits", {}).get("memory")
    return f": its limit is {limit} bytes; raise resources.memory, or lower the batch size" if limit else ""


def _age(pod: Manifest, now: datetime | None) -> float:
    begun = pod.get("status", {}).get("startTime") or pod["metadata"].get("creationTimestamp")
    if not begun:
        return 0.0
    return ((now or datetime.now(UTC)) - datetime.fromisoformat(begun)).total_seconds()


def _short(text: object) -> str:
    return " ".join(str(text or "").split())[:_LONGEST]
