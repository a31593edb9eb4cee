"""A task as run_train.sh runs it, with quick commands: exit codes, logs, states, uploads, signals."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from facejobs.jobs.status import State, Status, read_status
from facejobs.storage.local import LocalStore

RUN_TRAIN = Path(__file__).resolve().parents[2] / "run_train.sh"
SECRET = "s3cr3t/with+signs"

# Shell functions of the commands below: a checkpoint that appears by rename, as training writes it.
PRELUDE = r"""
out=$FACEJOBS_WORK/output
checkpoint() {
    mkdir -p $out/checkpoints/.writing
    echo "arrays of $1" > $out/checkpoints/.writing/arrays.npz
    printf '{"arrays.npz": {"bytes": %d, "sha256": "%s"}}' $(wc -c < $out/checkpoints/.writing/arrays.npz) \
        $(sha256sum $out/checkpoints/.writing/arrays.npz | cut -d' ' -f1) > $out/checkpoints/.writing/manifest.json
    mv $out/checkpoints/.writing $out/checkpoints/step-$1
    echo "{\"step\": $1}" >> $out/metrics.jsonl
}
"""


class Machine:
    """A machine with a work folder, and a store that outlives it."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self.store = folder, store
        (folder / "tmp").mkdir(parents=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "FACEJOBS_PYTHON": sys.executable,
            "FACEJOBS_WORK": str(folder / "work"),
            "FACEJOBS_UPLOAD_EVERY": "0.1",
            "FACEJOBS_VERSION_URL": str(store),
            "DLS_TRAIN_URL": str(store),
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def start(self, script: str, prelude: str = "", **more: str) -> subprocess.Popen[str]:
        command: list[object] = ["bash", RUN_TRAIN]
        if prelude:
            code = f"{prelude}\nfrom facejobs.jobs.boot.__main__ import main; import sys; sys.exit(main(sys.argv[1:]))"
            command = [sys.executable, "-c", code]
        return subprocess.Popen(
            [*command, "sh", "-c", PRELUDE + script],
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, prelude: str = "", **more: str) -> tuple[int, str]:
        process = self.start(script, prelude, **more)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    @property
    def log(self) -> str:
        return (self.folder / "tmp" / "dls-task-0.log").read_text()

    @property
    def status(self) -> Status:
        return read_status(LocalStore(self.store))

    def stored(self) -> set[str]:
        return {str(path.relative_to(self.store)) for path in self.store.rglob("*") if path.is_file()}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine", tmp_path / "store")


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_success_is_uploaded_whole_and_verified(machine: Machine) -> None:
    code, output = machine.run(
        "checkpoint 10; mkdir -p $out/model; echo onnx > $out/model/model.onnx; : > $out/.lock; echo done"
    )
    assert code == 0, output
    assert machine.status.state is State.COMPLETED
    manifest = json.loads((machine.store / "outputs.json").read_text())["files"]
    assert manifest.keys() == {
        "checkpoints/step-10/arrays.npz", "checkpoints/step-10/manifest.json", "metrics.jsonl", "model/model.onnx"
    }  # fmt: skip
    assert manifest["model/model.onnx"]["sha256"] == hashlib.sha256(b"onnx\n").hexdigest()
    assert (machine.store / "model" / "model.onnx").read_text() == "onnx\n"
    assert ".lock" not in machine.stored()


def test_a_failure_keeps_its_code_and_what_it_had(machine: Machine) -> None:
    code, output = machine.run("checkpoint 10; echo trouble >&2; exit 5")
    assert code == 5
    assert (machine.status.state, machine.status.transitions[-1].exit_code) == (State.FAILED, 5)
    assert "checkpoints/step-10/manifest.json" in machine.stored() and "metrics.jsonl" in machine.stored()
    assert "outputs.json" not in machine.stored()
    for log in (output, machine.log, (machine.store / "logs" / "task-0.log").read_text()):
        assert "trouble" in log and "exit code 5" in log


def test_checkpoints_go_up_while_the_command_runs_and_old_ones_leave_after_new_ones(machine: Machine) -> None:
    process = machine.start(
        "checkpoint 10; while [ ! -e $FACEJOBS_WORK/go ]; do sleep 0.05; done\n"
        "checkpoint 20; rm -r $out/checkpoints/step-10; echo '{\"step\": 20}' > $out/checkpoints/best.json\n"
        "while [ ! -e $FACEJOBS_WORK/end ]; do sleep 0.05; done"
    )
    until(lambda: (machine.store / "checkpoints/step-10/manifest.json").exists())
    assert '{"step": 10}' in (machine.store / "metrics.jsonl").read_text()
    (machine.folder / "work" / "go").touch()
    until(lambda: not (machine.store / "checkpoints/step-10/arrays.npz").exists())
    assert (machine.store / "checkpoints/step-20/manifest.json").exists()
    until(lambda: (machine.store / "checkpoints/best.json").exists())
    (machine.folder / "work" / "end").touch()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output


def test_what_is_half_written_stays_here(machine: Machine) -> None:
    code, output = machine.run(
        "mkdir -p $out/checkpoints/step-30 $out/checkpoints/.writing-step-40\n"
        "echo half > $out/checkpoints/step-30/arrays.npz; : > $out/checkpoints/.writing-step-40/manifest.json\n"
        "sleep 0.5; exit 1"
    )
    assert code == 1, output
    assert not [name for name in machine.stored() if name.startswith("checkpoints/")]


def test_another_machine_goes_on_from_what_was_uploaded(machine: Machine, tmp_path: Path) -> None:
    machine.run("echo run > $out/params.json; checkpoint 10; checkpoint 20; echo first machine; exit 1")
    other = Machine(tmp_path / "other", machine.store)
    code, output = other.run("ls $out $out/checkpoints; cat $out/metrics.jsonl", FACEJOBS_ATTEMPT="2")
    assert code == 0, output
    for name in ("params.json", "step-20", '{"step": 20}', "the newest checkpoint is of step 20"):
        assert name in output
    uploaded = (machine.store / "logs" / "task-0.log").read_text()
    assert uploaded.index("first machine") < uploaded.index("step-20")
    assert [item.attempt for item in machine.status.transitions] == [1, 1, 2, 2]


def test_state_that_is_newer_here_stays(machine: Machine) -> None:
    machine.run("checkpoint 10; exit 1")
    process = machine.start("checkpoint 20; echo saved; sleep 60", FACEJOBS_UPLOAD_EVERY="100")
    until(lambda: "\nsaved\n" in machine.log)
    process.kill()
    process.communicate()
    _, output = machine.run("ls $out/checkpoints")
    assert "the newest checkpoint is of step 20" in output and "step-20" in output


def test_an_input_that_is_not_there_is_127_with_its_cause(machine: Machine) -> None:
    for url in ("/no/such/folder", "s3://bucket-of-nobody/data"):
        code, output = machine.run(
            "echo never", FACEJOBS_INPUTS=json.dumps({"faces": url}), S3_ENDPOINT="http://127.0.0.1:9",
            AWS_ACCESS_KEY_ID="x", AWS_MAX_ATTEMPTS="1", AWS_CONFIG_FILE="/dev/null", AWS_DEFAULT_REGION="us-east-1",
        )  # fmt: skip
        assert code == 127
        assert "\nnever" not in output and url in machine.log and "'faces'" in machine.log
        assert machine.status.state is State.FAILED and "download failed" in machine.status.reason


def test_an_environment_that_makes_no_sense_is_said(machine: Machine) -> None:
    code, output = machine.run("echo never", FACEJOBS_INPUTS="{data: 1}")
    assert code == 127 and "FACEJOBS_INPUTS" in output and "Traceback" not in output


CORRUPT = """
from facejobs.storage.local import LocalStore
original = LocalStore.upload
def upload(self, path, key):
    digest = original(self, path, key)
    if key.endswith("model.onnx"):
        from pathlib import Path
        target = Path(self.url_of(key))
        target.chmod(0o600)
        target.write_bytes(b"ONNX\\n")
    return digest
LocalStore.upload = upload
"""


def test_an_upload_that_was_corrupted_is_a_failure(machine: Machine) -> None:
    script = "mkdir -p $out/model; echo onnx > $out/model/model.onnx"
    code, output = machine.run(script, prelude=CORRUPT)
    assert code == 9, output
    assert machine.status.state is State.FAILED and "model.onnx" in machine.status.reason
    assert "outputs.json" not in machine.stored()
    assert machine.run(script)[0] == 0
    assert machine.status.state is State.COMPLETED
    assert (machine.store / "model" / "model.onnx").read_text() == "onnx\n"


FULL = """
import errno, os
def full(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
"""


def test_a_log_without_room_here_is_no_failed_upload_and_no_success(machine: Machine) -> None:
    patch = "import facejobs.jobs.boot.uploads as uploads\nuploads.shutil.copyfileobj = full\n"
    code, output = machine.run("true", prelude=FULL + patch, DLS_UPLOAD_LOG_OBS_DIR=str(machine.folder / "logs"))
    assert code == 9, output
    assert f"No space left on device: {machine.folder}/work/.uploading/task-0.log" in machine.status.reason
    assert "upload failed" not in output and "COMPLETED" not in output
    assert output.rstrip().endswith(machine.status.reason)


def test_a_log_that_cannot_be_begun_names_its_place(machine: Machine) -> None:
    patch = "import facejobs.jobs.boot.task_log as task_log\ntask_log._write_all = full\n"
    code, output = machine.run("true", prelude=FULL + patch)
    assert (code, "Traceback" in output) == (8, False), output
    assert f"No space left on device: {machine.folder}/tmp/dls-task-0.log; make room" in output
    assert machine.status.state is State.FAILED


def test_an_output_may_not_replace_the_versions_own_files(machine: Machine) -> None:
    code, output = machine.run("echo mine > $out/status.json; echo kept > $out/other")
    assert code == 9 and "status.json" in output
    assert machine.status.state is State.FAILED
    assert (machine.store / "other").read_text() == "kept\n"


def test_sigterm_is_passed_on_once_and_what_is_saved_goes_up(machine: Machine) -> None:
    process = machine.start(
        "trap 'echo terminated; checkpoint 30; exit 75' TERM; echo ready; while :; do sleep 0.05; done"
    )
    until(lambda: (machine.folder / "tmp/dls-task-0.log").exists() and "\nready\n" in machine.log)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 75, output
    assert output.count("terminated\n") == 1
    assert machine.status.state is State.STOPPED
    assert "checkpoints/step-30/manifest.json" in machine.stored()


@pytest.mark.parametrize("again", [False, True], ids=["grace ends", "second SIGTERM"])
def test_a_command_that_does_not_end_is_killed(machine: Machine, again: bool) -> None:
    process = machine.start("trap '' TERM; echo ready; sleep 60", FACEJOBS_GRACE="60" if again else "0.5")
    until(lambda: (machine.folder / "tmp/dls-task-0.log").exists() and "\nready\n" in machine.log)
    process.send_signal(signal.SIGTERM)
    if again:
        until(lambda: "to save and end" in machine.log)
        # Two within a second are one wish, delivered twice.
        time.sleep(1.1)
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGKILL
    assert machine.status.state is State.STOPPED


def test_a_time_limit_is_a_failure_that_is_not_tried_again(machine: Machine) -> None:
    code, output = machine.run(
        "trap 'checkpoint 5; exit 75' TERM; while :; do sleep 0.05; done",
        FACEJOBS_TIME_LIMIT="1.5", FACEJOBS_ATTEMPTS="3",
    )  # fmt: skip
    assert code == 124, output
    assert machine.status.state is State.FAILED and "time limit" in machine.status.reason
    assert "checkpoints/step-5/manifest.json" in machine.stored()


def test_an_attempt_that_is_not_the_last_leaves_the_version_pending(machine: Machine) -> None:
    machine.run("exit 4", FACEJOBS_ATTEMPTS="2")
    assert machine.status.state is State.PENDING and "exit code 4" in machine.status.reason
    machine.run("exit 4", FACEJOBS_ATTEMPT="2", FACEJOBS_ATTEMPTS="2")
    assert machine.status.state is State.FAILED


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_command_dies_with_run_train(machine: Machine) -> None:
    process = machine.start("echo pid $$; exec sleep 60")
    until(lambda: (machine.folder / "tmp/dls-task-0.log").exists() and "\npid " in machine.log)
    pid = int(machine.log.partition("\npid ")[2].split()[0])
    process.kill()
    process.communicate()
    until(lambda: not alive(pid))


def test_what_a_command_leaves_behind_is_ended(machine: Machine) -> None:
    code, output = machine.run("sleep 60 & echo pid $!; exit 3")
    assert code == 3
    assert not alive(int(output.partition("\npid ")[2].split()[0]))


def test_a_command_that_cannot_be_run_is_said(machine: Machine) -> None:
    result = subprocess.run(
        ["bash", RUN_TRAIN, "no-such-program"], env=machine.environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 127 and "no-such-program cannot be run" in result.stdout


def test_secrets_are_in_no_log_and_no_file_of_the_store(machine: Machine) -> None:
    more = {"FACEJOBS_SECRETS": "TOKEN, CERTIFICATE", "TOKEN": "tok-123456", "CERTIFICATE": "first line\nsecond line"}
    script = (
        'env; echo "$CERTIFICATE" | tail -n 1; printf %s "${TOKEN%456}"; sleep 0.3; echo 456\n'
        'echo "key=$AWS_SECRET_ACCESS_KEY"; checkpoint 10'
    )
    code, output = machine.run(script, **more)
    assert code == 0
    assert output.count("***") >= 5
    everything = output.encode() + b"".join(
        path.read_bytes() for root in (machine.store, machine.folder) for path in root.rglob("*") if path.is_file()
    )
    for value in (SECRET, "tok-123456", "first line", "second line"):
        assert value.encode() not in everything


def test_a_reader_of_stdout_that_goes_away_does_not_end_the_task(machine: Machine) -> None:
    process = machine.start("sleep 0.3; for i in 1 2 3 4; do echo line $i; sleep 0.1; done; echo end > $out/result")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert "line 4" in machine.log and (machine.store / "result").exists()


def test_the_log_of_another_task_is_replaced_and_no_link_is_followed(machine: Machine, tmp_path: Path) -> None:
    log = machine.folder / "tmp" / "dls-task-0.log"
    log.write_text("task 0 of job other, output elsewhere\nold news\n")
    machine.run("exit 1")
    assert "old news" not in machine.log
    log.unlink()
    (tmp_path / "precious").write_text("precious")
    log.symlink_to(tmp_path / "precious")
    machine.run("exit 1")
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_second_copy_of_the_model(machine: Machine, tmp_path: Path) -> None:
    code, output = machine.run(
        "checkpoint 1; mkdir -p $out/model; echo onnx > $out/model/model.onnx",
        FACEJOBS_OUTPUT_URL=str(tmp_path / "published"),
    )
    assert code == 0, output
    copied = {str(path.relative_to(tmp_path / "published")) for path in (tmp_path / "published").rglob("*.*")}
    assert copied == {"model/model.onnx", "outputs.json"}
