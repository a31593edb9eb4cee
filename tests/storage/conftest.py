"""An S3 server in the process of the tests, and a folder to copy to it or to a directory."""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from facejobs.storage.opening import open_store
from facejobs.storage.store import ObjectStore

# Test folders are no packages, so what tests here share is found by its folder.
sys.path.insert(0, str(Path(__file__).parent))
from meddler import FILES


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The endpoint of a server that knows no wrong secret."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_environment(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The endpoint, with an environment that names it and nothing of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "S3_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("S3_ENDPOINT", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unit")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "unit-secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return s3_endpoint


@pytest.fixture(scope="session")
def plain_client(s3_endpoint: str) -> Any:
    """A client of the server that is independent of the code under test."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id="unit",
        aws_secret_access_key="unit-secret",
    )


@pytest.fixture
def bucket_url(s3_environment: str, plain_client: Any) -> str:
    """The URL of a bucket that is empty."""
    name = f"bucket-{secrets.token_hex(6)}"
    plain_client.create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture
def reads_by_client(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with a setting that only botocore knows, so that every request is botocore's."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind."""
    url = str(tmp_path / "store") if request.param == "disk" else request.getfixturevalue("bucket_url") + "/deep/folder"
    return open_store(url)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with the files of FILES."""
    folder = tmp_path / "source"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
