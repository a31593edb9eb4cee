"""Jobs on ModelArts against a server over HTTP, through the SDK that users have, with an S3 server as the store."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytest.importorskip(
    "huaweicloudsdkmodelarts", reason="Huawei Cloud's SDK is not installed: pip install 'facejobs[modelarts]'"
)
from fake_modelarts import AK, PROJECT, SK, FakeModelArts

from facejobs.cli.main import main
from facejobs.jobs.backends import modelarts
from facejobs.jobs.backends.modelarts import ModelArtsBackend
from facejobs.jobs.backends.native import read_native
from facejobs.jobs.backends.opening import backend_of, open_backend
from facejobs.jobs.errors import JobError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, read_status, record
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import VersionFolder, VersionStore, open_version_store
from facejobs.storage.errors import StorageError

DIGEST = "sha256:" + "5" * 64
IMAGE = "swr.cn-north-4.myhuaweicloud.com/team/facejobs"
HOSTILE = """$(touch /tmp/x) `id` 'q' "d" ; rm -rf / | & > %n -x \\ äö 人"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeModelArts]:
    server = FakeModelArts()
    for name, value in (("AK", AK), ("SK", SK), ("PROJECT_ID", PROJECT), ("MODELARTS_ENDPOINT", server.endpoint)):
        monkeypatch.setenv(f"HUAWEICLOUD_SDK_{name}", value)
    for name in ("HUAWEICLOUD_SDK_REGION", "HUAWEICLOUD_SDK_SECURITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(modelarts, "_POLL_SECONDS", 0.02)
    # Which image a tag is, is asked of the registry; the tests of images do.
    monkeypatch.setattr("facejobs.jobs.submission.resolve_image", lambda image: f"{IMAGE}@{DIGEST}")
    yield server
    server.close()


@pytest.fixture(scope="module")
def bucket(seaweedfs) -> str:
    seaweedfs.client().create_bucket(Bucket="modelarts")
    return "obs://modelarts"


@pytest.fixture
def store(seaweedfs, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VersionStore:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    return open_version_store(f"{bucket}/{tmp_path.name}")


def a_spec(**fields: Any) -> JobSpec:
    values = {"name": "faces", "command": "python train.py", "outputs": {"model": None}, "image": f"{IMAGE}:1.0"}
    return JobSpec.model_validate({**values, **fields})


def opened(api: str) -> Any:
    return open_backend("modelarts", {"api": api, "flavor": 3 if api == "v1" else "modelarts.p3.large.public"})


def tell(fake: FakeModelArts, version: VersionFolder, status: Any) -> None:
    """Let ModelArts say of a version's job how it stands."""
    native = read_native(version.store)
    assert native is not None
    if "/" in native.id:
        fake.v1[native.id]["status"] = status
    else:
        fake.v2[native.id]["status"] = {"phase": status, "secondary_phase": status, "tasks": ["worker-0"]}


RUNNING = {"v1": 8, "v2": "Running"}
FAILED = {"v1": 11, "v2": "Failed"}
COMPLETED = {"v1": 10, "v2": "Completed"}
STOPPED = {"v1": 12, "v2": "Terminated"}
both = pytest.mark.parametrize("api", ["v1", "v2"])


@both
def test_a_job_from_submit_to_its_end(fake: FakeModelArts, store: VersionStore, api: str) -> None:
    version = submit(a_spec(), store, opened(api))
    backend = backend_of(version.record)
    assert isinstance(backend, ModelArtsBackend)
    native = read_native(version.store)
    assert native is not None and native.place == f"{fake.endpoint}/{PROJECT}" and native.attempt == 1
    assert backend.state(version) is State.PENDING
    tell(fake, version, RUNNING[api])
    assert backend.state(version) is State.RUNNING
    (queued,) = backend.list()
    assert (queued.id, queued.job, queued.version, queued.url) == (native.id, "faces", "V0001", version.url)
    record(version.store, State.RUNNING)
    record(version.store, State.COMPLETED, exit_code=0)
    tell(fake, version, COMPLETED[api])
    assert backend.state(version) is State.COMPLETED
    assert backend.list() == []
    with pytest.raises(JobError, match="COMPLETED"):
        backend.resume(version)
    with pytest.raises(JobError, match="submitted already"):
        backend.submit(version)


@both
def test_the_image_that_runs_is_pinned_by_its_digest(fake: FakeModelArts, store: VersionStore, api: str) -> None:
    version = submit(a_spec(), store, opened(api))
    body = fake.started[0].body
    sent = body["config"]["user_image_url"] if api == "v1" else body["algorithm"]["engine"]["image_url"]
    assert sent == f"{IMAGE}@{DIGEST}"
    assert version.record.spec.image == f"{IMAGE}:1.0"


@both
def test_hostile_words_arrive_as_they_were_typed(fake: FakeModelArts, store: VersionStore, api: str) -> None:

    spec = a_spec(
        command=f"python train.py {shlex.quote(HOSTILE)}",
        parameters={"note": HOSTILE, "lines": "a\nb", "dash": "--x"},
        environment={"NOTE": HOSTILE},
        description=HOSTILE,
    )
    submit(spec, store, opened(api))
    body = fake.started[0].body
    command = body["config"]["user_command"] if api == "v1" else body["algorithm"]["command"]
    words = shlex.split(command)
    assert words[:5] == ["bash", "/home/work/run_train.sh", "python", "train.py", HOSTILE]
    assert words[-6:] == ["--note", HOSTILE, "--lines", "a\nb", "--dash", "--x"]
    # A real shell makes the same of it: it prints its arguments, and runs nothing else.

    shown = subprocess.run(
        ["sh", "-c", command.replace("bash /home/work/run_train.sh python", "printf '%s\\0'", 1)], capture_output=True
    )
    assert shown.stdout.decode().split("\0")[1] == HOSTILE
    if api == "v1":
        assert {"label": "NOTE", "value": HOSTILE} in body["config"]["parameter"]
    else:
        assert body["algorithm"]["environments"]["NOTE"] == HOSTILE


@both
def test_no_credential_is_in_any_request_or_file(fake: FakeModelArts, store: VersionStore, api: str, seaweedfs) -> None:
    version = submit(a_spec(), store, opened(api))
    backend_of(version.record).state(version)
    said = json.dumps([[item.path, item.query, item.body, item.headers] for item in fake.requests])
    kept = b"".join(version.store.read(item.key) for item in version.store.list())
    secrets = [SK, seaweedfs.environment["AWS_SECRET_ACCESS_KEY"]]
    assert not any(secret in said or secret.encode() in kept for secret in secrets)
    assert AK.encode() not in kept


def test_v1_versions_follow_each_other(fake: FakeModelArts, store: VersionStore) -> None:
    backend = opened("v1")
    first = submit(a_spec(), store, backend)
    second = submit(a_spec(parameters={"lr": 0.1}), store, backend, parent="V0001")
    third = submit(a_spec(), store, backend)
    fourth = submit(a_spec(), store, backend, parent="V0001")
    paths = [item.path.removeprefix(f"/v1/{PROJECT}") for item in fake.started]
    assert paths == ["/training-jobs", *["/training-jobs/10/versions"] * 3]
    ids = [read_native(version.store).id for version in (first, second, third, fourth)]
    before = [item.body["config"].get("pre_version_id") for item in fake.started]
    # Of a parent; of the newest where there is none.
    assert before == [None, 100, int(ids[1].split("/")[1]), 100]
    assert "job_name" not in fake.started[1].body


def test_v2_resumes_as_another_job(fake: FakeModelArts, store: VersionStore) -> None:
    version = submit(a_spec(), store, opened("v2"))
    backend = backend_of(version.record)
    tell(fake, version, "Failed")
    assert backend.state(version) is State.FAILED
    assert "ModelArts says Failed" in read_status(version.store).reason
    backend.resume(version)
    names = [item.body["metadata"]["name"] for item in fake.started]
    assert names[0].startswith("faces-V0001-") and names[1] == f"{names[0]}-2"
    status = read_status(version.store)
    assert (status.state, status.attempt, read_native(version.store).attempt) == (State.PENDING, 2, 2)
    assert backend.state(version) is State.PENDING
    with pytest.raises(JobError, match="is PENDING; stop it first"):
        backend.resume(version)


def test_v1_resumes_as_a_new_modelarts_version(fake: FakeModelArts, store: VersionStore) -> None:
    version = submit(a_spec(), store, opened("v1"))
    backend = backend_of(version.record)
    tell(fake, version, 3)
    assert backend.state(version) is State.FAILED
    assert "IMAGE_FAILED" in read_status(version.store).reason and "pull" in read_status(version.store).reason
    backend.resume(version)
    assert fake.started[1].body["config"]["pre_version_id"] == 100
    assert read_native(version.store).id == "10/101"


@both
@pytest.mark.parametrize("task_says", [True, False])
def test_stop_waits_for_the_end(fake: FakeModelArts, store: VersionStore, api: str, task_says: bool) -> None:
    version = submit(a_spec(), store, opened(api))
    tell(fake, version, RUNNING[api])
    record(version.store, State.RUNNING)
    if task_says:
        fake.after_stop = lambda: record(version.store, State.STOPPED, "stopped by SIGTERM", 75)
    backend = backend_of(version.record)
    backend.stop(version)
    status = read_status(version.store)
    assert status.state is State.STOPPED
    assert status.reason == "stopped by SIGTERM" if task_says else "the job was stopped" in status.reason
    with pytest.raises(JobError, match="nothing to stop"):
        backend.stop(version)


@both
def test_a_job_whose_number_cannot_be_kept_is_stopped(
    fake: FakeModelArts, store: VersionStore, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StorageError("the store is away")

    stopped: list[str] = []
    fake.after_stop = lambda: stopped.append("stopped")
    monkeypatch.setattr(modelarts, "write_native", away)
    with pytest.raises(JobError, match="could not be started: the store is away"):
        submit(a_spec(), store, opened(api))
    assert stopped == ["stopped"]


@both
def test_an_end_that_the_task_did_not_record(fake: FakeModelArts, store: VersionStore, api: str) -> None:
    version = submit(a_spec(), store, opened(api))
    record(version.store, State.RUNNING)
    tell(fake, version, COMPLETED[api])
    assert backend_of(version.record).state(version) is State.FAILED
    assert "recorded no result" in read_status(version.store).reason


@both
def test_a_job_that_was_deleted_is_lost(fake: FakeModelArts, store: VersionStore, api: str) -> None:
    version = submit(a_spec(), store, opened(api))
    record(version.store, State.RUNNING)
    fake.v1.clear()
    fake.v2.clear()
    assert backend_of(version.record).state(version) is State.LOST
    assert read_status(version.store).state is State.RUNNING


def test_a_lost_job_may_be_resumed(fake: FakeModelArts, store: VersionStore) -> None:
    version = submit(a_spec(), store, opened("v1"))
    record(version.store, State.RUNNING)
    tell(fake, version, 14)
    backend = backend_of(version.record)
    assert backend.state(version) is State.LOST
    backend.resume(version)
    assert (backend.state(version), read_status(version.store).attempt) == (State.PENDING, 2)


def test_the_log_is_followed_to_its_end(fake: FakeModelArts, store: VersionStore) -> None:
    version = submit(a_spec(), store, opened("v2"))
    tell(fake, version, "Running")
    record(version.store, State.RUNNING)
    version.store.write("logs/task-0.log", b"one\ntw")

    def go_on() -> None:
        time.sleep(0.2)
        version.store.write("logs/task-0.log", b"one\ntwo\nthree")
        record(version.store, State.COMPLETED)

    thread = Thread(target=go_on)
    thread.start()
    assert list(backend_of(version.record).logs(version, follow=True)) == ["one", "two", "three"]
    thread.join()


@both
@pytest.mark.parametrize("lines", [3, 1203])
def test_the_log_of_modelarts_where_the_task_never_logged(
    fake: FakeModelArts, store: VersionStore, api: str, lines: int
) -> None:
    version = submit(a_spec(), store, opened(api))
    tell(fake, version, FAILED[api])
    native = read_native(version.store)
    fake.logs[native.id if api == "v1" else f"{native.id}/worker-0"] = [f"line {number}" for number in range(lines)]
    assert list(backend_of(version.record).logs(version)) == [f"line {number}" for number in range(lines)]


V1_QUOTA = {"is_success": False, "error_message": "Job quota is exhausted", "error_code": "ModelArts.0116"}


@pytest.mark.parametrize(
    ("api", "status", "answer", "said"),
    [
        ("v2", 401, {"error_msg": "verify aksk signature fail", "error_code": "APIGW.0301"}, "HUAWEICLOUD_SDK_SK"),
        ("v2", 403, {"error_msg": "no", "error_code": "ModelArts.0109"}, "permissions"),
        ("v2", 400, {"error_msg": "algorithm not found.", "error_code": "ModelArts.2755"}, "ModelArts.2755 algorithm"),
        ("v2", 429, {"error_msg": "slow down", "error_code": "APIGW.0308"}, "too many"),
        ("v2", 500, "<html>oops</html>", "oops"),
        ("v2", 200, "[]", "no JSON object"),
        ("v2", 201, {"kind": "job"}, "without a number"),
        ("v2", 201, {"metadata": "x", "status": [1]}, "ModelArts|127.0.0.1"),
        ("v2", 201, "null", "no JSON object"),
        ("v1", 200, V1_QUOTA, "quota is used up"),
        ("v1", 400, V1_QUOTA, "ModelArts.0116 Job quota is exhausted"),
        ("v1", 200, {"is_success": True}, "without a number"),
        ("v1", 502, "bad gateway", "bad gateway"),
    ],
)
def test_refusals_are_told_and_leave_a_failed_version(
    fake: FakeModelArts, store: VersionStore, api: str, status: int, answer: Any, said: str
) -> None:
    for _ in range(4):
        fake.refuse("POST .*/training-jobs$", status, answer)
    with pytest.raises(JobError, match=said) as error:
        submit(a_spec(), store, opened(api))
    version = store.find("faces", "1")
    assert read_status(version.store).state is State.FAILED
    assert "facejobs resume faces V0001" in str(error.value)
    fake.refusals.clear()
    backend_of(version.record).resume(version)
    assert backend_of(version.record).state(version) is State.PENDING


def test_a_job_of_that_name_that_is_not_ours(fake: FakeModelArts, store: VersionStore) -> None:
    fake.v1["9/9"] = {"job_name": "faces", "job_id": 9, "version_id": 9, "status": 10}
    with pytest.raises(JobError, match=r"ModelArts.0103 .*give the spec another name"):
        submit(a_spec(), store, opened("v1"))


def test_a_wrong_key_is_refused_by_its_signature(
    fake: FakeModelArts, store: VersionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "another")
    for api in ("v1", "v2"):
        with pytest.raises(JobError, match=r"APIGW\.0301"):
            opened(api).list()


def test_nobody_answers(fake: FakeModelArts, store: VersionStore, capfd: pytest.CaptureFixture[str]) -> None:
    version = submit(a_spec(), store, opened("v2"))
    fake.close()
    with pytest.raises(JobError, match="cannot be asked to show the job"):
        backend_of(version.record).state(version)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("fields", "options", "said"),
    [
        ({"secrets": ["TOKEN_X"]}, {}, "secrets: TOKEN_X"),
        ({"image": None}, {}, "image: "),
        ({"inputs": {"data": "/tmp"}}, {}, "is a path of this machine"),
        ({"resources": {"gpu_type": "H100"}}, {}, "H100"),
        ({}, {"api": "v1", "flavor": "large"}, "numbers its flavors"),
        ({"retries": 1}, {"api": "v1", "flavor": 1}, "starts nothing again"),
        ({"environment": {"MA_X": "1"}}, {}, "begin with MA_"),
        ({"environment": {"X": "y" * 4097}}, {}, "4097 characters"),
        ({"resources": {"gpus": 2}}, {"flavor": "modelarts.pool.visual.xlarge"}, "has 1"),
    ],
)
def test_what_cannot_be_done_takes_no_number(
    fake: FakeModelArts, store: VersionStore, monkeypatch, fields: Any, options: Any, said: str
) -> None:
    monkeypatch.setenv("TOKEN_X", "hidden")
    with pytest.raises(JobError, match=said):
        submit(a_spec(**fields), store, open_backend("modelarts", {"flavor": "f", **options}))
    assert store.jobs() == [] and fake.requests == []


@pytest.mark.parametrize("name", ["AK", "SK", "PROJECT_ID", "MODELARTS_ENDPOINT"])
def test_what_is_missing_to_send_anything_takes_no_number(
    fake: FakeModelArts, store: VersionStore, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(f"HUAWEICLOUD_SDK_{name}")
    with pytest.raises(JobError, match="HUAWEICLOUD_SDK_"):
        submit(a_spec(), store, opened("v2"))
    assert store.jobs() == []


def test_a_store_on_this_machine_takes_no_number(fake: FakeModelArts, tmp_path: Path) -> None:
    store = open_version_store(str(tmp_path))
    with pytest.raises(JobError, match="is a directory of this machine"):
        submit(a_spec(), store, opened("v2"))
    assert store.jobs() == []


def test_by_command(fake: FakeModelArts, store: VersionStore, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("faces.yaml").write_text(
        f"name: faces\ncommand: 'true'\nimage: {IMAGE}:1.0\noutputs: {{model: }}\n"
        "backends:\n  modelarts: {api: v1, flavor: 3}\n"
    )

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["facejobs", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code, capsys.readouterr()
        return capsys.readouterr().out

    planned = json.loads(run("plan", "faces.yaml", "--backend", "modelarts", "--store", store.url, "--json"))
    run("submit", "faces.yaml", "--backend", "modelarts", "--store", store.url)
    sent = fake.started[0].body
    planned["request"]["body"]["config"]["user_image_url"] = sent["config"]["user_image_url"]
    assert planned["request"]["body"] == sent
    queue = run("queue", "--backend", "modelarts", "-o", "api=v1", "-o", "flavor=3")
    assert "faces" in queue and "V0001" in queue and "INIT" in queue
    run("stop", "faces", "1", "--store", store.url)
    assert "KILLED" in run("show", "faces", "1", "--store", store.url)


def test_a_version_imported_from_modelarts_is_gone_on_from(
    fake: FakeModelArts, store: VersionStore, tmp_path: Path, monkeypatch, capsys
) -> None:
    fake.v1["10/55"] = {"job_id": 10, "job_name": "faces", "version_id": 55, "version_name": "V0003", "status": 10}
    exported = {
        **fake.v1["10/55"],
        "create_time": 1524189990635,
        "parameter": [{"label": "lr", "value": "0.1"}],
        "user_image_url": f"{IMAGE}:1.0",
        "user_command": "bash /home/work/run_train.sh python train.py",
        "spec_id": 3,
        "worker_server_num": 1,
    }
    (tmp_path / "export.json").write_text(json.dumps(exported))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["facejobs", *arguments, "--store", store.url])
        with pytest.raises(SystemExit) as end:
            main()
        out = capsys.readouterr()
        assert not end.value.code, out.err
        return out.out

    run("import", "modelarts", "export.json")
    run("modify", "faces", "3", "-p", "lr=0.2")
    (request,) = fake.started
    assert request.path.endswith("/training-jobs/10/versions")
    config = request.body["config"]
    assert (config["pre_version_id"], config["spec_id"]) == (55, 3)
    assert config["user_command"].endswith("python train.py /tmp/facejobs/output --lr 0.2")
    version = store.get("faces", 4)
    assert version.record.parent == "V0003"
    assert backend_of(version.record).state(version) is State.PENDING


@both
def test_a_container_that_does_what_the_request_says_completes_the_version(
    fake: FakeModelArts, store: VersionStore, seaweedfs, tmp_path: Path, api: str
) -> None:
    """The request's command and variables, with what ModelArts adds to them, run by a shell as ModelArts would."""
    store.store.write("faces/train.txt", b"data")
    spec = a_spec(
        command="sh -c 'cat $0/train.txt; mkdir $1/model; "
        "echo $2 $3 at $DLS_TASK_INDEX of $DLS_TASK_HOSTS > $1/model/m.txt'",
        inputs={"data": f"{store.url}/faces"},
        parameters={"note": HOSTILE},
    )
    options = {"api": api, "flavor": "3", "work_dir": str(tmp_path / "work")}
    version = submit(spec, store, open_backend("modelarts", options))
    body = fake.started[0].body
    if api == "v1":
        command = body["config"]["user_command"]
        given = {item["label"]: item["value"] for item in body["config"]["parameter"]}
        added = {
            "DLS_TASK_INDEX": "0",
            "DLS_TASK_NUMBER": "1",
            "BATCH_CUSTOM0_HOSTS": "host0:6666",
            "DLS_TRAIN_URL": body["config"]["train_url"],
            "DLS_UPLOAD_LOG_OBS_DIR": body["config"]["log_url"],
        }
    else:
        command, given = body["algorithm"]["command"], body["algorithm"]["environments"]
        added = {"VC_TASK_INDEX": "0", "MA_NUM_HOSTS": "1", "VC_WORKER_HOSTS": "host0"}
    run_train = Path(__file__).parents[2] / "run_train.sh"
    container = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path),
        "FACEJOBS_PYTHON": sys.executable,
        **seaweedfs.environment,
    }
    assert "/home/work/run_train.sh" in command
    done = subprocess.run(
        ["sh", "-c", command.replace("/home/work/run_train.sh", str(run_train))],
        env={**container, **given, **added},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tell(fake, version, COMPLETED[api])
    backend = backend_of(version.record)
    assert backend.state(version) is State.COMPLETED
    assert version.store.read("model/m.txt").decode() == f"--note {HOSTILE} at 0 of host0\n"
    assert any(line.startswith("data") for line in backend.logs(version))


def test_an_answer_that_never_comes_is_told(fake: FakeModelArts, store: VersionStore, monkeypatch) -> None:
    from facejobs.jobs.backends import modelarts_client

    version = submit(a_spec(), store, opened("v2"))
    monkeypatch.setattr(modelarts_client, "_TIMEOUT_SECONDS", (0.2, 0.2))
    fake.delay = 1.0
    for api in ("v1", "v2"):
        with pytest.raises(JobError, match="cannot be asked to list jobs"):
            opened(api).list()
    with pytest.raises(JobError, match="cannot be asked to show the job"):
        backend_of(version.record).state(version)
