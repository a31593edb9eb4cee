"""What a container job is planned as, with tools that answer as told."""

import json
import os
import shlex
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fake_container_tool import FakeTool
from job_records import a_spec

from facejobs.jobs.backends.base import HIDDEN, Plan
from facejobs.jobs.backends.container import ContainerBackend
from facejobs.jobs.backends.container_run import LABEL_JOB, LABEL_URL, LABEL_VERSION
from facejobs.jobs.backends.container_tool import find_tool
from facejobs.jobs.backends.opening import open_backend
from facejobs.jobs.errors import JobError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import open_version_store

BASH = shutil.which("bash") or "bash"
IMAGE = "registry.example.com/team/facejobs@sha256:" + "0" * 64
KEYS_FILE = "[default]\naws_access_key_id = file-id\naws_secret_access_key = file-key\n"
HOSTILE = [
    "$(touch /tmp/x)", "`touch /tmp/x`", "a;touch /tmp/x", "a'b", 'a"b', "a\nb", "-v /:/host", "--privileged", "%s",
    "*", "ünïcode 日本", "", " ", "a,b", "a=b", "~", "\\", "|&><",
]  # fmt: skip


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs, whose only programs are those that a test makes; its folder of programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in [name for name in os.environ if name.startswith(("DLS_", "FACEJOBS_", "AWS_", "S3_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FACEJOBS_GPUS", "2")
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    monkeypatch.setattr(os, "getgid", lambda: 2345)
    return programs


@pytest.fixture
def podman(machine: Path) -> FakeTool:
    return FakeTool(machine)


def planned(options: dict[str, Any] | None = None, **fields: Any) -> Plan:
    return open_backend("container", options).plan(a_spec(**{"image": IMAGE, **fields}), "/store/jobs/job/V0001")


def words(plan: Plan) -> list[str]:
    """The request as a shell takes it: the tool is a function that prints its words."""
    tool = plan.request.split()[0]
    script = f"{tool}() {{ printf '%s\\0' {tool} \"$@\"; }}\n{plan.request}"
    result = subprocess.run([BASH, "-c", script], capture_output=True, check=True)
    assert not result.stderr
    return result.stdout.decode().split("\0")[:-1]


def after_image(plan: Plan) -> list[str]:
    """What the container is given as its command."""
    found = words(plan)
    return found[found.index(IMAGE) + 1 :]


def test_the_request_is_the_tools_command_line(podman) -> None:
    plan = planned(
        {"network": "host", "shm_size": "2GiB", "extra": ["--ulimit", "core=0"]},
        resources={"cpus": 1.5, "memory": "4GiB"},
        parameters={"lr": 0.1},
    )
    assert not plan.impossible
    found = words(plan)
    assert found[:4] == ["podman", "run", "--ulimit", "core=0"]
    for option in (
        "--rm", "--pull=never", "--network=host", "--cpus=1.5", "--memory=4294967296", "--memory-swap=4294967296",
        "--shm-size=2147483648", "--user=1234:2345", "--security-opt=no-new-privileges", "--label=facejobs.job=job",
        "--label=facejobs.version=V0001", "--env=FACEJOBS_WORK=/facejobs/work", "--env=NVIDIA_VISIBLE_DEVICES=void",
        "--mount=type=bind,source=/store/jobs/job/V0001,target=/facejobs/store/jobs/job/V0001",
    ):  # fmt: skip
        assert option in found, option
    assert after_image(plan) == ["true", "/facejobs/work/output", "--lr", "0.1"]
    assert plan.command == ["run_train.sh", "true", "/facejobs/work/output", "--lr", "0.1"]
    assert plan.environment["DLS_TRAIN_URL"] == "/facejobs/store/jobs/job/V0001"


def test_the_container_is_no_host_of_its_processes(podman) -> None:
    """liveness tells machines apart by their names; with the host's own, process 1 would be taken for the task."""
    option = next(word for word in words(planned({"network": "host"})) if word.startswith("--hostname="))
    assert option.partition("=")[2] not in ("", socket.gethostname())


def test_local_inputs_are_mounted_read_only_and_remote_ones_fetched(podman, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "https://s3.example.com")
    folder, file = tmp_path / "faces: old", tmp_path / "cele.rec"
    folder.mkdir()
    file.touch()
    plan = planned(
        command="train {inputs.a} {inputs.b} {inputs.c} {outputs.model}",
        inputs={"a": str(folder), "b": str(file), "c": "s3://faces/train"},
        outputs={"model": str(tmp_path / "published")},
    )
    assert not plan.impossible
    assert f"--mount=type=bind,source={folder},target=/facejobs/inputs/a,readonly" in words(plan)
    assert f"--mount=type=bind,source={file},target=/facejobs/inputs/b/cele.rec,readonly" in words(plan)
    assert after_image(plan)[1:4] == ["/facejobs/inputs/a", "/facejobs/inputs/b/cele.rec", "/facejobs/work/inputs/c"]
    assert plan.environment["FACEJOBS_OUTPUT_URL"] == "/facejobs/published"
    assert plan.environment["FACEJOBS_INPUTS"] == (
        '{"a": "/facejobs/inputs/a", "b": "/facejobs/inputs/b/cele.rec", "c": "s3://faces/train"}'
    )
    assert f"--mount=type=bind,source={tmp_path / 'published'},target=/facejobs/published" in words(plan)


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb"])
def test_a_path_that_cannot_be_mounted_is_refused(podman, tmp_path, name) -> None:
    (tmp_path / name).mkdir()
    plan = planned(inputs={"data": str(tmp_path / name)})
    assert ["cannot be mounted" in item for item in plan.impossible] == [True]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_a_spec_says_is_one_word(podman, text) -> None:
    plan = planned(command=shlex.join(["train", text]), parameters={"p": text}, environment={"GREETING": text})
    assert not plan.impossible
    assert after_image(plan) == ["train", text, "/facejobs/work/output", "--p", text]
    assert words(plan).count(f"--env=GREETING={text}") == 1
    assert (
        words(plan).count("podman") == 1 and len(words(plan)) == len(words(planned(environment={"GREETING": ""}))) + 3
    )


def test_secrets_and_keys_are_named_only(podman, monkeypatch) -> None:
    values = {"AWS_ACCESS_KEY_ID": "the-id", "AWS_SECRET_ACCESS_KEY": "the-key", "MLFLOW_TRACKING_TOKEN": "the-token"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    plan = planned(secrets=["MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY"])
    assert all(words(plan).count(f"--env={name}") == 1 and plan.environment[name] == HIDDEN for name in values)
    assert not [value for value in values.values() if value in str(plan.as_json())]


def test_settings_of_the_store_and_of_tasks_are_passed_on(podman, monkeypatch) -> None:
    settings = {"S3_ENDPOINT": "https://s3.example.com", "AWS_REGION": "eu-1", "FACEJOBS_GRACE": "7"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert settings.items() <= planned().environment.items()
    assert planned(environment={"FACEJOBS_GRACE": "9"}).environment["FACEJOBS_GRACE"] == "9"


def test_keys_of_the_aws_files_are_passed_on_by_name(podman, monkeypatch, tmp_path) -> None:
    (tmp_path / "credentials").write_text(KEYS_FILE)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    plan = planned()
    assert plan.environment["AWS_SECRET_ACCESS_KEY"] == HIDDEN and "file-key" not in str(plan.as_json())
    assert "--env=AWS_ACCESS_KEY_ID" in words(plan) and "--env=AWS_SESSION_TOKEN" not in words(plan)
    environment = ContainerBackend().environment_of(a_spec())
    assert (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) == ("file-id", "file-key")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    assert ContainerBackend().environment_of(a_spec())["AWS_ACCESS_KEY_ID"] == "of-the-environment"


def test_certificates_of_a_private_store_are_mounted(podman, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    plan = planned()
    assert f"--mount=type=bind,source={tmp_path}/ca.pem,target=/facejobs/ca-bundle.pem,readonly" in words(plan)
    assert plan.environment["AWS_CA_BUNDLE"] == "/facejobs/ca-bundle.pem"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:8333", "http://localhost:9000", "http://[::1]:80"])
def test_a_loopback_endpoint_needs_the_network_of_the_host(podman, monkeypatch, endpoint) -> None:
    monkeypatch.setenv("S3_ENDPOINT", endpoint)
    remote = {"inputs": {"data": "s3://faces/train"}}
    assert [item for item in planned(**remote).impossible if item.startswith("network:") and endpoint in item]
    assert not planned({"network": "host"}, **remote).impossible
    assert not planned().impossible, "nothing is fetched from there"


def test_every_field_is_honoured_emulated_or_impossible(podman) -> None:
    plan = planned(
        resources={"gpus": 2, "gpu_type": "V100", "cpus": 2, "memory": "1GiB", "nodes": 2},
        retries=2,
        time_limit="1h",
        inputs={"data": "/data"},
        environment={"A": "b"},
    )
    said = {item.split(":")[0] for item in (*plan.honoured, *plan.emulated, *plan.impossible)}
    fields = {f"resources.{name}" for name in ("gpus", "gpu_type", "cpus", "memory", "nodes")}
    fields |= {"image", "command", "inputs", "outputs", "parameters", "environment", "secrets", "retries", "time_limit"}
    assert said == fields
    assert plan.impossible == ["resources.nodes: 2; the container backend is one machine"]


@pytest.mark.parametrize(
    ("fields", "words_of_it"),
    [
        ({"resources": {"gpus": 3}}, "resources.gpus: 3 are asked for, this machine has 2"),
        ({"resources": {"gpus": 1, "gpu_type": "H100"}}, "resources.gpu_type: H100"),
        ({"image": None}, "image: a container needs one"),
    ],
)
def test_what_cannot_be_is_refused(podman, fields, words_of_it) -> None:
    assert [item for item in planned(**fields).impossible if item.startswith(words_of_it)]


def test_an_image_that_is_here_is_looked_at(podman) -> None:
    podman.image(Entrypoint=["python"])
    (fault,) = planned().impossible
    assert "run_train.sh" in fault and "python" in fault and "facejobs image build" in fault
    podman.image(Entrypoint=None)
    assert "it has none" in planned().impossible[0]
    podman.image()
    assert not planned().impossible


def test_a_missing_tool_is_named(machine) -> None:
    assert "podman is not installed" in planned().impossible[0] and "docker is not installed" in planned().impossible[0]
    assert planned({"tool": "docker"}).impossible == ["tool: docker is not installed, or not in PATH"]


def test_docker_is_taken_where_podman_does_not_work(machine) -> None:
    FakeTool(machine, "podman").answer("info", 125, error="Error: cannot set up namespace")
    docker = FakeTool(machine, "docker")
    assert words(planned())[0] == "docker"
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    docker.info({"ID": "", "ServerErrors": [said]})
    (fault,) = planned().impossible
    assert "cannot set up namespace" in fault and said in fault


def test_a_refused_job_claims_no_number(machine, tmp_path) -> None:
    store = open_version_store(str(tmp_path / "store"))
    with pytest.raises(JobError, match="podman is not installed"):
        submit(a_spec(image=IMAGE), store, ContainerBackend())
    assert not store.versions("job")


def test_whom_the_task_runs_as(machine, monkeypatch) -> None:
    podman, docker = FakeTool(machine, "podman"), FakeTool(machine, "docker")

    def given(**options: Any) -> list[str]:
        return [word for word in words(planned(options)) if word.startswith(("--user", "--env=HOME"))]

    home = "--env=HOME=/facejobs/work/tmp"
    assert given() == given(tool="docker") == ["--user=1234:2345", home]
    podman.info({"host": {"security": {"rootless": True}}})
    assert given() == ["--userns=keep-id", "--user=1234:2345", home]
    docker.info({"ID": "1", "SecurityOptions": ["name=rootless", "name=cgroupns"]})
    assert given(tool="docker") == ["--user=0:0", home]
    docker.info({"ID": "1", "SecurityOptions": ["name=userns"]})
    assert given(tool="docker") == ["--userns=host", "--user=1234:2345", home]
    docker.info({"ID": "1"})
    assert given(tool="docker", user="77:88") == ["--user=77:88", home]
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert given(tool="docker") == [], "the image's own user, to whom root gives the folders"
    docker.image(User="work")
    assert "UID:GID" in planned({"tool": "docker"}).impossible[0]
    assert not planned({"tool": "docker", "user": "1000:100"}).impossible


@pytest.mark.parametrize("spec", [{"image": IMAGE}, {"image": IMAGE, "name": "_" * 64}])
def test_names_of_containers_are_valid_and_differ_between_stores(podman, spec: dict[str, Any]) -> None:
    job: JobSpec = a_spec(**spec)
    names = set()
    for store in ("/one", "/two"):
        plan = ContainerBackend().plan(job, f"{store}/jobs/{job.name}/V0001")
        names.add(next(word for word in words(plan) if word.startswith("--name=")))
    assert len(names) == 2
    assert all(name.startswith("--name=facejobs-") and name.endswith(f"-{job.name}-V0001") for name in names)


def test_a_tool_that_fails_has_not_said_that_the_container_is_gone(podman: FakeTool) -> None:
    tool = find_tool()
    assert not tool.is_running("one")
    podman.answer("container inspect", 125, error="Error: database is locked")
    with pytest.raises(JobError, match=r"podman does not say how container one is: .*database is locked"):
        tool.is_running("one")


@pytest.mark.parametrize(("status", "listed"), [("running", ["V0003"]), ("exited", []), ("removing", [])])
def test_containers_of_others_are_listed_while_they_run(podman: FakeTool, status: str, listed: list[str]) -> None:
    labels = {LABEL_JOB: "other", LABEL_VERSION: "V0003", LABEL_URL: "/elsewhere/jobs/other/V0003"}
    facts = {"Name": "x", "State": {"Status": status}, "Config": {"Labels": labels}}
    podman.answer("ps", out="x\n")
    podman.answer("container inspect", out=json.dumps([facts]))
    assert [item.version for item in ContainerBackend().list()] == listed
