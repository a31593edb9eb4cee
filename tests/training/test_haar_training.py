"""A Haar cascade is trained by OpenCV's programs, stands in for which are scripts here; at the end by the real ones."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facejobs.data.detection.haar_cascade import HaarDescription
from facejobs.data.detection.photographs import read_photograph
from facejobs.data.errors import ModelError
from facejobs.data.model_folder import load_detector
from facejobs.data.synthetic.detection_set import PhotographCounts, write_synthetic_detection
from facejobs.errors import ExitCode
from facejobs.inference.detector import open_detector, open_to_measure
from facejobs.inference.face_pipeline import FacePipeline
from facejobs.inference.haar import HaarDetector
from facejobs.storage.hooks import is_output
from facejobs.training.checkpoints import CheckpointStore
from facejobs.training.errors import ParameterError, ToolError
from facejobs.training.haar import train_haar
from facejobs.training.haar_parameters import HaarParameters

TOOLS = ("opencv_createsamples", "opencv_traincascade")
FAKE = Path(__file__).with_name("fake_haar_tools.py")
WORK = ".haar-work"
COMMAND = "import sys; from facejobs.cli.main import main; sys.argv[0] = 'facejobs'; main()"
PARAMETERS = HaarParameters(detector="haar", stages=3, threads=1)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photographs in three splits."""
    folder = tmp_path_factory.mktemp("drawn") / "scenes"
    write_synthetic_detection(folder, PhotographCounts(train=4, val=1, test=1), seed=3, processes=1)
    return folder / "detection_train_data"


