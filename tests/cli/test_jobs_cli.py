"""plan, submit, modify, list, versions, show, metrics, delete, gc and export as they are typed."""

import json
import os
import pty
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facejobs.cli.main import main
from facejobs.errors import ExitCode
from facejobs.jobs.backends import local
from facejobs.jobs.backends.base import BackendOptions
from facejobs.jobs.backends.local import LocalBackend
from facejobs.jobs.errors import BackendUnreachableError
from facejobs.jobs.status import State
from facejobs.jobs.versions import VersionFolder

FACEJOBS = Path(sys.executable).with_name("facejobs")
SPEC = """\
name: toy
description: "a [bold]toy[/bold]"
command: sh train.sh
inputs:
  data: data
outputs:
  model:
parameters:
  lr: 0.1
  batch-size: 8
  lr-steps: '0.5,0.9'
"""
TRAIN = """\
mkdir -p "$2/model" && echo weights > "$2/model/model.onnx"
printf '{"step": %d, "epoch": 0, "name": "lfw_accuracy", "value": %s, "time": 1}\\n' 1 0.8 2 "$4" > "$2/metrics.jsonl"
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, its command and its data, as the current directory; nothing of the user's own is used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("FACEJOBS_STORE", raising=False)
    (tmp_path / "toy.yaml").write_text(SPEC)
    (tmp_path / "train.sh").write_text(TRAIN)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "face.jpg").write_bytes(b"jpeg")
    return tmp_path


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: its exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["facejobs", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return run


def answer(run: Run, *arguments: object) -> Any:
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def finish(run: Run, version: str) -> None:
    deadline = time.monotonic() + 60
    while answer(run, "show", "toy", version)["state"] in ("PENDING", "RUNNING"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_job_from_its_spec_to_its_archive(run: Run, place: Path) -> None:
    first = answer(run, "submit", "toy.yaml", "-p", "lr=.2")
    assert (first["version"], first["parent"]) == ("V0001", None)
    finish(run, "1")
    code, out, _ = run("modify", "toy@last", "-p", "lr=.3", "-p", "seed=7")
    assert code == 0
    assert "toy V0002, modified from V0001, is submitted" in out
    assert "facejobs logs toy V0002 -f" in out
    finish(run, "V0002")

    shown = answer(run, "show", "toy", "2")
    assert shown["state"] == "COMPLETED"
    assert shown["spec"]["parameters"] == {"lr": 0.3, "batch-size": 8, "lr-steps": "0.5,0.9", "seed": 7}
    assert shown["spec"]["inputs"] == {"data": str(place / "data")}
    assert shown["data"]["data"]["files"] == 1
    assert shown["metrics"]["lfw_accuracy"]["best"] == 0.8
    code, out, _ = run("show", "toy@best:lfw_accuracy")
    assert (code, out.splitlines()[0]) == (0, "toy V0001 is COMPLETED")
    assert "a [bold]toy[/bold]" in out

    code, out, _ = run("versions", "toy")
    lines = out.splitlines()
    assert lines[0].split() == ["VERSION", "STATE", "SUBMITTED", "TOOK", "PARENT", "LFW_ACCURACY", "CHANGED"]
    assert lines[2].split()[0] == "V0002"
    assert lines[2].endswith("V0001   0.8000        lr=0.3 seed=7")
    assert max(map(len, lines)) <= 80
    assert [row["version"] for row in answer(run, "versions", "toy")] == ["V0001", "V0002"]

    (metric,) = answer(run, "metrics", "toy", "2")
    assert (metric["last"], metric["last_step"], metric["best"], metric["best_step"]) == (0.3, 2, 0.8, 1)
    assert run("metrics", "toy", "1")[1].splitlines()[1].split() == ["lfw_accuracy", "0.2", "2", "0.8", "1", "2"]
    (listed,) = answer(run, "list")
    assert listed["newest"] == "V0002"
    assert listed["created"] == answer(run, "versions", "toy")[-1]["created"]

    exported = answer(run, "export", "toy", "V1", "v1.tar")
    assert exported["bytes"] == (place / "v1.tar").stat().st_size
    with tarfile.open(place / "v1.tar") as archive:
        assert "toy-V0001/model/model.onnx" in archive.getnames()

    code, _, err = run("delete", "toy", "1", "--yes")
    assert (code, "V0002 of toy came from V0001" in err) == (ExitCode.JOB, True)
    assert answer(run, "delete", "toy", "1", "--yes", "--force")["deleted"]
    code, _, err = run("show", "toy", "1")
    assert (code, "was deleted on" in err) == (ExitCode.JOB, True)
    assert answer(run, "gc", "toy", "--dry-run") == {"job": "toy", "bytes": 0, "removed": False, "checkpoints": []}


def test_plan_runs_and_writes_nothing(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    (place / "toy.yaml").write_text(SPEC + "secrets: [MY_TOKEN]\nresources: {gpus: 64, memory: 1GiB}\n")
    before = sorted(place.rglob("*"))
    code, out, _ = run("plan", "toy.yaml", "-p", "batch_size=16", "-e", "LANG=C")
    assert code == ExitCode.JOB
    assert "    --batch-size 16" in out
    assert f"data  {place / 'data'}, used where it lies" in out
    assert "IMPOSSIBLE" in out
    assert "LANG" in out
    assert "hunter2" not in out
    code, out, _ = run("plan", "toy.yaml", "--json")
    assert (code, json.loads(out)["environment"]["MY_TOKEN"]) == (ExitCode.JOB, "***")
    assert sorted(place.rglob("*")) == before
    code, _, err = run("submit", "toy.yaml")
    assert (code, "cannot run toy: resources.gpus" in err) == (ExitCode.JOB, True)
    assert not (place / ".facejobs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("submit", "absent.yaml"), ExitCode.USAGE, "absent.yaml: no such file"),
        (("submit", "data/face.jpg"), ExitCode.USAGE, "face.jpg:1: expected a mapping"),
        (("submit", "toy.yaml", "-p", "batchsize=3"), ExitCode.USAGE, "did you mean batch-size?"),
        (("submit", "toy.yaml", "-p", "lr"), ExitCode.USAGE, "write it as -p name=value"),
        (("submit", "toy.yaml", "-p", "lr=1", "-p", "lr=2"), ExitCode.USAGE, "-p lr is given twice"),
        (("submit", "toy.yaml", "-p", "api-token=x"), ExitCode.USAGE, "looks like a secret"),
        (("submit", "toy.yaml", "-e", "AWS_SECRET_ACCESS_KEY=x"), ExitCode.USAGE, "put its name into 'secrets'"),
        (("submit", "toy.yaml", "-i", "dta=x"), ExitCode.USAGE, "no such input; there is data"),
        (("submit", "toy.yaml", "-i", "data=absent"), ExitCode.BAD_DATA, "absent is not there"),
        (("submit", "toy.yaml", "-i", "data=s3:/x/y"), ExitCode.STORAGE, "write s3://x/y"),
        (("submit", "toy.yaml", "--store", "s3:/x"), ExitCode.STORAGE, "write s3://x, or ./s3:/x"),
        (("submit", "toy.yaml", "--backend", "moon"), ExitCode.JOB, "no backend 'moon'; there is local"),
        (("submit", "toy.yaml", "--store", "ftp://x/y"), ExitCode.STORAGE, "no store for ftp"),
        (("versions", "toy"), ExitCode.JOB, "holds no job toy; it holds no job yet"),
        (("versions", "../x"), ExitCode.USAGE, "no name of a job"),
        (("show", "toy"), ExitCode.USAGE, "which version of toy?"),
        (("show", "toy", "x"), ExitCode.USAGE, "'x' names no version"),
        (("metrics", "toy@last"), ExitCode.JOB, "holds no job toy"),
        (("modify", "toy", "1", "-p", "lr=1"), ExitCode.JOB, "holds no job toy"),
        (("gc", "toy"), ExitCode.JOB, "holds no job toy"),
        (("export", "toy"), ExitCode.USAGE, "write it as facejobs export JOB V FILE.tar"),
        (("delete", "toy", "1"), ExitCode.JOB, "holds no job toy"),
    ],
)
def test_mistakes(run: Run, place: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert said in err
    assert not (place / ".facejobs").exists()


def test_an_empty_store_is_an_empty_list(run: Run) -> None:
    assert answer(run, "list") == []
    code, out, err = run("list")
    assert (code, out, "facejobs submit SPEC makes one" in err) == (0, "", True)


def test_a_missing_secret_claims_no_number(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_TOKEN", raising=False)
    (place / "toy.yaml").write_text(SPEC + "secrets: [MY_TOKEN]\n")
    code, _, err = run("submit", "toy.yaml")
    assert (code, "needs the secret MY_TOKEN" in err) == (ExitCode.JOB, True)
    assert not (place / ".facejobs").exists()


def test_values_of_secrets_are_kept_in_no_version(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "value-of-my-token"
    monkeypatch.setenv("MY_TOKEN", secret)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(place.parent))
    (place / "toy.yaml").write_text(SPEC + "secrets: [MY_TOKEN]\n")
    code, _, err = run("submit", "toy.yaml", "-p", f"note=is {secret}")
    assert (code, "parameters.note holds the value of a secret" in err) == (ExitCode.USAGE, True)
    assert not (place / ".facejobs").exists() and secret not in err
    code, _, err = run("submit", "toy.yaml", "--backend", "slurm", "-o", f"sbatch=--reservation={secret}")
    assert (code, "-o.sbatch.0 holds the value of a secret" in err) == (ExitCode.USAGE, True)
    subprocess.run(["git", "init", "-q"], check=True)
    (place / "settings.py").write_text("")
    subprocess.run(["git", "add", "settings.py"], check=True)
    (place / "settings.py").write_text(f"token = '{secret}'\nother = 1\n")
    answer(run, "submit", "toy.yaml")
    finish(run, "1")
    diff = (place / ".facejobs/jobs/toy/V0001/code.diff").read_text()
    assert "+token = '***'" in diff and "+other = 1" in diff
    kept = [path for path in (place / ".facejobs").rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if secret.encode() in path.read_bytes()]


def test_a_version_that_cannot_be_started_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from facejobs.jobs.backends.local import LocalBackend
    from facejobs.jobs.errors import JobError

    def refuse(self: LocalBackend, version: object) -> None:
        raise JobError("no room")

    monkeypatch.setattr(LocalBackend, "submit", refuse)
    code, _, err = run("submit", "toy.yaml")
    assert code == ExitCode.JOB
    assert "toy V0001 could not be started: no room" in err
    assert "facejobs resume toy V0001" in err
    assert answer(run, "versions", "toy")[0]["state"] == "FAILED"


@pytest.mark.parametrize(("slots", "said"), [("0", "FACEJOBS_SLOTS is 0"), ("-1", "FACEJOBS_SLOTS is '-1'")])
def test_slots_that_never_come_claim_no_number(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, slots: str, said: str
) -> None:
    monkeypatch.setenv("FACEJOBS_SLOTS", slots)
    code, _, err = run("submit", "toy.yaml")
    assert (code, said in err) == (ExitCode.JOB, True)
    assert not (place / ".facejobs").exists()


def test_a_work_folder_that_cannot_be_made_leaves_a_version_to_resume(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    code, _, err = run("submit", "toy.yaml")
    assert (code, "/proc/nowhere" in err) == (ExitCode.JOB, True)
    assert "`facejobs resume toy V0001` starts it" in err
    assert answer(run, "versions", "toy")[0]["state"] == "FAILED"
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    assert run("resume", "toy", "1")[0] == 0
    finish(run, "1")


def test_wait_shows_the_beginning_of_a_long_line(run: Run, place: Path) -> None:
    (place / "train.sh").write_text("printf '%01000d\\n' 7; exit 3\n")
    answer(run, "submit", "toy.yaml")
    code, _, err = run("wait", "toy", "1")
    assert (code, "000…\n" in err) == (3, True)
    assert max(map(len, err.splitlines())) < 320


def test_wait_outlasts_a_backend_that_is_silent_for_a_while(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "train.sh").write_text("sleep 2\n")
    answer(run, "submit", "toy.yaml")
    asked: list[int] = []
    state = LocalBackend.state

    def silent_at(times: set[int]) -> Callable[..., State]:
        def ask(backend: LocalBackend, version: VersionFolder) -> State:
            asked.append(len(asked))
            if asked[-1] in times:
                raise BackendUnreachableError("nothing listens there")
            return state(backend, version)

        return ask

    monkeypatch.setattr(LocalBackend, "state", silent_at({0}))
    assert run("wait", "toy", "1")[0] == ExitCode.JOB
    asked.clear()
    monkeypatch.setattr(LocalBackend, "state", silent_at({1}))
    assert (run("wait", "toy", "1")[0], len(asked) > 2) == (0, True)


def test_modify_needs_a_change_and_an_ended_parent_is_not_needed(run: Run) -> None:
    answer(run, "submit", "toy.yaml")
    code, _, err = run("modify", "toy", "1")
    assert (code, "nothing to change" in err) == (ExitCode.USAGE, True)
    assert answer(run, "modify", "toy", "1", "-e", "LANG=C")["parent"] == "V0001"
    finish(run, "1")
    finish(run, "2")


def test_modify_keeps_what_the_parent_was_told_on_the_command_line(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Options(BackendOptions):
        queue: str = "day"

    monkeypatch.setattr(local, "LocalOptions", Options)
    answer(run, "submit", "toy.yaml", "-o", "queue=night")
    answer(run, "modify", "toy", "1", "-p", "lr=1")
    answer(run, "modify", "toy", "2", "-p", "lr=2", "-o", "queue=dusk")
    told = [answer(run, "show", "toy", number)["backend"]["options"] for number in "123"]
    assert told == [{"queue": "night"}, {"queue": "night"}, {"queue": "dusk"}]
    for number in "123":
        finish(run, number)


def test_delete_asks(run: Run, place: Path) -> None:
    answer(run, "submit", "toy.yaml")
    finish(run, "1")
    for typed in ("", "n\n"):
        asked = subprocess.run([FACEJOBS, "delete", "toy", "1"], input=typed, capture_output=True, text=True)
        assert asked.returncode == ExitCode.USAGE
        assert "nothing was removed" in asked.stderr
    assert (place / ".facejobs/jobs/toy/V0001/model/model.onnx").exists()
    asked = subprocess.run([FACEJOBS, "delete", "toy", "1"], input="y\n", capture_output=True, text=True)
    assert asked.returncode == 0
    assert not (place / ".facejobs/jobs/toy/V0001/model").exists()


def test_damage_is_a_warning_in_a_list_and_an_error_alone(run: Run, place: Path) -> None:
    answer(run, "submit", "toy.yaml")
    finish(run, "1")
    folder = place / ".facejobs/jobs/toy/V0001"
    (folder / "metrics.jsonl").write_bytes(b'\xff{"step": 1\n[]\nnull')
    assert answer(run, "metrics", "toy", "1") == []
    (folder / "status.json").write_text("{")
    code, out, err = run("versions", "toy", "--json")
    assert (code, out.strip()) == (0, "[]")
    assert "status.json is damaged" in err
    assert run("show", "toy", "1")[0] == ExitCode.JOB
    assert "is damaged" in answer(run, "list")[0]["description"]


@pytest.mark.parametrize(("name", "content"), [("status.json", "{"), ("version.json", "{"), ("version.json", None)])
def test_a_damaged_version_is_no_dead_end(run: Run, place: Path, name: str, content: str | None) -> None:
    answer(run, "submit", "toy.yaml")
    finish(run, "1")
    answer(run, "modify", "toy", "1", "-p", "lr=0.2")
    finish(run, "2")
    folder = place / ".facejobs/jobs/toy/V0001"
    (folder / name).unlink() if content is None else (folder / name).write_text(content)
    (folder / "heartbeat.json").write_text('{"time": 1}')
    code, out, err = run("versions", "toy")
    assert (code, f"{name} is" in err, "facejobs delete JOB V --force" in err) == (0, True, True)
    assert out.rstrip().endswith("?")
    code, _, err = run("gc", "toy", "--yes")
    assert (code, "status.json is damaged" in err) == (0, name == "status.json")
    assert run("delete", "toy", "1", "--yes")[0] == ExitCode.JOB
    assert run("delete", "toy", "1", "--yes", "--force")[0] == 0
    assert {path.name for path in folder.iterdir()} == {"version.json"}
    assert [row["version"] for row in answer(run, "versions", "toy")] == ["V0002"]


def test_a_damaged_version_that_gives_signs_of_life_stays(run: Run, place: Path) -> None:
    answer(run, "submit", "toy.yaml")
    finish(run, "1")
    folder = place / ".facejobs/jobs/toy/V0001"
    (folder / "status.json").write_text("{")
    (folder / "heartbeat.json").write_text(json.dumps({"time": time.time()}))
    code, _, err = run("delete", "toy", "1", "--yes", "--force")
    assert (code, "toy V0001 is RUNNING" in err) == (ExitCode.JOB, True)


def test_what_a_store_holds_cannot_steer_the_terminal(run: Run, place: Path) -> None:
    (place / "toy.yaml").write_text(SPEC.replace("a [bold]toy[/bold]", "\\e[31mred\\n"))
    answer(run, "submit", "toy.yaml")
    finish(run, "1")
    for command in (("list",), ("show", "toy", "1")):
        out = run(*command)[1]
        assert "\x1b" not in out
        assert "\\x1b[31mred\\n" in out


def test_tables_fit_a_terminal_of_80_columns(run: Run, place: Path) -> None:
    answer(run, "submit", "toy.yaml", "-p", "a-parameter-with-a-long-name=and-a-rather-long-value-to-go-with-it")
    answer(run, "modify", "toy", "1", "-p", "lr=0.123456789", "-p", "another-long-name-of-a-parameter=long-long-long")
    finish(run, "1")
    finish(run, "2")
    for command in (["versions", "toy"], ["list"], ["show", "toy", "2"]):
        master, slave = pty.openpty()
        environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
        with subprocess.Popen([FACEJOBS, *command], stdout=slave, env=environment) as process:
            os.close(slave)
            shown = b""
            while True:
                try:
                    shown += os.read(master, 65536)
                except OSError:
                    break
            assert process.wait() == 0
        os.close(master)
        lines = [line.rstrip() for line in plain(shown.decode()).splitlines()]
        assert max(map(len, lines)) <= 80, "\n".join(lines)
        assert "…" not in "".join(lines)


def plain(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
