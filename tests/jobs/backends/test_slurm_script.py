"""The batch script, run by bash with programs that stand for Slurm's."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from slurm_programs import SlurmPrograms

from facejobs.jobs.backends.slurm_options import SlurmOptions
from facejobs.jobs.backends.slurm_plan import make_plan, make_script
from facejobs.jobs.spec import JobSpec

URL = "s3://bucket/store/jobs/faces/V0003"
HOSTILE = [
    "$(touch trap)",
    "`touch trap`",
    "'; touch trap; '",
    '"; touch trap; #',
    "\n#SBATCH --partition=nowhere\ntouch trap\n",
    "-x",
    "",
    "% %j \\ \\\\ !! ~ * ?",
    "größer ☃\ttab",
]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmPrograms:
    for name in ("S3_ENDPOINT", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return SlurmPrograms(tmp_path / "stubs")


def script(programs: SlurmPrograms, url: str = URL, options: dict[str, Any] | None = None, **fields: Any) -> str:
    spec = {"name": "faces", "command": "python train.py", "outputs": {"model": None}, **fields}
    given = {"scratch": str(programs.folder / "scratch"), "python": str(programs.bin / "python"), **(options or {})}
    return str(make_script(JobSpec.model_validate(spec), url, SlurmOptions.model_validate(given)))


def directives(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")]


def test_directives_say_what_the_spec_asks_for(programs) -> None:
    resources = {"gpus": 2, "gpu_type": "v100", "cpus": 3.5, "memory": "16GiB", "nodes": 2}
    options = {"partition": "gpu", "account": "faces", "qos": "high", "constraint": "a&b", "exclude": "n[7-9]"}
    text = script(
        programs, options={**options, "sbatch": ["--exclusive"]}, resources=resources, time_limit="90m", retries=1
    )
    assert directives(text) == [
        "--job-name=faces-V0003",
        "--comment=facejobs:s3://bucket/store/jobs/faces/V0003",
        "--nodes=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=4",
        "--mem=16777216K",
        "--gpus-per-node=v100:2",
        "--time=90",
        "--signal=B:USR1@120",
        "--requeue",
        "--open-mode=append",
        "--output=slurm-faces-V0003.out",
        "--partition=gpu",
        "--account=faces",
        "--qos=high",
        "--constraint=a&b",
        "--exclude=n[7-9]",
        "--exclusive",
    ]
    assert "--gres=gpu:v100:2" in directives(script(programs, options={"gres": "gpu"}, resources=resources))


def test_slurm_s_output_goes_where_it_can(programs) -> None:
    def output(url: str, **options: str) -> str:
        found = [line for line in directives(script(programs, url, options)) if line.startswith("--output=")]
        return found[0].removeprefix("--output=")

    assert output("/home/ann/store/jobs/faces/V0003") == "/home/ann/store/jobs/faces/V0003/logs/slurm.out"
    assert output("/home/ann's 100%j/jobs/faces/V0003") == "/dev/null"
    assert output(URL, log_folder="/shared/logs/") == "/shared/logs/slurm-faces-V0003.out"


def test_each_task_is_told_who_it_is_and_who_the_others_are(programs) -> None:
    text = script(
        programs,
        resources={"nodes": 2},
        inputs={"data": "s3://b/d"},
        environment={"PATH": "/nowhere:/usr/bin:/bin", "A": "b"},
    )
    assert programs.run(text, nodes=2) == 0, programs.output
    for task in (0, 1):
        told = programs.environment(task)
        work = told["FACEJOBS_WORK"]
        assert work.startswith(str(programs.folder / "scratch/facejobs-")) and work.endswith(f"/task-{task}")
        assert told["TMPDIR"] == f"{work}/tmp" and Path(work, "tmp").is_dir()
        assert (told["DLS_TASK_INDEX"], told["DLS_TASK_NUMBER"]) == (str(task), "2")
        assert told["DLS_TASK_HOSTS"] == "10.0.0.1,10.0.0.2" and told["FACEJOBS_ATTEMPT"] == "auto"
        assert "FACEJOBS_TIME_LIMIT" not in told and told["A"] == "b"
        assert programs.words(task) == [
            "-m", "facejobs.jobs.boot", "python", "train.py", f"{work}/inputs/data", f"{work}/output",
        ]  # fmt: skip


def test_hostile_words_and_variables_arrive_as_they_are(programs) -> None:
    environment = {f"V{number}": text for number, text in enumerate(HOSTILE)}
    parameters = {f"p{number}": text for number, text in enumerate(HOSTILE)}
    text = script(programs, environment=environment, parameters=parameters)
    assert not any("nowhere" in line for line in directives(text.partition("\n\n")[0]))
    assert programs.run(text) == 0, programs.output
    assert programs.words()[-2 * len(HOSTILE) :][1::2] == HOSTILE
    told = programs.environment()
    assert {name: told[name] for name in environment} == environment
    assert not list(programs.folder.rglob("trap"))


def test_the_store_s_name_and_the_scratch_folder_are_hostile(programs) -> None:
    scratch = programs.folder / 'it\'s $(touch trap) `touch trap` "q"'
    text = script(programs, "/tmp/$(touch trap)'/jobs/faces/V0003", {"scratch": str(scratch)})
    assert programs.run(text) == 0, programs.output
    assert programs.environment()["FACEJOBS_WORK"].startswith(f"{scratch}/")
    assert programs.environment()["DLS_TRAIN_URL"] == "/tmp/$(touch trap)'/jobs/faces/V0003"
    assert not list(programs.folder.rglob("trap"))


def test_the_exit_code_is_the_tasks_and_nothing_is_left(programs) -> None:
    programs.task("exit 3")
    assert programs.run(script(programs)) == 3
    assert not list((programs.folder / "scratch").rglob("control"))
    assert not any("requeue" in call for call in programs.calls("scontrol"))


def test_a_task_that_is_to_be_tried_again_is_put_into_the_queue(programs) -> None:
    programs.task('echo PENDING > "$FACEJOBS_CONTROL/end"; exit 3')
    assert programs.run(script(programs)) == 75
    assert programs.calls("scontrol")[-1] == "requeue 17"


def test_a_task_that_died_without_a_word_is_tried_again_as_often_as_the_spec_says(programs) -> None:
    programs.task("kill -9 $$")
    assert programs.run(script(programs, retries=2), SLURM_RESTART_COUNT="1") == 75
    assert programs.run(script(programs, retries=2), SLURM_RESTART_COUNT="2") == 137
    assert programs.calls("scontrol").count("requeue 17") == 1


# Waits for SIGTERM, and says what it finds then.
_SAVES = """
trap 'cat "$FACEJOBS_CONTROL/stop" > "$STUBS/told.$DLS_TASK_INDEX"; echo $END > "$FACEJOBS_CONTROL/end"; exit 75' TERM
touch "$STUBS/ready.$DLS_TASK_INDEX"
while :; do sleep 0.05; done
"""


def _signalled(programs: SlurmPrograms, number: signal.Signals, end: str) -> tuple[list[str], int]:
    programs.task(_SAVES)
    process = programs.start(script(programs, environment={"END": end}))
    _wait(programs.folder / "ready.0")
    process.send_signal(number)
    if number is signal.SIGTERM:
        # Slurm itself tells the tasks.
        os.kill(int((programs.folder / "tasks").read_text()), signal.SIGTERM)
    programs.output = process.communicate(timeout=30)[0]
    return (programs.folder / "told.0").read_text().splitlines(), process.returncode


def _wait(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_before_the_time_limit_it_saves_and_goes_into_the_queue(programs) -> None:
    told, code = _signalled(programs, signal.SIGUSR1, "PENDING")
    assert told[0] == "time_limit" and code == 75 and programs.calls("scontrol")[-1] == "requeue 17"
    assert programs.calls("scancel") == ["--quiet --signal=TERM 17.0"]


def test_at_the_last_time_limit_and_when_stopped_it_does_not(programs) -> None:
    told, code = _signalled(programs, signal.SIGUSR1, "FAILED")
    assert told[0] == "time_limit" and code == 75
    (programs.folder / "ready.0").unlink()
    (programs.folder / "tasks").unlink()
    told, code = _signalled(programs, signal.SIGUSR2, "STOPPED")
    assert told == ["requested", "", "stopped on request"] and code == 75
    assert "requeue 17" not in programs.calls("scontrol")


def test_when_the_machine_is_taken_away_slurm_starts_it_again_itself(programs) -> None:
    told, _ = _signalled(programs, signal.SIGTERM, "PENDING")
    assert told == [] and "requeue 17" not in programs.calls("scontrol") and programs.calls("scancel") == []


def test_a_task_that_fails_ends_the_others_with_its_code(programs) -> None:
    programs.task("[ $DLS_TASK_INDEX = 0 ] || { until [ -e $STUBS/ready.0 ]; do sleep 0.05; done; exit 7; }\n" + _SAVES)
    # The stub of srun waits for its tasks in turn, so the one that fails comes first.
    programs.write("srun", (programs.bin / "srun").read_text().replace('"${!pids[@]}"', "1 0"))
    process = programs.start(script(programs, resources={"nodes": 2}, environment={"END": "FAILED"}), nodes=2)
    output = process.communicate(timeout=30)[0]
    told = (programs.folder / "told.0").read_text().splitlines()
    assert told == ["task_failed", "7", "another task failed: n2: task 1: Exited with exit code 7"], output
    assert process.returncode == 75


def test_a_folder_of_somebody_else_is_not_used(programs) -> None:
    (programs.folder / "scratch").write_text("no folder")
    assert programs.run(script(programs)) == 1
    assert "name another folder as scratch" in programs.output


def test_images_are_run_by_pyxis_and_apptainer(programs) -> None:
    image = "registry.example.com:5000/team/facejobs@sha256:" + "7" * 64
    programs.write("apptainer", 'printf "%s\\0" "$@" > "$STUBS/apptainer"')
    resources = {"gpus": 1}
    fields: dict[str, Any] = {"image": image, "inputs": {"data": "/data/faces"}, "resources": resources}
    scratch = str(programs.folder / "scratch")
    assert programs.run(script(programs, options={"runner": "apptainer"}, **fields)) == 0, programs.output
    words = (programs.folder / "apptainer").read_text().split("\0")[:-1]
    assert words[:8] == ["exec", "--nv", "--bind", scratch, "--bind", "/data/faces", f"docker://{image}", "bash"]
    assert words[8] == "/home/work/run_train.sh" and words[-2] == "/data/faces"
    text = script(programs, options={"runner": "pyxis"}, **fields)
    programs.write("bash", 'printf "%s\\0" "$@" > "$STUBS/container"')
    programs.run(text)
    arguments = (programs.folder / "srun.arguments").read_text().splitlines()
    assert f"--container-image=registry.example.com:5000#team/facejobs@sha256:{'7' * 64}" in arguments
    assert f"--container-mounts={scratch}:{scratch},/data/faces:/data/faces" in arguments
    assert "exec bash /home/work/run_train.sh python train.py /data/faces" in text


def test_a_plan_says_what_becomes_of_each_field(programs, monkeypatch) -> None:
    def plan(options: dict[str, Any] | None = None, **fields: Any):
        spec = {"name": "faces", "command": "a", "outputs": {"m": None}, **fields}
        return make_plan(JobSpec.model_validate(spec), None, SlurmOptions.model_validate(options or {}))

    image = "registry.example.com/facejobs@sha256:" + "7" * 64
    assert any("is recorded" in item for item in plan(image=image).emulated)
    assert plan({"runner": "pyxis"}, image=image).impossible == []
    assert plan({"runner": "pyxis"}).impossible[0].startswith("image: none is named")
    assert "cannot be mounted" in plan({"runner": "pyxis"}, image=image, inputs={"d": "/a,b"}).impossible[0]
    assert "asked to save 120 s before" in plan(time_limit=60).impossible[0]
    assert any("2 minutes, as Slurm counts" in item for item in plan({"signal_seconds": 20}, time_limit=90).emulated)
    assert "H100" in plan(resources={"gpus": 1, "gpu_type": "H100"}).impossible[0]
    assert "no type that Slurm takes" in plan(resources={"gpus": 1, "gpu_type": "a\n#SBATCH"}).impossible[0]
    assert "say how many" in plan(resources={"gpu_type": "v100"}).impossible[0]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("TOKEN", "very-secret")
    secret = plan(secrets=["TOKEN"])
    assert secret.environment["TOKEN"] == secret.environment["AWS_SECRET_ACCESS_KEY"] == "***"
    assert "very-secret" not in secret.request and secret.request.startswith("#!/bin/bash\n#SBATCH ")
