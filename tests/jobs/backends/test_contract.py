"""What every backend passes on of its submitter's environment, and what none may."""

import pytest
from job_records import a_spec

from facejobs.jobs.backends.contract import job_variables, require_secrets, storage_settings
from facejobs.jobs.backends.opening import open_backend
from facejobs.jobs.errors import JobError


def test_only_settings_of_the_store_that_are_set_are_passed_on() -> None:
    there = {"AWS_REGION": "eu-west-1", "S3_ENDPOINT": "https://ann:hidden@here", "AWS_ENDPOINT_URL": "", "OTHER": "x"}
    spec = a_spec(environment={"S3_ENDPOINT": "http://there:9000"})
    passed = {**storage_settings(spec, there), **job_variables(spec, "s3://bucket/jobs/job/V0001")}
    assert {name for name in passed if name in there} == {"AWS_REGION", "S3_ENDPOINT"}
    assert passed["S3_ENDPOINT"] == "http://there:9000"


@pytest.mark.parametrize("backend", ["slurm", "container", "modelarts"])
def test_an_endpoint_with_a_password_is_sent_nowhere(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "https://ann:hidden@s3.example.com")
    image = f"registry.example.com/facejobs@sha256:{'ab' * 32}"
    with pytest.raises(JobError, match="S3_ENDPOINT holds a user and a password") as refusal:
        open_backend(backend).plan(a_spec(image=image))
    assert "hidden" not in str(refusal.value)


def test_a_secret_that_is_not_set_is_named() -> None:
    require_secrets(["A"], {"A": "x"})
    with pytest.raises(JobError, match="needs the secret B: set that variable"):
        require_secrets(["A", "B", "C"], {"A": "x", "B": ""})