@pytest.fixture
def fake_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" {name} "$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def start(data: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, "train", "detection", str(data), str(output), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def fifo(folder: Path) -> Path:
    """A pipe that nobody writes to."""
    path = folder / "pipe"
    os.mkfifo(path)
    return path


def is_running(process: int) -> bool:
    """Whether it is there, and no zombie that its new parent has not yet waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_the_programs_train_is_published_measured_and_used(photographs, fake_tools, tmp_path) -> None:
    run = tmp_path / "run"
    result = train_haar(photographs, run, PARAMETERS)
    assert result is not None and (result.step, result.stopped_by_signal) == (3, False)
    description = load_detector(run / "model")
    assert isinstance(description, HaarDescription) and description.window == (24, 24)
    names = [metric.name for metric in description.metrics]
    assert names[0] == "val_ap_20px_original" and "test_ap_20px_original" in names
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rates = {(line["step"], line["name"]): line["value"] for line in lines}
    assert (rates[1, "hit_rate"], rates[3, "hit_rate"], rates[3, "false_alarm_rate"]) == (0.99, 0.992, 0.42)
    assert rates[3, names[0]] == description.metrics[0].value
    assert (run / "precision-recall-val.png").is_file()
    detector = open_detector(str(run))
    assert isinstance(detector, HaarDetector)
    photograph = read_photograph(next((photographs / "test" / "images").rglob("*.jpg")))
    everything = open_to_measure(str(run), detector.scale).detect(photograph)
    assert everything.scores.tolist() == HaarDetector().detect(photograph).scores.tolist()
    with pytest.raises(ModelError, match=r"the haar detector in .* gives no landmarks"):
        FacePipeline.open(run, tmp_path)
    assert train_haar(photographs, run, PARAMETERS) is None
    assert sorted(path.name for path in run.iterdir() if path.name.startswith(".")) == [".lock"]


def test_a_stopped_run_goes_on_after_its_last_stage(photographs, fake_tools, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FAKE_HAAR_SECONDS", "60")
    run, options = tmp_path / "run", ("--detector", "haar", "--stages", "3", "--threads", "1")
    process = start(photographs, run, *options)
    deadline = time.monotonic() + 60
    while not CheckpointStore(run / "checkpoints").steps():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == ExitCode.STOPPED and "stopped at step 1, saved" in said, said
    monkeypatch.setenv("FAKE_HAAR_SECONDS", "0")
    other = start(photographs, run, *options[:2], "--stages", "4", "--threads", "1")
    assert "--stages 3 there, 4 here" in other.communicate(timeout=60)[0] and other.returncode == 4
    again = start(photographs, run, *options)
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0 and "going on after stage 1 of 3" in said and "stage 2 of 3" in said, said
    assert "stage 1 of 3" not in said.replace("after stage 1 of 3", "")
    assert (run / "model" / "cascade.xml").is_file()


def test_missing_programs_are_named_and_nothing_is_left(photographs, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"opencv_createsamples and opencv_traincascade not found on PATH.*OpenCV 3\.4"):
        train_haar(photographs, tmp_path / "run", PARAMETERS)
    assert not (tmp_path / "run").exists()
    assert ToolError.exit_code is ExitCode.DEVICE


def test_what_a_failed_program_said_last_is_shown(photographs, fake_tools, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FAKE_HAAR_FAILS", "Can not get new positive sample.")
    with pytest.raises(
        ToolError, match=r"opencv_traincascade failed with exit code 255(.|\n)*Can not get new positive"
    ):
        train_haar(photographs, tmp_path / "run", PARAMETERS)
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize(
    ("program", "content", "message"),
    [
        ("opencv_createsamples", "no program", "exit code 126; it said last:\n.* cannot be run: Exec format error"),
        ("opencv_createsamples", "#!/bin/sh\n", "ended without having written its file and said nothing"),
        ("opencv_traincascade", "#!/bin/sh\nkill -9 $$\n", "opencv_traincascade failed with exit code -9"),
    ],
)
def test_programs_that_do_not_work_are_named(photographs, fake_tools, tmp_path, program, content, message) -> None:
    (fake_tools / program).write_text(content)
    with pytest.raises(ToolError, match=message):
        train_haar(photographs, tmp_path / "run", PARAMETERS)


def test_a_cascade_that_opencv_cannot_read_is_an_error(photographs, fake_tools, tmp_path) -> None:
    (fake_tools / "opencv_traincascade").write_text("#!/bin/sh\necho no XML > stages/cascade.xml\n")
    with pytest.raises(ModelError, match=r"cascade\.xml is missing, damaged, or no cascade that OpenCV reads"):
        train_haar(photographs, tmp_path / "run", PARAMETERS)
    assert not (tmp_path / "run" / "model").exists()


@pytest.fixture
def hanging(photographs, fake_tools, tmp_path) -> tuple[subprocess.Popen[str], int]:
    """A run into `run` whose trainer never ends its first stage, and the number of the trainer's process."""
    marker = tmp_path / "marker"
    (fake_tools / "opencv_traincascade").write_text(
        f"#!/bin/sh\necho $$ > {marker}.new\nmv {marker}.new {marker}\nread x < {fifo(tmp_path)}\n"
    )
    process = start(photographs, tmp_path / "run", "--detector", "haar", "--stages", "3", "--threads", "1")
    deadline = time.monotonic() + 60
    while not marker.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    return process, int(marker.read_text())


def test_a_run_stopped_before_its_first_stage_saves_nothing_and_says_so(hanging, tmp_path) -> None:
    process, trainer = hanging
    assert list((tmp_path / "run" / WORK / "faces").iterdir())
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == ExitCode.STOPPED and "stopped before the first step was saved" in said, said
    assert not is_running(trainer) and not (tmp_path / "run" / WORK).exists()


def test_what_a_killed_run_leaves_ends_with_it_or_with_the_next_one(hanging, photographs, fake_tools, tmp_path) -> None:
    process, trainer = hanging
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while is_running(trainer):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list((tmp_path / "run" / WORK / "faces").iterdir()) and not is_output(f"{WORK}/faces/000000.png")
    for name in TOOLS:
        (fake_tools / name).unlink()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(ToolError):
        patch.setenv("PATH", str(fake_tools))
        train_haar(photographs, tmp_path / "run", PARAMETERS)
    assert not (tmp_path / "run" / WORK).exists()


def test_parameters_of_haar_are_refused_for_others_and_of_no_number(photographs, tmp_path) -> None:
    process = start(photographs, tmp_path / "run", "--detector", "retinaface", "--stages", "3")
    assert "unknown parameter --stages" in process.communicate(timeout=60)[0] and process.returncode == 2
    with pytest.raises(ParameterError, match=r"--hit-rate '1\.5'"):
        HaarParameters.from_texts({"--detector": "haar", "--hit-rate": "1.5"})


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="OpenCV's programs are absent: " + ", ".join(TOOLS))
def test_the_real_programs_train_a_cascade(photographs, tmp_path) -> None:
    parameters = HaarParameters(detector="haar", stages=2, threads=1, false_alarm_rate=0.7)
    result = train_haar(photographs, tmp_path / "run", parameters)
    assert result is not None and 1 <= result.step <= 2
    description = load_detector(tmp_path / "run" / "model")
    assert isinstance(description, HaarDescription) and description.window == (20, 24)
    assert open_detector(str(tmp_path / "run")).name == "haar"
