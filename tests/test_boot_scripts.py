"""The scripts of jobs/: they parse, explain themselves and become the facejobs process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto import server as moto_server

SCRIPTS = sorted((Path(__file__).resolve().parent.parent / "jobs").glob("*.sh"))
TRAIN = next(path for path in SCRIPTS if path.name == "run_face_recognition_train.sh")
TASKS = ["recognition", "detection"]


def training_script(task: str) -> Path:
    return TRAIN.with_name(f"run_face_{task}_train.sh")


def facejobs_that(folder: Path, body: str) -> Path:
    """A repository in `folder` with the scripts and a `facejobs` that runs `body`: its training script."""
    (folder / "jobs").mkdir(parents=True)
    for script in SCRIPTS:
        shutil.copy(script, folder / "jobs")
    command = folder / ".venv" / "bin" / "facejobs"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{body}\n")
    command.chmod(0o755)
    return folder / "jobs" / TRAIN.name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse(script: Path) -> None:
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("arguments", [[], ["only_data"]], ids=repr)
def test_too_few_arguments_show_the_usage(task: str, arguments: list[str]) -> None:
    result = subprocess.run(["sh", training_script(task), *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert f"run_face_{task}_train.sh data_path model_output_path" in result.stderr


def test_arguments_arrive_whole_from_any_directory(tmp_path: Path) -> None:
    script = facejobs_that(tmp_path / "a repository", 'printf "<%s>" "$@"')
    (tmp_path / "elsewhere").mkdir()
    relative = os.path.relpath(script, tmp_path / "elsewhere")
    arguments = ["my data", "out", "--lr", "0.1", "--eval-data", "a b,*"]
    result = subprocess.run(
        ["sh", relative, *arguments], cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False
    )
    recipe = tmp_path / "a repository" / "jobs" / "face-recognition.yaml"
    assert result.stdout == "".join(
        f"<{argument}>" for argument in ["train", "recognition", *arguments, "--recipe", recipe]
    )


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


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("given", "used"),
    [
        ([], ["--recipe", "{jobs}/face-{task}.yaml"]),
        (["--seed", "2"], ["--seed", "2", "--recipe", "{jobs}/face-{task}.yaml"]),
        (["--recipe", "my own.yaml"], ["--recipe", "my own.yaml"]),
        (["--seed=2", "--recipe=mine.yaml"], ["--seed=2", "--recipe=mine.yaml"]),
    ],
)
def test_the_recipe_is_used_unless_another_is_named(
    tmp_path: Path, task: str, given: list[str], used: list[str]
) -> None:
    jobs = facejobs_that(tmp_path / "repository", 'printf "<%s>" "$@"').parent
    command = ["sh", jobs / training_script(task).name, "data", "out", *given]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    expected = "".join(f"<{argument}>".format(jobs=jobs, task=task) for argument in used)
    assert result.stdout == f"<train><{task}><data><out>{expected}"


def with_run_train(folder: Path) -> Path:
    """A repository whose run_train.sh says what it was told."""
    script = facejobs_that(folder, 'printf "<%s>" "$@"')
    (folder / "run_train.sh").write_text(
        'printf "%s\\n" "$FACEJOBS_INPUTS" "${DLS_TRAIN_URL-none}" "$FACEJOBS_WORK" "${FACEJOBS_VERSION_URL-none}"\n'
        'printf "<%s>" "$@"\n'
    )
    return script


def run_remote(script: Path, *arguments: str, **more: str) -> list[str]:
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(script.parent), **more}
    command = ["sh", script, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("task", TASKS)
def test_remote_paths_become_the_inputs_and_the_output_of_run_train(tmp_path: Path, task: str) -> None:
    script = with_run_train(tmp_path / "a repository").with_name(training_script(task).name)
    url = 'obs://bucket/it\'s \\a "folder"'
    inputs, output, work, version, command = run_remote(
        script, url, "s3://bucket/out", "--lr", "0.1 ,*", FACEJOBS_VERSION_URL="of the job around"
    )
    assert json.loads(inputs) == {"data": url}
    assert output == "s3://bucket/out" and version == "none"
    assert command == f"<sh><{script}><{work}/inputs/data><{work}/output><--lr><0.1 ,*>"
    assert Path(work).parent == script.parent


def test_local_paths_beside_remote_ones_stay_as_they_are(tmp_path: Path) -> None:
    script = with_run_train(tmp_path / "repository")
    inputs, output, work, _, command = run_remote(script, "s3://bucket/data", "my out")
    assert (json.loads(inputs), output) == ({"data": "s3://bucket/data"}, "none")
    assert command == f"<sh><{script}><{work}/inputs/data><my out>"
    inputs, output, work, _, command = run_remote(script, "my data", "obs://bucket/out")
    assert (inputs, output) == ("{}", "obs://bucket/out")
    assert command == f"<sh><{script}><my data><{work}/output>"


def test_a_url_that_lacks_a_slash_is_no_path(tmp_path: Path) -> None:
    script = with_run_train(tmp_path / "repository")
    result = subprocess.run(["sh", script, "data", "s3:/bucket/out"], capture_output=True, text=True, check=False)
    assert (result.returncode, "write s3://bucket/out" in result.stderr) == (2, True)


def test_the_same_command_finds_its_work_folder_again_and_another_one_does_not(tmp_path: Path) -> None:
    script = with_run_train(tmp_path / "repository")
    folders = [run_remote(script, "s3://bucket/data", out)[2] for out in ("one", "one", "two")]
    assert folders[0] == folders[1] != folders[2]
    assert run_remote(script, "s3://bucket/data", "one", S3_ENDPOINT="http://other")[2] not in folders


def test_remote_paths_from_end_to_end(tmp_path: Path) -> None:
    repository = TRAIN.parent.parent
    script = facejobs_that(tmp_path / "repository", 'mkdir -p "$4/model" && cp "$3"/* "$4/model"')
    shutil.copy(repository / "run_train.sh", tmp_path / "repository")
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(tmp_path),
            "FACEJOBS_PYTHON": sys.executable,
            "S3_ENDPOINT": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        client = boto3.client(
            "s3", endpoint_url=environment["S3_ENDPOINT"], aws_access_key_id="key",
            aws_secret_access_key="secret-of-the-test", region_name="us-east-1",
        )  # fmt: skip
        client.create_bucket(Bucket="faces")
        client.put_object(Bucket="faces", Key="data/cele.rec", Body=b"records")
        command = ["sh", script, "s3://faces/data/", "obs://faces/out"]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        assert client.get_object(Bucket="faces", Key="out/model/cele.rec")["Body"].read() == b"records"
        assert list(tmp_path.glob("facejobs-*")) == []
        command[2] = "s3://faces/no-such-data"
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 127 and "no-such-data" in result.stdout
        assert f"is kept in {next(tmp_path.glob('facejobs-*'))};" in result.stdout
    finally:
        server.stop()
