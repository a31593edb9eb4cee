"""Kills processes of jobs at random moments, and demands a readable store, a true status and the same model.

python tests/integration/chaos_kill.py --seeds 50 [--first 0]

Each seed submits a job of a few seconds and kills one of its processes with SIGKILL: the training, run_train.sh, the
supervisor, the command that submits, or all at once. Half of the time the work folder is lost too. Afterwards every
file of the store must be readable, whatever says COMPLETED must be so, nothing may stay RUNNING without a process, and
`resume` must end with the model of a run that nothing disturbed.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from local_jobs import Job, submit_by_command, tiny_spec, until

from facejobs.jobs.backends.processes import processes_of
from facejobs.jobs.errors import VersionNotFoundError
from facejobs.jobs.liveness import is_alive
from facejobs.jobs.status import State, read_status
from facejobs.jobs.versions import open_version_store
from facejobs.storage.checkpoint_sync import CHECKPOINT_MANIFEST, read_contents, steps_there

VICTIMS = ("training", "run_train.sh", "supervisor", "submit", "everything")
# About as long as a submit takes, and as the job runs after it.
_SUBMIT_SECONDS, _JOB_SECONDS = 3.0, 3.0


def find_job(store: str) -> Job | None:
    try:
        return Job(open_version_store(store).find("tiny@last"))
    except VersionNotFoundError:
        return None


def training_of(job: Job) -> int | None:
    """The process that trains: the one that run_train.sh started."""
    for pid in processes_of(job.work):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"tiny_training.py") for word in words[:2]):
            return pid
    return None


def process_of(victim: str, job: Job) -> int | None:
    """The number of the victim, if it lives."""
    if victim == "training":
        return training_of(job)
    facts = job.status.task if victim == "run_train.sh" else job.status.supervisor
    return facts.pid if facts and is_alive(facts) else None


def kill(victim: str, job: Job | None, command: int) -> str:
    """Kill the victim if it lives; returns what was killed, in words."""
    if victim == "submit":
        os.kill(command, signal.SIGKILL)
        return victim
    if job is None:
        return "nothing, no version yet"
    if victim == "everything":
        job.kill_everything()
        return victim
    pid = process_of(victim, job)
    if pid is None:
        return f"nothing, no {victim} now,"
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return f"nothing, {victim} has just ended,"
    return victim


def check_store(job: Job) -> None:
    """Everything that is there under its final name is whole."""
    store = job.version.store
    assert job.version.record.job == "tiny"
    read_status(store)
    for key in steps_there(store).values():
        contents = read_contents(store.read(f"{key}/{CHECKPOINT_MANIFEST}"), key)
        for name, (size, sha256) in contents.items():
            data = store.read(f"{key}/{name}")
            assert (len(data), hashlib.sha256(data).hexdigest()) == (size, sha256), f"{key}/{name} is not whole"
    journal = store.read("metrics.jsonl") if store.stat("metrics.jsonl") else b""
    assert journal == b"" or journal.endswith(b"\n")


def settle(job: Job) -> State:
    """The state once it is an end; a version that was claimed and never started counts as one."""

    def settled() -> bool:
        return job.state.ended or job.status.supervisor is None

    until(settled, 60)
    return job.state


def run_seed(seed: int, folder: Path, expected: dict[str, bytes]) -> str:
    """One submit, one kill, all checks, one resume; returns a line about it."""
    chance = random.Random(seed)
    store = str(folder / f"store-{seed}")
    victim = chance.choice(VICTIMS)
    command = submit_by_command(tiny_spec("--pause", "0.04"), store)
    if victim == "submit":
        delay = chance.uniform(0.0, _SUBMIT_SECONDS)
    else:
        until(lambda: (job := find_job(store)) is not None and bool(process_of(victim, job) or job.state.ended))
        delay = chance.uniform(0.0, _JOB_SECONDS)
    time.sleep(delay)
    killed = kill(victim, find_job(store), command.pid)
    command.wait()
    job = find_job(store)
    if job is None:
        assert victim == "submit"
        job = Job.submit(tiny_spec("--pause", "0.04"), store)
    state = settle(job)
    check_store(job)
    if state is State.COMPLETED:
        assert job.model() == expected
    elif state.ended:
        until(lambda: not processes_of(job.work), 10)
    work_lost = state is not State.COMPLETED and chance.random() < 0.5
    if work_lost:
        # Without its machine, a supervisor that has said how the job ended does not live on either.
        supervisor = job.status.supervisor
        until(lambda: supervisor is None or not is_alive(supervisor), 10)
        shutil.rmtree(job.work, ignore_errors=True)
    resumed = "" if state is State.COMPLETED else f" -> {job.resume()}"
    assert job.state is State.COMPLETED, f"seed {seed}: killed {killed} after {delay:.2f} s: {job.status}\n{job.log()}"
    assert job.model() == expected
    check_store(job)
    lost = ", work folder lost" if work_lost else ""
    return f"seed {seed}: killed {killed} after {delay:.2f} s: {state}{lost}{resumed}"


def run(seeds: range) -> None:
    """Every seed, in a state folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for variable in [variable for variable in os.environ if variable.startswith(("DLS_", "FACEJOBS_"))]:
            del os.environ[variable]
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        os.environ["FACEJOBS_UPLOAD_EVERY"] = "0.3"
        os.environ["FACEJOBS_SLOTS"] = "4"
        undisturbed = Job.submit(tiny_spec("--pause", "0.001"), str(folder / "undisturbed"))
        assert undisturbed.wait() is State.COMPLETED, undisturbed.log()
        expected = undisturbed.model()
        assert "weights.npz" in expected
        for seed in seeds:
            print(run_seed(seed, folder, expected), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    run(range(arguments.first, arguments.first + arguments.seeds))
    print(f"{arguments.seeds} seeds: every store readable, every status true, every model the same")


if __name__ == "__main__":
    main()
