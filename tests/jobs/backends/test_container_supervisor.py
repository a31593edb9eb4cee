"""Container jobs from submit to their end, with real supervisors and tools that answer as told."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_container_tool import FakeTool
from job_records import a_spec

from facejobs.jobs.backends.container import ContainerBackend
from facejobs.jobs.backends.container_options import ContainerOptions
from facejobs.jobs.backends.native import read_native
from facejobs.jobs.errors import JobError
from facejobs.jobs.status import State, Status, read_status
from facejobs.jobs.submission import claim
from facejobs.jobs.version_record import BackendBlock
from facejobs.jobs.versions import VersionFolder, open_version_store

DIGEST = "sha256:" + "0" * 64
SECRET = "the-value-of-it"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with four GPUs; its folder of programs, before the others."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in [name for name in os.environ if name.startswith(("DLS_", "FACEJOBS_", "AWS_", "S3_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FACEJOBS_GPUS", "4")
    monkeypatch.setenv("MY_TOKEN", SECRET)
    return programs


def start(tmp_path: Path, tool: str = "podman", registry: str = "registry.example.com", **fields: Any) -> VersionFolder:
    """Submit a job."""
    backend = ContainerBackend(ContainerOptions(tool=tool, user="1000:100"))
    spec = a_spec(image=f"{registry}/team/facejobs:1.0", secrets=["MY_TOKEN"], **fields)
    block = BackendBlock(name="container", options={"tool": tool})
    version = claim(spec, open_version_store(str(tmp_path / "store")), block, {}, image_digest=DIGEST)
    backend.submit(version)
    return version


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def run(*arguments: Any, **fields: Any) -> VersionFolder:
    """Submit a job and wait until it has ended."""
    version = start(*arguments, **fields)
    until(lambda: ContainerBackend().state(version).ended)
    return version


def status_of(version: VersionFolder) -> Status:
    return read_status(version.store)


def test_the_pinned_image_is_run_with_secrets_in_the_environment_of_the_tool(machine, tmp_path) -> None:
    podman = FakeTool(machine)
    podman.image()
    podman.answer("run", 3, error="Error: it went wrong\n")
    version = run(tmp_path, retries=1)
    assert status_of(version).state is State.FAILED
    assert status_of(version).reason == "the container ended with exit code 3: Error: it went wrong"
    assert status_of(version).transitions[-1].exit_code == 3
    first, second = podman.calls("run")
    for number, call in ((1, first), (2, second)):
        assert (
            f"--env=FACEJOBS_ATTEMPT={number}" in call["arguments"] and "--env=FACEJOBS_ATTEMPTS=2" in call["arguments"]
        )
        assert f"registry.example.com/team/facejobs@{DIGEST}" in call["arguments"]
        assert "--env=MY_TOKEN" in call["arguments"] and call["environment"]["MY_TOKEN"] == SECRET
    native = read_native(version.store)
    assert native is not None and f"--name={native.id}" in first["arguments"]
    assert [native.id in call["arguments"] for call in podman.calls("rm")] == [True, True]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "calls.jsonl"]
    assert not [path for path in files if SECRET in path.read_text(errors="replace")]


@pytest.mark.parametrize(
    ("tool", "option"),
    [("podman", ["--device=nvidia.com/gpu=0", "--device=nvidia.com/gpu=1"]), ("docker", ['--gpus="device=0,1"'])],
)
def test_gpus_are_passed_in_the_tools_own_way(machine, tmp_path, tool, option) -> None:
    fake = FakeTool(machine, tool)
    fake.image()
    fake.answer("run", 1)
    run(tmp_path, tool, resources={"gpus": 2})
    (call,) = fake.calls("run")
    assert call["arguments"][1 : 1 + len(option)] == option
    assert "--env=NVIDIA_VISIBLE_DEVICES=void" not in call["arguments"]


def test_an_image_that_cannot_be_fetched_fails_in_words(machine, tmp_path) -> None:
    podman = FakeTool(machine)
    podman.answer("pull", 125, error="Error: reading manifest: manifest unknown")
    version = run(tmp_path)
    assert status_of(version).state is State.FAILED and not podman.calls("run")
    assert f"team/facejobs@{DIGEST} is not there" in status_of(version).reason


@pytest.mark.parametrize(("registry", "plain"), [("127.0.0.1:5000", True), ("registry.example.com", False)])
def test_a_registry_of_this_machine_is_asked_over_plain_http(machine, tmp_path, registry, plain) -> None:
    podman = FakeTool(machine)
    podman.answer("pull", 125, error="Error: no")
    run(tmp_path, registry=registry)
    (call,) = podman.calls("pull")
    assert ("--tls-verify=false" in call["arguments"]) is plain


def test_an_image_without_the_entry_point_is_not_run(machine, tmp_path, monkeypatch) -> None:
    """It was not here when the job was submitted, so only the supervisor sees what it starts."""
    podman = FakeTool(machine)
    podman.image(Entrypoint=["/bin/sh"])
    monkeypatch.setattr("facejobs.jobs.backends.container_tool.ContainerTool.image", lambda *_: None)
    version = run(tmp_path)
    assert status_of(version).state is State.FAILED and not podman.calls("run")
    assert "run_train.sh" in status_of(version).reason and "/bin/sh" in status_of(version).reason


def test_a_tool_that_cannot_start_the_container_says_why(machine, tmp_path) -> None:
    podman = FakeTool(machine)
    podman.image()
    podman.answer("run", 126, error="Error: setting up CDI devices: unresolvable nvidia.com/gpu=0\n")
    version = run(tmp_path, resources={"gpus": 1})
    said = (
        "podman could not run the container: Error: setting up CDI devices: unresolvable nvidia.com/gpu=0; `nvidia-ctk"
    )
    assert status_of(version).reason.startswith(said)
    assert status_of(version).transitions[-1].exit_code == 126


def test_a_version_without_a_digest_is_not_started(machine, tmp_path) -> None:
    FakeTool(machine).image()
    store = open_version_store(str(tmp_path / "store"))
    version = claim(a_spec(image="registry.example.com/a:1"), store, BackendBlock(name="container"), {})
    with pytest.raises(JobError, match="does not say which image"):
        ContainerBackend().submit(version)


def test_a_task_that_was_not_ready_to_be_stopped_is_asked_again(machine, tmp_path) -> None:
    """The first process of a container never sees a SIGTERM that it does not handle yet."""
    podman = FakeTool(machine)
    podman.image()
    podman.last("run", deaf=True)
    version = start(tmp_path)
    until(lambda: bool(podman.calls("run")))
    ContainerBackend().stop(version)
    assert status_of(version).state is State.STOPPED
    assert podman.calls("kill")[0]["arguments"][1] == "--signal=TERM"


def test_an_image_that_is_being_fetched_is_given_up(machine, tmp_path) -> None:
    podman = FakeTool(machine)
    podman.last("pull", deaf=False)
    version = start(tmp_path)
    until(lambda: bool(podman.calls("pull")))
    ContainerBackend().stop(version)
    assert status_of(version).state is State.STOPPED and not podman.calls("run")


def test_kill_removes_the_container_at_once(machine, tmp_path) -> None:
    podman = FakeTool(machine)
    podman.image()
    podman.last("run", deaf=True)
    version = start(tmp_path)
    until(lambda: bool(podman.calls("run")))
    ContainerBackend().stop(version, kill=True)
    assert (status_of(version).state, status_of(version).reason) == (State.STOPPED, "killed on request")
    assert podman.calls("kill")[0]["arguments"][1] == "--signal=KILL" and podman.calls("rm")
