"""What Slurm says of jobs, from its own words and from those of an accounting that stands for one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_records import a_record, a_spec
from slurm_programs import SlurmPrograms

from facejobs.jobs.backends.native import NativeJob, write_native
from facejobs.jobs.backends.slurm import SlurmBackend
from facejobs.jobs.backends.slurm_commands import SlurmAbsentError, asked, explain
from facejobs.jobs.backends.slurm_ends import end_of
from facejobs.jobs.backends.slurm_plan import comment_of
from facejobs.jobs.backends.slurm_queries import SlurmJob, find_job, parse_job, queued_jobs, url_of
from facejobs.jobs.errors import JobError
from facejobs.jobs.status import State, Status, Transition, read_status, record
from facejobs.jobs.versions import open_version_store

LINE = (
    "JobId=41 JobName=faces-V0003 UserId=ann(1000) Comment=facejobs:s3://bucket/jobs/faces/V0003 JobState={state} "
    "Reason={reason} Dependency=(null) Requeue=1 Restarts=1 ExitCode={code} RunTime=00:00:15 "
    "Command=(null) WorkDir=/home/ann JobState=FAKED StdErr=/home/ann/a b.out StdIn=/dev/null "
    "StdOut=/home/ann/a b.out Power= \n"
)
FORGOTTEN = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmPrograms:
    programs = SlurmPrograms(tmp_path / "stubs")
    monkeypatch.setenv("PATH", f"{programs.bin}:/usr/bin:/bin")
    monkeypatch.setenv("STUBS", str(programs.folder))
    programs.write("scontrol", FORGOTTEN)
    programs.write("sinfo", "printf 'gpu\\ncpu\\ngpu\\n'")
    return programs


def test_a_job_as_the_controller_shows_it() -> None:
    job = parse_job(LINE.format(state="FAILED", reason="NonZeroExitCode", code="3:0"))
    assert (job.id, job.name, job.state, job.reason) == ("41", "faces-V0003", "FAILED", "NonZeroExitCode")
    assert (job.exit_code, job.signal, job.output) == (3, 0, "/home/ann/a b.out")
    assert url_of(job.comment) == "s3://bucket/jobs/faces/V0003" and not job.active
    waiting = parse_job(LINE.format(state="PENDING", reason="None", code="0:0"))
    assert waiting.active and waiting.waiting and waiting.reason == ""


def test_a_job_that_the_controller_has_forgotten_is_asked_of_the_accounting(programs) -> None:
    programs.write("sacct", "printf '41|faces-V0003|NODE_FAIL|0:0\\n41|faces-V0003|CANCELLED by 1000|0:15\\n'")
    assert find_job("41") == SlurmJob("41", "CANCELLED", signal=15, name="faces-V0003")


@pytest.mark.parametrize("said", ["echo 'Slurm accounting storage is disabled' >&2; exit 1", "exit 0"])
def test_without_accounting_it_is_not_known(programs, said: str) -> None:
    programs.write("sacct", said)
    assert find_job("41") is None


def test_an_accounting_that_is_away_says_nothing_about_a_job(programs) -> None:
    programs.write("sacct", "echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1")
    with pytest.raises(SlurmAbsentError, match="Problem talking to the database"):
        find_job("41")


def test_a_controller_that_is_away_says_nothing_about_a_job(programs) -> None:
    said = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    programs.write("scontrol", f"echo '{said}' >&2; exit 1")
    with pytest.raises(SlurmAbsentError, match=r"Slurm does not answer.*scontrol ping"):
        find_job("41")
    programs.write("scontrol", "echo 'slurm_load_jobs error: Access/permission denied' >&2; exit 1")
    with pytest.raises(SlurmAbsentError, match="permission denied"):
        find_job("41")


def test_a_machine_without_slurm_says_where_to_go(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmAbsentError, match="there is no sbatch here: use facejobs on a login node"):
        asked(["sbatch"])


def test_the_queue_holds_only_jobs_of_facejobs(programs) -> None:
    lines = [
        "41|RUNNING|None|facejobs:s3://bucket/jobs/faces/V0003",
        f"42|PENDING|Resources|{comment_of('/home/ann/my store/jobs/a|b/V0001')}",
        "43|RUNNING|None|something|else",
        "44|COMPLETED|None|facejobs:s3://bucket/jobs/faces/V0001",
        "45|RUNNING|None|facejobs:x",
    ]
    programs.write("squeue", "cat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    first, second = queued_jobs()
    assert (first.id, first.job, first.version, first.state) == ("41", "faces", "V0003", State.RUNNING)
    assert second.url == "/home/ann/my store/jobs/a|b/V0001" and second.native_state == "PENDING (Resources)"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_comment_is_one_word_that_gives_the_version_back(text: str) -> None:
    url = f"s3://bucket/{text}/jobs/faces/V0001"
    comment = comment_of(url)
    assert url_of(comment) == url and comment.isascii() and not set(comment) & set(" \t\n|\"'#%\\") - {"%"}


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified\n", "as partition: cpu, gpu"),
        (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: "
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n",
            "a quota or limit of your account is used up",
        ),
        ("sbatch: error: Invalid account or account/partition combination specified", "sacctmgr show associations"),
        ("sbatch: unrecognized option '--bogus=1'\nTry \"sbatch --help\" for more information", "unrecognized option"),
        ("", "no reason was given"),
    ],
)  # fmt: skip
def test_refusals_are_explained(programs, stderr: str, message: str) -> None:
    programs.write("sbatch", f"cat >&2 <<'END'\n{stderr}\nEND\nexit 1")
    with pytest.raises(JobError, match=message):
        asked(["sbatch"], "script")
    assert "sbatch: error" not in explain("sbatch", stderr)


def status(state: State, reason: str = "", code: int | None = None) -> Status:
    return Status(transitions=(Transition(state=state, time=datetime.now(UTC), reason=reason, exit_code=code),))


def test_ends_that_only_slurm_knows_of_are_told_in_words() -> None:
    def end(state: str, code: int = 0, number: int = 0) -> tuple[State, str, int | None]:
        return end_of(SlurmJob("1", state, exit_code=code, signal=number), status(State.RUNNING))

    assert end("TIMEOUT")[:1] == (State.FAILED,) and "time limit" in end("TIMEOUT")[1]
    assert end("CANCELLED", number=15) == (State.STOPPED, "the Slurm job was cancelled, not by facejobs", 143)
    assert end("OUT_OF_MEMORY", number=9)[2] == 137 and "resources.memory" in end("OUT_OF_MEMORY")[1]
    assert end("NODE_FAIL")[0] is State.FAILED and end("PREEMPTED")[0] is State.STOPPED
    state, reason, code = end("FAILED", 7)
    assert state is State.FAILED and code == 7 and "exit code 7" in reason
    assert "before its command began" in end_of(SlurmJob("1", "FAILED", exit_code=127), status(State.PENDING))[1]
    waits = status(State.PENDING, "the image was not looked up: no")
    assert "before its command began" in end_of(SlurmJob("1", "FAILED", exit_code=127), waits)[1]
    tried = status(State.PENDING, "attempt 1 of 2: no; it is tried again", 3)
    tried = Status(transitions=(*status(State.RUNNING).transitions, *tried.transitions))
    again = end_of(SlurmJob("1", "FAILED", exit_code=75), tried)
    assert again == (State.FAILED, "attempt 1 of 2: no; it is tried again, but Slurm did not start it again", 3)


def test_a_version_that_is_being_sent_again_has_not_ended(programs, tmp_path: Path) -> None:
    programs.write("scontrol", f"echo '{LINE.format(state='CANCELLED', reason='None', code='0:15').strip()}'")
    version = open_version_store(str(tmp_path / "store")).claim(
        "faces", lambda number: a_record(number, a_spec("faces"))
    )
    write_native(version.store, NativeJob(backend="slurm", id="41", place="", attempt=1))
    record(version.store, State.STOPPED, attempt=1)
    record(version.store, State.PENDING, attempt=2)
    assert SlurmBackend().state(version) is State.PENDING
    assert read_status(version.store).state is State.PENDING
