"""Jobs in containers of the CPU image, by a real podman, with a directory and with an S3 server as their store."""

import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_fixtures import PushedImage
from local_jobs import FACEJOBS, TINY, Job, until

from facejobs.jobs.backends.container import ContainerBackend, ContainerOptions
from facejobs.jobs.backends.container_run import LABEL_JOB
from facejobs.jobs.backends.processes import processes_of
from facejobs.jobs.liveness import is_alive
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import open_version_store
from facejobs.storage.folder_sync import upload_folder
from facejobs.storage.opening import open_store

# What podman needs where it may neither raise limits nor make networks, as on machines that are guests themselves.
RESTRICTED = ["--runtime=runc", "--cgroup-manager=cgroupfs", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
OPTIONS = ContainerOptions(tool="podman", network="host", extra=RESTRICTED)
REAL = "--batch-size 4 --embedding-size 8 --max-steps 4 --checkpoint-every 2 --warmup-steps 2 --lr 0.02 --epochs 50"


@pytest.fixture(scope="module")
def storage(cpu_image: PushedImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables for a podman whose images are stored as layers: a container of one is there at once, without a copy."""
    folder = tmp_path_factory.mktemp("containers")
    configuration = folder / "storage.conf"
    configuration.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
    )
    variables = {**cpu_image.environment, "CONTAINERS_STORAGE_CONF": str(configuration)}
    works = subprocess.run(["podman", "info"], env={**os.environ, **variables}, capture_output=True, check=False)
    yield cpu_image.environment if works.returncode else variables
    # podman mounts this folder on itself.
    subprocess.run(["umount", f"{folder}/storage/overlay"], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: dict[str, str]) -> Iterator[Path]:
    """A machine without jobs, whose podman has the images of these tests: its state folder. No container is left."""
    for name in [name for name in os.environ if name.startswith(("DLS_", "FACEJOBS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("FACEJOBS_UPLOAD_EVERY", "0.3")
    for name, value in storage.items():
        monkeypatch.setenv(name, value)
    yield tmp_path / "state"
    try:
        # A version has ended a moment before its container has.
        until(lambda: not containers(), 120)
    finally:
        for number in containers():
            podman("kill", "--signal", "KILL", number)
            podman("rm", "--force", number)


def podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False).stdout


def containers() -> list[str]:
    return podman("ps", "--all", "--quiet", "--filter", f"label={LABEL_JOB}").split()


class ContainerJob(Job):
    """One version submitted to the container backend."""

    def __init__(self, version: Any) -> None:
        super().__init__(version)
        self.backend = ContainerBackend(OPTIONS)

    @classmethod
    def start(cls, image: PushedImage, store: str, **fields: Any) -> "ContainerJob":
        spec = JobSpec.model_validate({"name": "tiny", "image": image.tag, "outputs": {"run": None}, **fields})
        return cls(submit(spec, open_version_store(store), ContainerBackend(OPTIONS)))

    @property
    def container(self) -> str:
        return podman("ps", "--quiet", "--filter", f"label={LABEL_JOB}={self.version.job}").strip()

    def kill_supervisor(self) -> None:
        supervisor = self.status.supervisor
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        until(lambda: not is_alive(supervisor))


def tiny_command(*options: object) -> dict[str, Any]:
    """A training that takes as long as told, whose code is a local input."""
    command = " ".join(map(str, ["python", f"{{inputs.code}}/{TINY.name}", "{outputs.run}", *options]))
    return {"command": command, "inputs": {"code": str(TINY.parent)}}


def same_weights(ours: bytes, theirs: Path) -> bool:
    """Bit by bit; the files around them differ, since two releases of Python write zip headers in two ways."""
    first, second = np.load(io.BytesIO(ours)), np.load(theirs)
    return set(first) == set(second) and all(first[name].tobytes() == second[name].tobytes() for name in first)


def checkpoints(job: Job) -> list[str]:
    return [item.key for item in job.version.store.list("checkpoints") if item.key.endswith("/manifest.json")]


def test_real_training_with_input_and_output_in_a_bucket(
    seaweedfs, cpu_image, drawn_faces, monkeypatch, machine, tmp_path
) -> None:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    bucket = seaweedfs.make_bucket("container-training")
    upload_folder(drawn_faces / "recognition_train_data", open_store(f"{bucket}/faces"), progress=False)
    job = ContainerJob.start(
        cpu_image,
        f"{bucket}/store",
        name="faces",
        command=f"facejobs train recognition {{inputs.faces}} {{outputs.run}} {REAL}",
        inputs={"faces": f"{bucket}/faces"},
        outputs={"run": f"{bucket}/published"},
        resources={"memory": "4GiB", "cpus": 2},
    )
    until(lambda: bool(checkpoints(job)) or job.state.ended, 120)
    shown = podman("ps", "--no-trunc", "--format", "{{.Names}} {{.Labels}}")
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    job.backend.stop(job.version, kill=True)
    assert job.state is State.STOPPED and job.status.reason == "killed on request", job.log()
    assert "V0001" in shown
    assert job.resume() is State.COMPLETED, job.log()
    assert "resuming at step" in job.log()
    here = tmp_path / "here"
    command = [FACEJOBS, "train", "recognition", drawn_faces / "recognition_train_data", here, *REAL.split()]
    subprocess.run(command, check=True, capture_output=True)
    model = job.model()
    assert same_weights(model["weights.npz"], here / "model" / "weights.npz"), "as without a container"
    assert open_store(f"{bucket}/published").read("model/model.onnx") == model["model.onnx"]
    assert job.version.record.image_digest == cpu_image.pinned.partition("@")[2]
    secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    assert not [command for command in commands if secret in command]
    everything = open_store(bucket)
    assert not [item.key for item in everything.list() if secret in everything.read(item.key)]
    assert not [path for path in machine.rglob("*") if path.is_file() and secret in path.read_bytes()]


def test_stop_lost_supervisor_and_resume(cpu_image, tmp_path) -> None:
    store = str(tmp_path / "store")
    job = ContainerJob.start(cpu_image, store, **tiny_command("--pause", "0.15"))
    until(lambda: bool(checkpoints(job)), 60)
    (queued,) = job.backend.list()
    assert (queued.job, queued.version, queued.native_state) == ("tiny", "V0001", "running")
    job.backend.stop(job.version)
    assert job.state is State.STOPPED and job.status.transitions[-1].exit_code == 75, job.log()
    assert not job.container and not job.backend.list()

    job.backend.resume(job.version)
    until(lambda: job.state is State.RUNNING and "running" in job.log())
    job.kill_supervisor()
    assert job.state is State.RUNNING, "the container goes on without its supervisor"
    job.backend.stop(job.version)
    assert job.state is State.STOPPED, job.log()

    job.backend.resume(job.version)
    until(lambda: job.state is State.RUNNING and bool(job.container))
    job.kill_supervisor()
    podman("kill", "--signal", "KILL", job.container)
    until(lambda: job.state is State.LOST)
    until(lambda: not processes_of(job.work))
    waited = subprocess.run(
        [FACEJOBS, "wait", "tiny", "1", "--store", store], capture_output=True, text=True, check=False
    )
    assert waited.returncode == 11 and "is LOST" in waited.stdout and "tiny_training.py" in waited.stderr

    assert job.resume() is State.COMPLETED, job.log()
    assert job.log().count("the newest checkpoint is of step") == 3
    undisturbed = tmp_path / "undisturbed"
    subprocess.run([sys.executable, TINY, undisturbed, "--pause", "0"], check=True)
    assert same_weights(job.model()["weights.npz"], undisturbed / "model" / "weights.npz")
    until(lambda: not (job.work / "task").exists())


def test_words_variables_and_exit_codes_arrive_as_they_are(cpu_image, tmp_path) -> None:
    hostile = ["$(touch /tmp/x)", "`id`", "a;b", "a'b\"c", "two\nlines", "--privileged", "%s", "*", "ünï", "", "a,b=c"]
    code = (
        "import json, os, sys; print('SEEN', json.dumps([sys.argv[1:], os.environ['GREETING'], os.getuid()])); exit(7)"
    )
    job = ContainerJob.start(
        cpu_image,
        str(tmp_path / "store"),
        command=shlex.join(["python", "-c", code, *hostile]),
        environment={"GREETING": "\n".join(hostile)},
    )
    assert job.wait() is State.FAILED
    assert job.status.transitions[-1].exit_code == 7, job.log()
    seen = next(line for line in job.log().splitlines() if line.startswith("SEEN "))
    words, greeting, user = json.loads(seen.removeprefix("SEEN "))
    assert words == [*hostile, "/facejobs/work/output"] and greeting == "\n".join(hostile)
    assert user == 1000


def test_memory_is_limited(cpu_image, tmp_path) -> None:
    if "memory" not in podman("info", "--format", "{{.Host.CgroupControllers}}"):
        pytest.skip("no memory controller is given to containers here")
    job = ContainerJob.start(
        cpu_image,
        str(tmp_path / "store"),
        command="python -c 'len(bytearray(1 << 30))'",
        resources={"memory": "256MiB"},
    )
    assert job.wait() is State.FAILED
    assert job.status.transitions[-1].exit_code == 128 + signal.SIGKILL, job.status
