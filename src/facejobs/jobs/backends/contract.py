"""The environment of the boot contract that every backend gives to each task of a version."""

import json
import os
from collections.abc import Iterable, Mapping

from facejobs.jobs.errors import JobError
from facejobs.jobs.secrets import holds_credentials
from facejobs.jobs.spec import JobSpec
from facejobs.storage import environment as names
from facejobs.storage.url import join_url

# How a task reaches its store; the first ones are no secrets.
STORAGE_SETTINGS = (names.S3_ENDPOINT, "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
STORAGE_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def storage_settings(spec: JobSpec, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The submitter's settings of the object store; JobError for a password in one that the spec does not overrule."""
    found = {name: environment[name] for name in STORAGE_SETTINGS if environment.get(name)}
    for name, value in found.items():
        if name not in spec.environment and holds_credentials(value):
            raise JobError(f"{name} holds a user and a password, for all to see who see the job: take them out of it")
    return found


def require_secrets(secrets: Iterable[str], environment: Mapping[str, str] = os.environ) -> None:
    """Raise JobError for a variable that a job takes a secret from and that is not set."""
    for name in secrets:
        if not environment.get(name):
            raise JobError(f"the job needs the secret {name}: set that variable in the environment, then try again")


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
