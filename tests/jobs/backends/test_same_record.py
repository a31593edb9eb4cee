"""One spec gives one version.json on every backend, apart from the backend block."""

import json
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from facejobs.jobs import submission
from facejobs.jobs.backends.opening import open_backend
from facejobs.jobs.spec import BACKENDS, JobSpec
from facejobs.jobs.versions import open_version_store
from facejobs.storage.opening import open_store

IMAGE = "registry.example.com/team/facejobs@sha256:" + "7" * 64
SPEC: dict[str, Any] = {
    "name": "faces",
    "image": IMAGE,
    "command": "python train.py",
    "inputs": {"data": "s3://bucket/faces"},
    "outputs": {"model": "s3://bucket/models"},
    "parameters": {"lr": 0.1, "seed": 7},
    "retries": 2,
    "time_limit": "2h",
    "environment": {"NOTE": "x y"},
    "backends": {"slurm": {"partition": "cpu"}, "modelarts": {"flavor": "modelarts.vm.cpu.2u"}},
}


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch):
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "S3_ENDPOINT": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "HUAWEICLOUD_SDK_AK": "ak",
        "HUAWEICLOUD_SDK_SK": "sk",
        "HUAWEICLOUD_SDK_PROJECT_ID": "0123456789abcdef",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="bucket")
    yield
    server.stop()


def test_same_record_on_every_backend(bucket: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # Neither a registry nor a cluster has a say in what is recorded.
    monkeypatch.setattr(submission, "resolve_image", lambda image: image)
    monkeypatch.setattr(submission, "_check", lambda *_: None)
    open_store("s3://bucket/faces").write("a.bin", b"faces")
    records = {}
    for name in BACKENDS:
        spec = JobSpec.model_validate(SPEC)
        backend = open_backend(name, spec.backends.get(name))
        monkeypatch.setattr(type(backend), "submit", lambda *_: None)
        version = submission.submit(spec, open_version_store(f"s3://bucket/{name}"), backend)
        record = json.loads(version.store.read("version.json"))
        assert record.pop("backend")["name"] == name
        assert record.pop("created")
        records[name] = record
    assert records["local"]["image_digest"] == IMAGE.partition("@")[2]
    assert all(record == records["local"] for record in records.values())
