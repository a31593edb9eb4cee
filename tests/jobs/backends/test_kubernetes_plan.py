import base64
import os
from pathlib import Path
from typing import Any

import pytest
from job_records import a_spec

from facejobs.jobs.backends.kubernetes_job import ClusterJob
from facejobs.jobs.backends.kubernetes_manifest import secret
from facejobs.jobs.backends.kubernetes_options import KubernetesOptions
from facejobs.jobs.backends.kubernetes_plan import make_plan

IMAGE = f"registry.example.com/facejobs@sha256:{'ab' * 32}"
BUCKET = "s3://bucket/store"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S3_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")


def plan(store: str = BUCKET, jobset: bool = False, options: dict[str, Any] | None = None, **fields: Any) -> Any:
    spec = a_spec("job", **{"image": IMAGE, **fields})
    found = KubernetesOptions.model_validate(options or {})
    job = ClusterJob(spec, found, f"{store}/jobs/job/V0001", "job-v0001-abc", jobset=jobset)
    return make_plan(job, "faces")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": None}, "image: none; pods need one"),
        ({"store": "/home/ann/store"}, "the store: /home/ann/store/jobs/job/V0001 is a directory of this machine"),
        ({"inputs": {"data": "/home/ann/faces"}}, "inputs.data: /home/ann/faces is a path of this machine"),
        ({"outputs": {"model": "/home/ann/models"}}, "outputs.model: /home/ann/models is a path of this machine"),
        (
            {"inputs": {"data": "/mnt/facesets"}, "options": {"claims": {"f": "/mnt/faces"}}},
            "is a path of this machine",
        ),
        ({"resources": {"gpus": 1, "gpu_type": "H100"}}, "H100 (Hopper, compute capability 9.0) cannot run MXNet"),
        ({"resources": {"gpus": 1, "gpu_type": "A100"}}, "say which label of the nodes tells it"),
        (
            {"resources": {"gpus": 1, "gpu_type": "A100 80 GB"}, "options": {"gpu_label": "nvidia.com/gpu.product"}},
            "'A100 80 GB' cannot be the value of a label",
        ),
        ({"resources": {"nodes": 4096}}, "their addresses do not fit into DLS_TASK_HOSTS"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(given: dict[str, Any], said: str) -> None:
    assert said in "; ".join(plan(**given).impossible)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "credentials of the store: none are set here"),
        ({"resources": {"gpu_type": "A100"}}, "A100 is recorded; no GPU is asked for"),
        ({"resources": {"memory": "1GiB"}}, "/dev/shm may fill all of it"),
        ({"environment": {"S3_ENDPOINT": "http://127.0.0.1:9000"}}, "is the pod itself there"),
        (
            {"jobset": True, "resources": {"nodes": 2}, "retries": 1, "time_limit": 60},
            "a JobSet counts it as a failure",
        ),
    ],
)
def test_what_is_done_in_another_way_is_said(given: dict[str, Any], said: str) -> None:
    found = plan(**given)
    assert said in "; ".join(found.emulated) and found.impossible == []


def test_every_field_of_the_spec_is_judged() -> None:
    found = plan(
        inputs={"data": "s3://bucket/data", "more": "/mnt/more/x"},
        parameters={"lr": 0.1},
        resources={"gpus": 2, "gpu_type": "Tesla-T4", "cpus": 2, "memory": "8GiB", "nodes": 2},
        retries=2,
        time_limit=60,
        environment={"A": "1"},
        secrets=["TOKEN_X"],
        options={"claims": {"more": "/mnt/more"}, "gpu_label": "nvidia.com/gpu.product"},
    )
    assert found.impossible == []
    for name in (
        "command", "parameters", "environment", "outputs", "inputs.data", "inputs.more", "secrets", "image", "retries",
        "time_limit", *(f"resources.{field}" for field in ("gpus", "gpu_type", "cpus", "memory", "nodes")),
    ):  # fmt: skip
        assert any(item.split(":")[0] == name for item in found.honoured), name


def test_keys_of_a_file_are_sent_as_those_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = AKID\naws_secret_access_key = hidden\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    found = plan()
    assert found.environment["AWS_SECRET_ACCESS_KEY"] == "***" and "hidden" not in str(found)
    assert list(found.request[1]["stringData"]) == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]


def test_the_pod_may_do_nothing_in_the_cluster_and_little_on_its_node() -> None:
    pod = plan().request[0]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] == 1000
    security = pod["containers"][0]["securityContext"]
    assert security == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize(("grace", "seconds"), [(None, 180), ("300", 420), ("nonsense", 180), ("inf", 180)])
def test_the_pod_has_longer_to_end_than_the_command(grace: str | None, seconds: int) -> None:
    environment = {"FACEJOBS_GRACE": grace} if grace else {}
    pod = plan(environment=environment).request[0]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == seconds


def test_a_secret_that_is_no_text_arrives_byte_for_byte() -> None:
    job = ClusterJob(
        a_spec(image=IMAGE, secrets=["TOKEN"]), KubernetesOptions(), f"{BUCKET}/jobs/job/V0001", "job-v0001-abc"
    )
    made = secret(job, "faces", {"TOKEN": os.fsdecode(b"\xff")})
    assert made is not None and base64.b64decode(made["data"]["TOKEN"]) == b"\xff"
