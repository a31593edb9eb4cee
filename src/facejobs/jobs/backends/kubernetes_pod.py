"""The pod of each task: an unprivileged container with its command, variables, volumes and limits."""

from typing import Any

from facejobs.jobs.backends.kubernetes_job import WORK, ClusterJob, literal
from facejobs.storage import environment as contract

CONTAINER = "task"
_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
# Between the start of a pod and that of run_train.sh, which keeps the time limit itself, the image is pulled.
_PULL_SECONDS = 3600


def pod_template(job: ClusterJob) -> dict[str, Any]:
    """The template of a Job's pods."""
    options, spec = job.options, job.spec
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": job.grace_period,
        "securityContext": _pod_security(job),
        "containers": [_container(job)],
        "volumes": _volumes(job),
    }
    if spec.resources.nodes > 1 and not job.jobset:
        pod["subdomain"] = job.name
    if spec.time_limit is not None:
        pod["activeDeadlineSeconds"] = spec.time_limit + job.grace_period + _PULL_SECONDS
    if options.service_account:
        pod["serviceAccountName"] = options.service_account
    if options.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in options.image_pull_secrets]
    selector = dict(options.node_selector)
    if options.gpu_label and spec.resources.gpu_type and spec.resources.gpus:
        selector[options.gpu_label] = spec.resources.gpu_type
    if selector:
        pod["nodeSelector"] = selector
    if options.tolerations:
        pod["tolerations"] = [item.model_dump(exclude_none=True) for item in options.tolerations]
    return {"metadata": {"labels": job.labels}, "spec": pod}


def _pod_security(job: ClusterJob) -> dict[str, Any]:
    context: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    user = job.options.run_as_user
    if user is not None:
        # The group makes volumes writable to a user who is not root.
        context |= {"runAsUser": user, "fsGroup": user, "fsGroupChangePolicy": "OnRootMismatch"}
    return context


def _container(job: ClusterJob) -> dict[str, Any]:
    image = job.spec.image or ""
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent" if "@sha256:" in image else "Always",
        "command": [literal(word) for word in job.command],
        "env": _environment(job),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": _mounts(job),
    }
    limits = _limits(job)
    if limits:
        container["resources"] = {"requests": limits, "limits": dict(limits)}
    return container


def _environment(job: ClusterJob) -> list[dict[str, Any]]:
    """The task's number first: what follows may refer to it."""
    environment: list[dict[str, Any]] = [
        {"name": contract.TASK_INDEX, "valueFrom": {"fieldRef": {"fieldPath": _INDEX}}}
    ]
    environment += [{"name": name, "value": literal(value)} for name, value in job.variables.items()]
    for name in job.secrets:
        key: dict[str, Any] = {"name": job.options.secret or job.name, "key": name}
        if job.options.secret and name not in job.spec.secrets:
            key["optional"] = True
        environment.append({"name": name, "valueFrom": {"secretKeyRef": key}})
    return environment


def _limits(job: ClusterJob) -> dict[str, str]:
    resources = job.spec.resources
    limits = {}
    if resources.gpus:
        limits[job.options.gpu_resource] = str(resources.gpus)
    if resources.cpus is not None:
        limits["cpu"] = f"{max(1, round(resources.cpus * 1000))}m"
    if resources.memory is not None:
        limits["memory"] = str(resources.memory)
    return limits


def _mounts(job: ClusterJob) -> list[dict[str, Any]]:
    mounts = [{"name": "work", "mountPath": WORK}, {"name": "shared-memory", "mountPath": "/dev/shm"}]
    paths = enumerate(job.options.claims.values())
    return mounts + [{"name": f"claim-{number}", "mountPath": path} for number, path in paths]


def _volumes(job: ClusterJob) -> list[dict[str, Any]]:
    options = job.options
    if options.work_claim:
        work: dict[str, Any] = {"persistentVolumeClaim": {"claimName": options.work_claim}}
    else:
        work = {"emptyDir": {} if options.work_size is None else {"sizeLimit": str(options.work_size)}}
    shared = {"emptyDir": {"medium": "Memory", "sizeLimit": str(options.shared_memory)}}
    claims = [
        {"name": f"claim-{number}", "persistentVolumeClaim": {"claimName": name}}
        for number, name in enumerate(options.claims)
    ]
    return [{"name": "work", **work}, {"name": "shared-memory", **shared}, *claims]
