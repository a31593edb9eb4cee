"""Training jobs of the ModelArts V2 API, called through Huawei Cloud's SDK."""

import hashlib
from collections.abc import Iterator
from typing import Any

from facejobs.jobs.backends.modelarts_client import ModelArtsClient, objects, part
from facejobs.jobs.backends.modelarts_errors import ModelArtsError
from facejobs.jobs.backends.modelarts_options import ModelArtsOptions
from facejobs.jobs.backends.modelarts_request import command_words, description, obs_url, shell_line, variables
from facejobs.jobs.backends.modelarts_status import NativeStatus, v2_status
from facejobs.jobs.spec import JobSpec
from facejobs.storage.url import join_url

_JOBS = "/v2/{project_id}/training-jobs"
_MOST_NAME = 64
# Limits of `algorithm.environments`.
_MOST_VARIABLES, _MOST_VALUE = 100, 4096
_PAGE = 50


def job_name(url: str, attempt: int) -> str:
    """A name for the job of a version, at most 64 characters: two stores that have the same version get two names."""
    job, version = url.split("/")[-2:]
    store = hashlib.sha256(url.rpartition("/jobs/")[0].encode()).hexdigest()[:6]
    end = f"-{version}-{store}" + (f"-{attempt}" if attempt > 1 else "")
    return job[: _MOST_NAME - len(end)] + end


def make_request(spec: JobSpec, options: ModelArtsOptions, url: str, attempt: int) -> dict[str, Any]:
    """The request that starts a version.

    Inputs, outputs and parameters are not declared to ModelArts: it would fetch and upload everything a second time,
    and append the parameters to the command once more.
    """
    metadata: dict[str, Any] = {"name": job_name(url, attempt), "description": description(url)}
    if options.workspace_id is not None:
        metadata["workspace_id"] = options.workspace_id
    if spec.retries:
        metadata["annotations"] = {
            "fault-tolerance/job-retry-num": str(spec.retries),
            "fault-tolerance/job-unconditional-retry": "true",
        }
    resource: dict[str, Any] = {"node_count": spec.resources.nodes}
    if options.flavor is not None:
        resource["flavor_id"] = options.flavor
    if options.pool_id is not None:
        resource["pool_id"] = options.pool_id
    body: dict[str, Any] = {
        "kind": "job",
        "metadata": metadata,
        "algorithm": {
            "engine": {"image_url": options.image_url or spec.image},
            "command": shell_line(command_words(spec, options)),
            "environments": variables(spec, options, url, attempt),
        },
        "spec": {"resource": resource, "log_export_path": {"obs_url": obs_url(join_url(url, "logs"))}},
    }
    if options.nfs is not None:
        volume = {
            "nfs_server_path": options.nfs.server_path,
            "local_path": options.nfs.local_path,
            "read_only": options.nfs.read_only,
        }
        body["spec"]["volumes"] = [{"nfs": volume}]
    return {"method": "POST", "path": _JOBS, "body": body}


def judge_v2(spec: JobSpec, environment: dict[str, str]) -> tuple[list[str], list[str]]:
    """What this API emulates, and what it cannot do."""
    emulated, impossible = [], []
    if spec.retries:
        limited = ", also one that reached its time limit" if spec.time_limit is not None else ""
        emulated.append(f"retries: ModelArts starts a failed job again {spec.retries} times{limited}")
    if len(environment) > _MOST_VARIABLES:
        impossible.append(
            f"environment: {len(environment)} variables with facejobs' own; the API takes {_MOST_VARIABLES}"
        )
    impossible += [
        f"environment.{name}: {len(value)} characters; the API takes {_MOST_VALUE}"
        for name, value in environment.items()
        if len(value) > _MOST_VALUE
    ]
    return emulated, impossible


class V2Jobs:
    """The calls of the V2 API."""

    def __init__(self, client: ModelArtsClient) -> None:
        self._client = client

    def start(self, request: dict[str, Any]) -> str:
        """Send what `make_request` made; returns the job's number."""
        from huaweicloudsdkmodelarts.v1 import CreateTrainingJobRequest

        answer = self._client.v2("start the job", "create_training_job", CreateTrainingJobRequest(body=request["body"]))
        id = part(answer, "metadata").get("id")
        if not isinstance(id, str) or not id:
            raise ModelArtsError(f"{self._client.place}: the job was accepted without a number: {answer!r:.300}")
        return id

    def status(self, id: str) -> NativeStatus:
        """How a job stands."""
        return v2_status(self._show(id).get("status"))

    def stop(self, id: str) -> None:
        """Ask for its end."""
        from huaweicloudsdkmodelarts.v1 import JobActionType, StopTrainingJobRequest

        request = StopTrainingJobRequest(training_job_id=id, body=JobActionType(action_type="terminate"))
        self._client.v2("stop the job", "stop_training_job", request)

    def log(self, id: str) -> Iterator[str]:
        """What ModelArts itself logged of the first task: the newest 5 MB."""
        from huaweicloudsdkmodelarts.v1 import ShowTrainingJobLogsPreviewRequest

        tasks = part(self._show(id), "status").get("tasks") or ["worker-0"]
        request = ShowTrainingJobLogsPreviewRequest(training_job_id=id, task_id=str(tasks[0]))
        answer = self._client.v2("show the job's log", "show_training_job_logs_preview", request)
        yield from str(answer.get("content") or "").splitlines()

    def list(self) -> list[tuple[str, str, NativeStatus]]:
        """Number, description and status of every job of the project, newest first."""
        from huaweicloudsdkmodelarts.v1 import JobSearches, ListTrainingJobsRequest

        found: list[tuple[str, str, NativeStatus]] = []
        page = 0
        while True:
            search = JobSearches(offset=page, limit=_PAGE, sort_by="create_time", order="desc")
            answer = self._client.v2("list jobs", "list_training_jobs", ListTrainingJobsRequest(body=search))
            items = objects(answer, "items")
            for item in items:
                metadata = part(item, "metadata")
                status = v2_status(item.get("status"))
                found.append((str(metadata.get("id")), str(metadata.get("description") or ""), status))
            page += 1
            if len(items) < _PAGE:
                return found

    def _show(self, id: str) -> dict[str, Any]:
        from huaweicloudsdkmodelarts.v1 import ShowTrainingJobDetailsRequest

        return self._client.v2(
            "show the job", "show_training_job_details", ShowTrainingJobDetailsRequest(training_job_id=id)
        )
