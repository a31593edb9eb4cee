"""The command line's own behaviour: help, exit codes, pipes and signals."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from facejobs.errors import ExitCode

FACEJOBS = Path(sys.executable).with_name("facejobs")
GROUPS = ("data", "train", "evaluate", "gallery", "model", "storage", "image", "import")
COMMANDS = (
    *("detect", "recognise"),
    *("plan", "submit", "modify", "list", "versions", "show", "metrics", "delete", "gc", "export"),
    *("logs", "stop", "resume", "wait", "compare", "track", "backends", "queue"),
)
HEAVY = ("mxnet", "gluoncv", "onnxruntime", "onnx", "cv2", "numpy", "matplotlib", "boto3", "plotly")

# Runs cli.main.main with a command `probe` that ends as the test wishes.
PROBE = """
import sys, time
from facejobs.cli import main as cli
from facejobs.errors import ExitCode, FacejobsError

class ProbeError(FacejobsError):
    exit_code = ExitCode.BAD_DATA

@cli.app.command()
def probe() -> None:
    {body}

sys.argv = ["facejobs", "probe"]
cli.main()
"""


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FACEJOBS, *arguments], capture_output=True, text=True, check=False, **options)


def probe(body: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROBE.format(body=body)], text=True, **options)


def test_help_answers_at_once() -> None:
    # Processor time: how long it takes says more about what else runs here.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(3):
        assert run("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    each = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 3
    assert each < 0.5, f"facejobs --help took {each:.2f} s of a processor"


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in (*GROUPS, *COMMANDS))], ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    listing = run(*arguments, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in listing.stderr.splitlines()}
    assert "facejobs" in imported
    assert not imported.intersection(HEAVY)


def test_help_lists_every_command() -> None:
    listed = [line.split()[0] for line in run("--help").stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert set(listed) == {*GROUPS, *COMMANDS}


@pytest.mark.parametrize("arguments", [["--hepl"], ["evaluat"], [], ["data", "no-such-command"]], ids=repr)
def test_usage_errors(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == ExitCode.USAGE
    assert "Usage:" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_a_known_error_is_one_message_and_its_exit_code() -> None:
    with probe("raise ProbeError('cele.rec: record 3 is cut off')", stderr=subprocess.PIPE) as process:
        _, errors = process.communicate()
    assert process.returncode == ExitCode.BAD_DATA
    assert errors == "error: cele.rec: record 3 is cut off\n"


def test_an_unforeseen_error_keeps_its_traceback() -> None:
    with probe("raise RuntimeError('a bug')", stderr=subprocess.PIPE) as process:
        _, errors = process.communicate()
    assert process.returncode == ExitCode.INTERNAL
    assert "Traceback" in errors
    assert "a bug" in errors


def test_a_full_disk_is_named() -> None:
    body = "raise OSError(28, 'No space left on device', 'out/model.onnx')"
    with probe(body, stderr=subprocess.PIPE) as process:
        _, errors = process.communicate()
    assert process.returncode == ExitCode.WRITE_FAILED
    assert errors == (
        "error: No space left on device: out/model.onnx; make room there, then start the same command again\n"
    )


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_goes_away_is_no_error(lines: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with probe(f"[print(i) for i in range({lines})]", stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        _, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGPIPE
    assert errors == ""


def test_standard_output_on_a_full_disk() -> None:
    with Path("/dev/full").open("w") as full, probe("print('x')", stdout=full, stderr=subprocess.PIPE) as process:
        _, errors = process.communicate()
    assert process.returncode == ExitCode.WRITE_FAILED
    assert errors.startswith("error: No space left on device: ")
    assert errors.count("\n") == 1


def test_ctrl_c_ends_without_a_traceback() -> None:
    # Where the tests run in the background of a shell, programs are started so that they ignore Ctrl-C.
    body = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    body += "    print('ready', flush=True); time.sleep(60)"
    with probe(body, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in errors


def test_sigterm_ends_by_way_of_the_cleanup_outside_training_and_after_it() -> None:
    body = (
        "from facejobs.training.stop_signal import StopSignal\n"
        "    with StopSignal(): pass\n"
        "    try: print('ready', flush=True); time.sleep(60)\n"
        "    finally: print('cleaned', flush=True)"
    )
    with probe(body, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (128 + signal.SIGTERM, "cleaned\n", "")


def test_an_output_that_can_have_no_folder_is_said_without_a_traceback() -> None:
    result = run("data", "synth", "/proc/nowhere/faces")
    assert result.returncode == ExitCode.WRITE_FAILED
    assert result.stderr.startswith("error: No such file or directory") and "Traceback" not in result.stderr
