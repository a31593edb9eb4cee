"""What Kubernetes' and JobSet's controllers make of Jobs and JobSets: pods, their replacement, and the end.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
"""

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fake_kubernetes_api import FakeKubernetesApi

INDEX = "batch.kubernetes.io/job-completion-index"
Object = dict[str, Any]
# The default of Kubernetes.
_NO_LIMIT = 2**31 - 1


def reconcile(api: "FakeKubernetesApi") -> None:
    """Do what there is to do after a change; the caller holds the lock."""
    for plural in ("jobsets", "jobs"):
        for (kind, _), item in list(api.objects.items()):
            if kind == plural:
                _jobset(api, item) if plural == "jobsets" else _job(api, item)
    _collect_garbage(api)


def _jobset(api: "FakeKubernetesApi", jobset: Object) -> None:
    name, status = jobset["metadata"]["name"], jobset["status"]
    if jobset["spec"].get("suspend") or _ended(jobset) or "deletionTimestamp" in jobset["metadata"]:
        return
    replicated = jobset["spec"]["replicatedJobs"][0]
    child_name = f"{name}-{replicated['name']}-0"
    child = api.objects.get(("jobs", child_name))
    ended = _ended(child) if child else None
    if child is None:
        spec = copy.deepcopy(replicated["template"]["spec"])
        metadata = {"name": child_name, "ownerReferences": [{"uid": jobset["metadata"]["uid"]}]}
        _job(api, api.add("jobs", {"kind": "Job", "metadata": metadata, "spec": spec, "status": {}}))
    elif ended and ended["type"] == "Complete":
        _end(api, "jobsets", jobset, "Completed", "AllJobsCompleted")
    elif ended:
        counted = ended["reason"] != "PodFailurePolicy"
        status["restarts"] = status.get("restarts", 0) + counted
        if status["restarts"] > jobset["spec"]["failurePolicy"]["maxRestarts"]:
            _end(api, "jobsets", jobset, "Failed", "ReachedMaxRestarts")
        elif not any(_owned(pod, child) for pod in api.all("pods") if _lives(pod)):
            api.store("DELETED", "jobs", child)
            _collect_garbage(api)
            _jobset(api, jobset)


def _job(api: "FakeKubernetesApi", job: Object) -> None:
    status = job["status"]
    if job["spec"].get("suspend") or _ended(job) or "deletionTimestamp" in job["metadata"]:
        return None
    pods = [pod for (kind, _), pod in api.objects.items() if kind == "pods" and _owned(pod, job)]
    for pod in pods:
        if pod["status"].get("phase") == "Failed" and not pod["metadata"].get("counted"):
            pod["metadata"]["counted"] = True
            action, why = _rule(job, pod)
            if action == "FailJob":
                return _fail(api, job, pods, "PodFailurePolicy", why)
            status["failed"] = status.get("failed", 0) + (action == "Count")
            if status["failed"] > job["spec"].get("backoffLimit", _NO_LIMIT):
                return _fail(api, job, pods, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
            if action == "Count" and _fails_for_good(job, _index(pod)):
                return _fail(
                    api, job, pods, "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number"
                )
    succeeded = {_index(pod) for pod in pods if pod["status"].get("phase") == "Succeeded"}
    if len(succeeded) == job["spec"]["completions"]:
        return _end(api, "jobs", job, "Complete", "CompletionsReached")
    busy = succeeded | {_index(pod) for pod in pods if _lives(pod)}
    for index in range(job["spec"]["completions"]):
        if index not in busy:
            _add_pod(api, job, index, len(pods))
    return None


def _fails_for_good(job: Object, index: int) -> bool:
    """Count a failure of an index; whether more indexes have now failed than may."""
    spec, status = job["spec"], job["status"]
    counts: dict[int, int] = status.setdefault("failures_by_index", {})
    counts[index] = counts.get(index, 0) + 1
    failed = [count for count in counts.values() if count > spec.get("backoffLimitPerIndex", _NO_LIMIT)]
    return len(failed) > spec.get("maxFailedIndexes", _NO_LIMIT)


def _add_pod(api: "FakeKubernetesApi", job: Object, index: int, number: int) -> None:
    template = copy.deepcopy(job["spec"]["template"])
    name = f"{job['metadata']['name']}-{index}-{number:05d}"
    metadata = {"name": name, "labels": template["metadata"]["labels"], "annotations": {INDEX: str(index)}}
    metadata["ownerReferences"] = [{"uid": job["metadata"]["uid"]}]
    spec = {**template["spec"], "hostname": f"{job['metadata']['name']}-{index}"}
    api.add("pods", {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})


def _rule(job: Object, pod: Object) -> tuple[str, str]:
    """The action of the first rule of the pod failure policy that matches."""
    conditions = {(item["type"], item["status"]) for item in pod["status"].get("conditions", [])}
    code = pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
    for number, rule in enumerate(job["spec"]["podFailurePolicy"]["rules"]):
        by_code = code in rule.get("onExitCodes", {}).get("values", ())
        if by_code or any((item["type"], item["status"]) in conditions for item in rule.get("onPodConditions", [])):
            words = f"Container task for pod {pod['metadata']['name']} failed with exit code {code}"
            return rule["action"], f"{words} matching {rule['action']} rule at index {number}"
    return "Count", ""


def _fail(api: "FakeKubernetesApi", job: Object, pods: list[Object], reason: str, message: str) -> None:
    for pod in pods:
        if _lives(pod):
            _terminate(api, pod)
    _end(api, "jobs", job, "Failed", reason, message)


def _end(api: "FakeKubernetesApi", plural: str, item: Object, kind: str, reason: str, message: str = "") -> None:
    condition = {"type": kind, "status": "True", "reason": reason, "message": message}
    item["status"].setdefault("conditions", []).append(condition)
    api.store("MODIFIED", plural, item)


def _collect_garbage(api: "FakeKubernetesApi") -> None:
    """End what has lost its owner or whose owner is to go, and remove what has ended and is to go."""
    for (kind, _), item in list(api.objects.items()):
        metadata = item["metadata"]
        others = list(api.objects.values())
        owners = [other for other in others if _owned(item, other)]
        doomed = "ownerReferences" in metadata and all("deletionTimestamp" in owner["metadata"] for owner in owners)
        if doomed and "deletionTimestamp" not in metadata:
            if kind == "pods":
                _terminate(api, item)
            else:
                metadata["deletionTimestamp"] = "now"
                api.store("MODIFIED", kind, item)
        busy = _lives(item) if kind == "pods" else any(_owned(other, item) for other in others)
        if "deletionTimestamp" in metadata and not busy:
            api.store("DELETED", kind, item)
            return _collect_garbage(api)
    return None


def _terminate(api: "FakeKubernetesApi", pod: Object) -> None:
    if "deletionTimestamp" in pod["metadata"]:
        return
    pod["metadata"]["deletionTimestamp"] = "now"
    if pod["status"].get("phase") == "Pending":
        api.store("DELETED", "pods", pod)
    else:
        api.store("MODIFIED", "pods", pod)


def _ended(item: Object) -> Object | None:
    return next(iter(item["status"].get("conditions", [])), None)


def _lives(pod: Object) -> bool:
    return pod["status"].get("phase") not in ("Succeeded", "Failed")


def _index(pod: Object) -> int:
    return int(pod["metadata"]["annotations"][INDEX])


def _owned(item: Object, owner: Object) -> bool:
    return any(found["uid"] == owner["metadata"]["uid"] for found in item["metadata"].get("ownerReferences", []))
