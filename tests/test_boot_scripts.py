"""The scripts of jobs/: they parse, explain themselves and become the facejobs process."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).resolve().parent.parent / "jobs").glob("*.sh"))
TRAIN = next(path for path in SCRIPTS if path.name == "run_face_recognition_train.sh")


def facejobs_that(folder: Path, body: str) -> Path:
    """A repository in `folder` with the training script and a `facejobs` that runs `body`."""
    (folder / "jobs").mkdir(parents=True)
    shutil.copy(TRAIN, folder / "jobs")
    command = folder / ".venv" / "bin" / "facejobs"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{body}\n")
    command.chmod(0o755)
    return folder / "jobs" / TRAIN.name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse(script: Path) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize("arguments", [[], ["only_data"]], ids=repr)
def test_too_few_arguments_show_the_usage(arguments: list[str]) -> None:
    result = subprocess.run(["sh", TRAIN, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "data_path model_output_path" in result.stderr


def test_arguments_arrive_whole_from_any_directory(tmp_path: Path) -> None:
    script = facejobs_that(tmp_path / "a repository", 'printf "<%s>" "$@"')
    (tmp_path / "elsewhere").mkdir()
    relative = os.path.relpath(script, tmp_path / "elsewhere")
    arguments = ["my data", "out", "--lr", "0.1", "--eval-data", "a b,*"]
    result = subprocess.run(
        ["sh", relative, *arguments], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False
    )
    assert result.stdout == "<train><recognition>" + "".join(f"<{argument}>" for argument in arguments)


def test_the_script_becomes_the_process_so_signals_and_codes_pass(tmp_path: Path) -> None:
    script = facejobs_that(tmp_path, "echo $$; exec sleep 60")
    with subprocess.Popen(["sh", script, "data", "out"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.terminate()
        assert process.wait(timeout=20) == -15
    script = facejobs_that(tmp_path / "second", "exit 75")
    assert subprocess.run(["sh", script, "data", "out"], check=False).returncode == 75


def test_a_facejobs_on_the_path_is_found_and_its_absence_explained(tmp_path: Path) -> None:
    script = facejobs_that(tmp_path / "repository", "echo installed")
    on_path = tmp_path / "bin"
    on_path.mkdir()
    (tmp_path / "repository" / ".venv" / "bin" / "facejobs").rename(on_path / "facejobs")
    run = ["/bin/sh", script, "data", "out"]
    found = subprocess.run(run, env={"PATH": f"{on_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert found.stdout == "installed\n"
    absent = subprocess.run(run, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert absent.returncode == 1
    assert "make setup" in absent.stderr


def test_without_parameters_the_recipe_is_used(tmp_path: Path) -> None:
    script = facejobs_that(tmp_path / "repository", 'printf "<%s>" "$@"')
    result = subprocess.run(["sh", script, "data", "out"], capture_output=True, text=True, check=False)
    recipe = tmp_path / "repository" / "jobs" / "face-recognition.yaml"
    assert result.stdout == f"<train><recognition><data><out><--recipe><{recipe}>"


def test_the_recipe_holds_valid_parameters() -> None:
    from facejobs.training.parameters import read_recipe
    from facejobs.training.recognition_parameters import RecognitionParameters

    values = read_recipe(TRAIN.parent / "face-recognition.yaml")
    assert RecognitionParameters.from_texts(values).loss == "cosface"
