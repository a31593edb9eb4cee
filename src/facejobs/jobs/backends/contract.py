"""The environment of the boot contract that every backend gives to each task of a version."""

import json

from facejobs.jobs.spec import JobSpec
from facejobs.storage import environment as names
from facejobs.storage.url import join_url

# How a task reaches its store; the first ones are no secrets.
STORAGE_SETTINGS = (names.S3_ENDPOINT, "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
STORAGE_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def job_variables(spec: JobSpec, url: str) -> dict[str, str]:
    """The variables that all tasks of the version at `url` share; the backend adds TASK_*, WORK and secrets."""
    job, version = url.split("/")[-2:]
    variables = {
        **spec.environment,
        names.JOB_ID: f"{job}-{version}",
        names.TRAIN_URL: url,
        names.LOG_URL: join_url(url, "logs"),
        names.VERSION_URL: url,
        names.INPUTS: json.dumps(spec.inputs),
        names.SECRETS: ",".join(spec.secrets),
    }
    if spec.inputs:
        variables[names.DATA_URL] = spec.inputs.get("data") or next(iter(spec.inputs.values()))
    if spec.output_url:
        variables[names.OUTPUT_URL] = spec.output_url
    if spec.time_limit is not None:
        variables[names.TIME_LIMIT] = str(spec.time_limit)
    return variables
