"""OpenCV's own programs that train a Haar cascade: opencv_createsamples and opencv_traincascade."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facejobs import tied_program
from facejobs.data.detection.haar_samples import NEGATIVES, POSITIVES, HaarSamples
from facejobs.training.errors import ToolError
from facejobs.training.haar_parameters import WINDOW, HaarParameters

STAGES = "stages"
"""Folder that opencv_traincascade writes to: params.xml, stage0.xml …, and last cascade.xml."""

_CREATE_SAMPLES, _TRAIN_CASCADE = "opencv_createsamples", "opencv_traincascade"
_VECTOR = "faces.vec"
_LOG = "traincascade.log"
_WHOLE = b"</opencv_storage>"
_BUFFER_MEGABYTES = 1024
_POLL_SECONDS = 0.2
_STOP_SECONDS = 10
_LOG_LINES = 12
# Faces that the stages so far reject are replaced, and what the first stages throw away at once is not counted.
_SPARE = 0.9
_RATES = re.compile(r"^\|\s*\d+\|\s*([\d.eE+-]+)\|\s*([\d.eE+-]+)\|\s*$", re.MULTILINE)
_STAGE = "===== TRAINING {}-stage ====="


@dataclass(frozen=True, slots=True)
class HaarTools:
    """Where the two programs are."""

    create_samples: str
    train_cascade: str

    @classmethod
    def find(cls) -> "HaarTools":
        """Look for both on PATH; raises ToolError, saying what to install, where one is missing."""
        found = {name: shutil.which(name) for name in (_CREATE_SAMPLES, _TRAIN_CASCADE)}
        missing = [name for name, path in found.items() if path is None]
        if missing:
            raise ToolError(
                f"{' and '.join(missing)} not found on PATH: haar is trained by OpenCV's own programs, which OpenCV 4 "
                "no longer builds. Build OpenCV 3.4 (docs/how-to/train-a-detector.md says how), or choose another "
                "--detector; `haar` in place of a model is the cascade that OpenCV brings"
            )
        return cls(found[_CREATE_SAMPLES] or "", found[_TRAIN_CASCADE] or "")

    def pack_faces(self, folder: Path, samples: HaarSamples) -> None:
        """Pack the faces that `write_haar_samples` wrote into `folder` for the training; raises ToolError."""
        width, height = WINDOW
        command = [*_tied(self.create_samples), "-info", POSITIVES, "-vec", _VECTOR, "-num", str(samples.positives)]
        command += ["-w", str(width), "-h", str(height)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
        if done.returncode or not (folder / _VECTOR).is_file():
            raise _failed(_CREATE_SAMPLES, done.returncode, done.stdout + done.stderr)

    def train(
        self, folder: Path, samples: HaarSamples, parameters: HaarParameters, after_poll: Callable[[], None]
    ) -> None:
        """Train into `folder`/stages, going on after the stages there; raises ToolError.

        `after_poll` is called several times a second, and once at the end; what it raises ends the program too.
        """
        command = [*_tied(self.train_cascade), "-data", STAGES, "-vec", _VECTOR, "-bg", NEGATIVES]
        for name, value in _options(samples, parameters).items():
            command += [f"-{name}", str(value)]
        with (folder / _LOG).open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
            try:
                while process.poll() is None:
                    after_poll()
                    time.sleep(_POLL_SECONDS)
            finally:
                _end(process)
        after_poll()
        if process.returncode or not (folder / STAGES / "cascade.xml").is_file():
            said = (folder / _LOG).read_text(encoding="utf-8", errors="replace")
            raise _failed(_TRAIN_CASCADE, process.returncode, said)


def finished_stages(folder: Path) -> dict[str, bytes]:
    """Return params.xml and the files of the stages in `folder`/stages that are wholly written, by name.

    Empty before the first stage is.
    """
    stages: dict[str, bytes] = {}
    parameters = folder / STAGES / "params.xml"
    while (path := folder / STAGES / f"stage{len(stages)}.xml").is_file():
        content = path.read_bytes()
        if not content.rstrip().endswith(_WHOLE):
            break
        stages[path.name] = content
    return {parameters.name: parameters.read_bytes(), **stages} if stages else {}


def rates_of_stage(folder: Path, stage: int) -> dict[str, float]:
    """Return what share of faces and of backgrounds the newest `stage` accepts; empty where the log does not say."""
    said = (folder / _LOG).read_text(encoding="utf-8", errors="replace")
    _, _, of_stage = said.partition(_STAGE.format(stage))
    rows = _RATES.findall(of_stage.partition(_STAGE.format(stage + 1))[0])
    return {"hit_rate": float(rows[-1][0]), "false_alarm_rate": float(rows[-1][1])} if rows else {}


def _options(samples: HaarSamples, parameters: HaarParameters) -> dict[str, str | int | float]:
    rejected = (parameters.stages - 1) * (1 - parameters.hit_rate)
    positives = max(1, int(samples.positives * _SPARE / (1 + rejected)))
    width, height = WINDOW
    return {
        "numPos": positives,
        "numNeg": max(1, round(positives * parameters.backgrounds)),
        "numStages": parameters.stages,
        "w": width,
        "h": height,
        "featureType": "HAAR",
        "minHitRate": parameters.hit_rate,
        "maxFalseAlarmRate": parameters.false_alarm_rate,
        "precalcValBufSize": _BUFFER_MEGABYTES,
        "precalcIdxBufSize": _BUFFER_MEGABYTES,
        "numThreads": parameters.threads,
    }


def _tied(program: str) -> list[str]:
    """The start of a command line: killed with this process, the program does not go on for hours for nobody."""
    return [sys.executable, "-IS", tied_program.__file__, str(os.getpid()), program]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _failed(program: str, code: int, said: str) -> ToolError:
    lines = [line for line in said.replace("\r", "\n").splitlines() if line.strip()]
    outcome = f"failed with exit code {code}" if code else "ended without having written its file"
    last = "; it said last:\n  " + "\n  ".join(lines[-_LOG_LINES:]) if lines else " and said nothing"
    return ToolError(f"{program} {outcome}{last}")
