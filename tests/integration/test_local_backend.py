"""Whole jobs on this machine, with a directory and with an S3 server as their store."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from local_jobs import FACEJOBS, TINY, Job, submit_by_command, tiny_spec, until

from facejobs.jobs.backends.local import LocalBackend
from facejobs.jobs.errors import JobError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State
from facejobs.jobs.submission import claim
from facejobs.jobs.versions import open_version_store
from facejobs.storage.folder_sync import upload_folder
from facejobs.storage.opening import open_store

REAL = ["--batch-size 4", "--embedding-size 8", "--max-steps 4", "--checkpoint-every 2", "--warmup-steps 2"]
REAL += ["--lr 0.02", "--epochs 50"]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without jobs: its state folder."""
    for name in [name for name in os.environ if name.startswith(("DLS_", "FACEJOBS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def bucket(seaweedfs, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The URL of an empty bucket."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    name = request.node.name.replace("_", "-").replace("[", "-").strip("]")[:60].strip("-")
    seaweedfs.client().create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "directory" else request.getfixturevalue("bucket") + "/store"


def begun(job: Job, steps: int = 8) -> bool:
    """Whether a checkpoint of this step or a later one has been uploaded."""
    return any(
        item.key.endswith("/manifest.json") and int(item.key.split("-")[1].split("/")[0]) >= steps
        for item in job.version.store.list("checkpoints")
    )


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The model of a run that nothing disturbed, and no job surrounded."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run([sys.executable, TINY, run, "--pause", "0"], check=True)
    return {path.name: path.read_bytes() for path in (run / "model").iterdir()}


def test_a_machine_dies_and_the_job_goes_on_elsewhere(store, whole_model, monkeypatch) -> None:
    monkeypatch.setenv("FACEJOBS_UPLOAD_EVERY", "0.3")
    job = Job.submit(tiny_spec("--pause", "0.08"), store)
    until(lambda: begun(job))
    job.kill_everything()
    assert job.state is State.LOST
    shutil.rmtree(job.work)
    assert job.resume() is State.COMPLETED, job.log()
    assert job.model() == whole_model
    assert "the newest checkpoint is of step" in job.log() and "attempt" not in job.status.reason
    assert [item.attempt for item in job.status.transitions if item.state is State.RUNNING] == [1, 2]
    until(lambda: not (job.work / "output").exists())


def test_real_training_with_input_and_output_in_a_bucket(bucket, drawn_faces, monkeypatch, machine) -> None:
    monkeypatch.setenv("FACEJOBS_UPLOAD_EVERY", "0.5")
    upload_folder(drawn_faces / "recognition_train_data", open_store(f"{bucket}/faces"), progress=False)
    spec = JobSpec.model_validate(
        {
            "name": "faces",
            "command": f"{FACEJOBS} train recognition {{inputs.faces}} {{outputs.run}} {' '.join(REAL)}",
            "inputs": {"faces": f"{bucket}/faces"},
            "outputs": {"run": f"{bucket}/published"},
        }
    )
    job = Job.submit(spec, f"{bucket}/store")
    until(lambda: begun(job, 2) or job.state.ended, 120)
    job.kill_everything()
    shutil.rmtree(job.work)
    assert job.state is State.LOST, job.log()
    assert job.resume() is State.COMPLETED, job.log()
    undisturbed = Job.submit(spec, f"{bucket}/other-store")
    assert undisturbed.wait() is State.COMPLETED, undisturbed.log()
    assert "resuming at step" in job.log() and "resuming at step" not in undisturbed.log()
    model = job.model()
    assert model == undisturbed.model() and "model.onnx" in model
    published = open_store(f"{bucket}/published")
    assert published.read("model/model.onnx") == model["model.onnx"]
    secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    everything = open_store(bucket)
    assert not [item.key for item in everything.list() if secret in everything.read(item.key)]
    files = [path for path in machine.rglob("*") if path.is_file()]
    assert not [path for path in files if secret in path.read_bytes()]


def test_a_wrong_secret_is_127_and_failed(bucket, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "anothers-key-0123")
    command = f"{sys.executable} -c pass {{inputs.faces}} {{outputs.run}}"
    spec = JobSpec.model_validate(
        {"name": "tiny", "command": command, "inputs": {"faces": f"{bucket}/faces"}, "outputs": {"run": None}}
    )
    store = open_version_store(str(tmp_path / "store"))
    job = Job(claim(spec, store, "local", {}))
    LocalBackend().submit(job.version)
    assert job.wait() is State.FAILED
    assert job.status.transitions[-1].exit_code == 127
    assert "faces" in job.log() and "anothers-key-0123" not in job.log()


def test_a_failed_attempt_is_repeated_from_its_checkpoint(tmp_path, whole_model) -> None:
    once = tmp_path / "once"
    script = tmp_path / "fails_once.sh"
    script.write_text(
        f'"{sys.executable}" "$@" & pid=$!\n'
        f'if mkdir "{once}"; then\n'
        '    while [ ! -e "$2/checkpoints/step-00000008" ]; do sleep 0.05; done\n'
        "    kill -9 $pid\n"
        "fi\n"
        "wait $pid\n"
    )
    spec = tiny_spec("--pause", "0.02", retries=1)
    spec = spec.changed(command=spec.command.replace(sys.executable, f"sh {script}"))
    job = Job.submit(spec, str(tmp_path / "store"))
    assert job.wait() is State.COMPLETED, job.log()
    assert [item.attempt for item in job.status.transitions if item.state is State.RUNNING] == [1, 2]
    assert job.model() == whole_model


def test_a_time_limit_saves_and_fails_and_is_not_repeated(tmp_path) -> None:
    job = Job.submit(tiny_spec("--pause", "0.5", time_limit=3, retries=2), str(tmp_path / "store"))
    assert job.wait() is State.FAILED
    assert "time limit" in job.status.reason
    assert job.status.attempt == 1
    assert job.version.store.folders("checkpoints")


def test_stop_saves_and_resume_ends_with_the_same_model(tmp_path, whole_model) -> None:
    job = Job.submit(tiny_spec("--pause", "0.05"), str(tmp_path / "store"))
    until(lambda: begun(job, 4))
    with pytest.raises(JobError, match="RUNNING"):
        job.backend.resume(job.version)
    job.backend.stop(job.version)
    assert job.state is State.STOPPED and job.status.transitions[-1].exit_code == 75
    with pytest.raises(JobError, match="nothing to stop"):
        job.backend.stop(job.version)
    assert job.resume() is State.COMPLETED, job.log()
    assert job.model() == whole_model
    with pytest.raises(JobError, match="COMPLETED"):
        job.backend.resume(job.version)


def test_jobs_wait_for_their_turn_and_leave_the_queue_when_stopped(tmp_path) -> None:
    store = str(tmp_path / "store")
    first, second, third = (Job.submit(tiny_spec("--pause", "0.05"), store) for _ in range(3))
    until(lambda: first.state is State.RUNNING)
    assert second.state is third.state is State.PENDING
    second.backend.stop(second.version)
    assert second.state is State.STOPPED
    first.backend.stop(first.version, kill=True)
    assert first.state is State.STOPPED
    until(lambda: third.state is State.RUNNING)
    third.backend.stop(third.version, kill=True)


def test_the_job_outlives_the_command_that_submitted_it(tmp_path) -> None:
    store = str(tmp_path / "store")
    command = submit_by_command(tiny_spec("--pause", "0.01"), store)
    assert command.wait(timeout=60) == 0
    job = Job(open_version_store(store).find("tiny@last"))
    result = subprocess.run(
        [FACEJOBS, "wait", "tiny@last", "--store", store, "--json"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["state"] == "COMPLETED"
    assert job.state is State.COMPLETED


def test_a_lost_job_says_so_with_its_last_lines(tmp_path) -> None:
    store = str(tmp_path / "store")
    job = Job.submit(tiny_spec("--pause", "1"), store)
    until(lambda: "running" in job.log())
    os.kill(job.status.supervisor.pid, signal.SIGKILL)
    time.sleep(0.3)
    assert job.state is State.RUNNING, "the task goes on without its supervisor"
    job.kill_everything()
    result = subprocess.run(
        [FACEJOBS, "wait", "tiny", "1", "--store", store], capture_output=True, text=True, check=False
    )
    assert result.returncode == 11
    assert "is LOST" in result.stdout and "tiny_training.py" in result.stderr and "resume" in result.stderr


def test_killed_at_random_moments(tmp_path) -> None:
    """Three seeds of chaos_kill.py; run it by hand for more."""
    script = Path(__file__).with_name("chaos_kill.py")
    command = [sys.executable, script, "--seeds", "3", "--first", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 seeds: every store readable" in result.stdout
