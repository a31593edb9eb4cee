"""Whole jobs on a real Slurm of two nodes: trained, stopped, timed out, preempted, their nodes killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from local_jobs import TINY, tiny_spec, until
from slurm_cluster import SlurmCluster
from slurm_jobs import SlurmVersion, shell_spec

from facejobs.jobs.backends.native import NativeJob, write_native
from facejobs.jobs.backends.slurm import SlurmBackend
from facejobs.jobs.backends.slurm_plan import passed_environment
from facejobs.jobs.errors import JobError
from facejobs.jobs.status import State
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import open_version_store

SECRET = "s3cr3t'$(touch /tmp/facejobs-secret)"
SMALL = {"cpus": 1, "memory": "100MiB"}


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The model of a run that nothing disturbed, and no job surrounded."""
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    subprocess.run([sys.executable, TINY, run, "--pause", "0"], check=True)
    return {path.name: path.read_bytes() for path in (run / "model").iterdir()}


@pytest.fixture(autouse=True)
def user(slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody on a login node, without variables of another job."""
    for name in [name for name in os.environ if name.startswith(("DLS_", "FACEJOBS_", "AWS_", "S3_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


@pytest.fixture(scope="module")
def timed(slurm_cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, SlurmVersion]:
    """Two jobs that take longer than their time limit; they run while other tests do."""
    folder = tmp_path_factory.mktemp("timed")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm_cluster.environment.items():
            patch.setenv(name, value)
        return {
            # Slurm looks every 30 s which jobs come near to their limit, and its shortest limit is a minute.
            name: SlurmVersion.submit(
                tiny_spec("--pause", "0.9", name=name, time_limit=60, retries=retries, resources=SMALL),
                str(folder / "store"),
                folder,
                signal_seconds=50,
            )
            for name, retries in (("patient", 4), ("impatient", 0))
        }


def test_a_job_trains_from_a_bucket_and_its_credentials_are_in_no_file(
    timed, slurm, seaweedfs, whole_model, tmp_path, monkeypatch
) -> None:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("API_TOKEN", SECRET)
    spec = tiny_spec(resources=SMALL, secrets=["API_TOKEN"])
    monkeypatch.chdir(tmp_path)
    job = SlurmVersion.submit(
        spec, seaweedfs.make_bucket("slurm-trains"), tmp_path / "scratch", log_folder=str(tmp_path)
    )
    number = job.number
    assert job.wait() is State.COMPLETED, job.log()
    assert job.model() == whole_model
    assert job.states == [(1, State.PENDING), (1, State.RUNNING), (1, State.COMPLETED)]
    written = b"".join(job.version.store.read(item.key) for item in job.version.store.list())
    script = slurm.run("scontrol", "write", "batch_script", number, "-").stdout
    assert "#SBATCH" in script
    for secret in (SECRET, seaweedfs.secret_key):
        assert secret not in script + (tmp_path / "slurm-tiny-V0001.out").read_text()
        assert secret.encode() not in written
    assert not Path("/tmp/facejobs-secret").exists()
    assert not list((tmp_path / "scratch").rglob("output"))


def test_each_node_runs_one_task_that_knows_the_others(timed, store, tmp_path) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    names = "$DLS_TASK_INDEX $DLS_TASK_NUMBER $DLS_TASK_HOSTS $SLURMD_NODENAME $FACEJOBS_WORK"
    spec = shell_spec("both", f"echo {names} > {seen}/$DLS_TASK_INDEX", resources={"nodes": 2, "gpus": 1, **SMALL})
    job = SlurmVersion.submit(spec, store, tmp_path / "scratch")
    assert job.wait() is State.COMPLETED, job.log()
    # The first task speaks for the job, and may end before the other.
    until(lambda: len(list(seen.iterdir())) == 2 and all(path.read_text() for path in seen.iterdir()))
    told = [(seen / str(number)).read_text().split() for number in (0, 1)]
    assert [line[:4] for line in told] == [[str(i), "2", "127.0.0.1,127.0.0.1", f"n{i + 1}"] for i in (0, 1)]
    assert told[0][4] != told[1][4]


def test_a_running_job_is_stopped_with_what_it_had_and_resumed(timed, store, whole_model, tmp_path) -> None:
    job = SlurmVersion.submit(tiny_spec("--pause", "0.1", resources=SMALL), store, tmp_path / "scratch")
    until(lambda: job.begun())
    assert [(item.version, item.state) for item in job.backend.list() if item.job == "tiny"] == [
        ("V0001", State.RUNNING)
    ]
    with pytest.raises(JobError, match="stop it first"):
        job.backend.resume(job.version)
    job.backend.stop(job.version)
    assert job.status.state is State.STOPPED and job.exit_code == 75 and job.status.reason == "stopped on request"
    assert job.begun()
    with pytest.raises(JobError, match="nothing to stop"):
        job.backend.stop(job.version)
    job.backend.resume(job.version)
    assert job.wait() is State.COMPLETED, job.log()
    assert job.model() == whole_model and "the newest checkpoint is of step" in job.log()
    assert [attempt for attempt, state in job.states if state is State.RUNNING] == [1, 2]


def test_a_job_is_killed_and_another_leaves_the_queue(timed, slurm, store, tmp_path) -> None:
    job = SlurmVersion.submit(tiny_spec("--pause", "2", resources=SMALL), store, tmp_path / "scratch")
    waiting = SlurmVersion.submit(
        tiny_spec(resources=SMALL), store, tmp_path / "scratch", sbatch=[f"--dependency=afterok:{job.number}"]
    )
    assert waiting.state is State.PENDING
    waiting.backend.stop(waiting.version)
    assert waiting.status.state is State.STOPPED and "queue" in waiting.status.reason
    until(lambda: job.state is State.RUNNING)
    job.backend.stop(job.version, kill=True)
    assert job.status.state is State.STOPPED and job.exit_code == 137
    # Whoever types scancel by hand takes it away, too.
    job.backend.resume(job.version)
    until(lambda: job.state is State.RUNNING)
    slurm.run("scancel", job.number)
    assert job.wait() is State.STOPPED and "cancelled, not by facejobs" in job.status.reason


def test_exit_codes_arrive_and_a_task_that_fails_ends_the_others(timed, store, tmp_path) -> None:
    failing = "[ $DLS_TASK_INDEX = 1 ] && exit 7; trap 'exit 75' TERM; sleep 60 & wait"
    other = SlurmVersion.submit(
        shell_spec("other", failing, resources={"nodes": 2, **SMALL}), store, tmp_path / "scratch"
    )
    alone = SlurmVersion.submit(shell_spec("alone", "exit 3", resources=SMALL), store, tmp_path / "scratch")
    again = "[ $FACEJOBS_ATTEMPT = 2 ] || kill -9 $PPID"
    died = SlurmVersion.submit(shell_spec("died", again, retries=1, resources=SMALL), store, tmp_path / "scratch")
    assert alone.wait() is State.FAILED and alone.exit_code == 3
    assert other.wait() is State.FAILED and other.exit_code == 7, other.log()
    assert "task 1: Exited with exit code 7" in other.status.reason
    assert died.wait() is State.COMPLETED, died.log()
    assert [attempt for attempt, state in died.states if state is State.RUNNING] == [1, 2]


def test_a_preempted_job_goes_on_when_the_other_has_ended(timed, slurm, store, whole_model, tmp_path) -> None:
    spec = tiny_spec("--pause", "0.15", resources={"cpus": 1, "memory": "1600MiB"})
    job = SlurmVersion.submit(spec, store, tmp_path / "scratch", nodelist="n2")
    until(lambda: job.begun())
    urgent = ["--partition=urgent", "--nodelist=n2", "--mem=1600M", "--output=/dev/null", "--wrap=sleep 1"]
    assert slurm.run("sbatch", *urgent).returncode == 0
    assert job.wait() is State.COMPLETED, job.log()
    assert job.model() == whole_model
    taken = job.status.transitions[2]
    assert (taken.state, taken.exit_code) == (State.PENDING, None) and "not by facejobs" in taken.reason
    assert [attempt for attempt, state in job.states if state is State.RUNNING] == [1, 2]


def test_what_slurm_would_refuse_is_refused_before_a_number_is_claimed(timed, store, tmp_path) -> None:
    def refuse(message: str, resources: dict[str, object] | None = None, **options: object) -> None:
        spec = tiny_spec(resources={**SMALL, **(resources or {})}, **options.pop("fields", {}))  # type: ignore[arg-type]
        with pytest.raises(JobError, match=message):
            SlurmVersion.submit(spec, store, tmp_path, **options)

    refuse("(?i)invalid partition.*short, urgent, work", partition="nowhere")
    refuse("(?i)node count", {"nodes": 3})
    refuse("(?i)node configuration is not available.*no node has as many", {"gpus": 9})
    refuse("(?i)invalid feature", constraint="fast")
    refuse("(?i)time limit", partition="short", fields={"time_limit": 7200})
    refuse("H100", {"gpus": 1, "gpu_type": "H100"})
    assert open_version_store(store).jobs() == []


def test_hostile_strings_reach_the_command_and_run_nowhere(timed, store, tmp_path) -> None:
    trap, seen = tmp_path / "trap", tmp_path / "seen"
    hostile = [
        f"$(touch {trap})",
        f"`touch {trap}`",
        f"'; touch {trap}; '",
        f"\n#SBATCH --partition=nowhere\ntouch {trap}\n",
        f'"; touch {trap}; #',
        "-rf %j %% \\ *",
        "größer ☃ = $HOME",
    ]
    script = f'printf "%s\\0" "$@" "$V0" "$V1" "$V2" "$V3" "$V4" "$V5" "$V6" > {seen}'
    spec = shell_spec(
        "hostile",
        script,
        parameters={f"p{number}": text for number, text in enumerate(hostile)},
        environment={f"V{number}": text for number, text in enumerate(hostile)},
        resources=SMALL,
    )
    folder = tmp_path / "it's a $(touch trap) `folder`"
    job = SlurmVersion.submit(spec, str(folder / "store"), folder / "scratch")
    assert job.wait() is State.COMPLETED, job.log()
    told = seen.read_text().split("\0")[:-1]
    assert told[2:16:2] == hostile and told[15:] == hostile
    assert not trap.exists() and not Path("trap").exists()


def test_a_time_limit_ends_an_attempt_and_another_goes_on_until_none_is_left(timed, whole_model) -> None:
    impatient = timed["impatient"]
    assert impatient.wait() is State.FAILED
    assert impatient.status.reason.startswith("time limit") and impatient.exit_code == 124
    assert impatient.begun(0) and [attempt for attempt, _ in impatient.states][-1] == 1
    patient = timed["patient"]
    assert patient.wait() is State.COMPLETED, patient.log()
    assert patient.model() == whole_model
    history = patient.status.transitions
    assert [item.state for item in history[:4]] == [State.PENDING, State.RUNNING, State.PENDING, State.RUNNING]
    assert "time limit" in history[2].reason and history[2].exit_code == 124 and history[3].attempt == 2
    assert "attempt 1 of 5" in history[2].reason


def test_slurm_does_not_answer_for_a_while(timed, slurm, store, tmp_path) -> None:
    job = SlurmVersion.submit(tiny_spec("--pause", "0.4", resources=SMALL), store, tmp_path / "scratch")
    until(lambda: job.state is State.RUNNING)
    slurm.stop_controller()
    try:
        assert job.state is State.RUNNING
        with pytest.raises(JobError, match="Slurm does not answer"):
            submit(tiny_spec(), open_version_store(store), SlurmBackend())
        assert open_version_store(store).versions("tiny") == [1]
    finally:
        slurm.start_controller()
    assert job.wait() is State.COMPLETED, job.log()


def test_a_job_that_slurm_has_forgotten_is_lost_and_can_be_resumed(timed, slurm, store, tmp_path) -> None:
    job = SlurmVersion.submit(
        tiny_spec("--pause", "0", resources=SMALL), store, tmp_path / "scratch", sbatch=["--hold"]
    )
    number = job.number
    write_native(job.version.store, NativeJob(backend="slurm", id="987654", place="facejobs-test"))
    assert job.state is State.LOST and "knows the job 987654 of the cluster facejobs-test no more" in job.status.reason
    slurm.run("scancel", number)
    released = SlurmBackend(job.backend.options.model_copy(update={"sbatch": []}))
    released.resume(job.version)
    assert job.wait() is State.COMPLETED, job.log()


def test_a_node_dies_and_the_job_goes_on_when_there_is_another(timed, slurm, store, whole_model, tmp_path) -> None:
    spec = tiny_spec("--pause", "0.2", resources={"nodes": 2, **SMALL})
    job = SlurmVersion.submit(spec, store, tmp_path / "scratch")
    until(lambda: job.begun())
    slurm.kill_node("n2")
    # As a health check would; Slurm itself notices after SlurmdTimeout.
    slurm.run("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=power")
    until(lambda: job.state is State.PENDING)
    slurm.start_node("n2")
    assert job.wait() is State.COMPLETED, job.log()
    assert job.model() == whole_model
    assert [attempt for attempt, state in job.states if state is State.RUNNING] == [1, 2]


def test_only_named_variables_of_the_submitter_are_passed_on(monkeypatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    monkeypatch.setenv("HISTORY_OF_MINE", "private")
    passed = passed_environment(tiny_spec())
    assert "PATH" in passed and not {"SBATCH_PARTITION", "HISTORY_OF_MINE"} & passed.keys()
