"""What is sent to ModelArts, field by field: V1 against its public reference, V2 against the SDK's own classes."""

import json
import re
import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.jobs.backends import modelarts_v1, modelarts_v2
from facejobs.jobs.backends.modelarts import ModelArtsBackend, ModelArtsOptions
from facejobs.jobs.backends.modelarts_client import Place, place_of
from facejobs.jobs.backends.modelarts_options import NfsVolume
from facejobs.jobs.backends.modelarts_request import description, obs_path, obs_url, shell_line, version_of
from facejobs.jobs.backends.modelarts_status import v1_status, v2_status
from facejobs.jobs.backends.options import read_options
from facejobs.jobs.errors import JobError, SpecError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State

URL = "obs://bucket/store/jobs/faces/V0001"
IMAGE = "swr.cn-north-4.myhuaweicloud.com/team/facejobs@sha256:" + "0" * 64


def a_spec(**fields: Any) -> JobSpec:
    values: dict[str, Any] = {
        "name": "faces",
        "image": IMAGE,
        "command": "python train.py",
        "inputs": {"data": "obs://bucket/faces", "more": "s3://other/file.rec"},
        "outputs": {"model": "obs://bucket/models"},
        "parameters": {"lr": 0.1},
        "resources": {"nodes": 2, "gpus": 1, "gpu_type": "V100", "cpus": 8, "memory": "16GiB"},
        "time_limit": "2h",
        "environment": {"NOTE": "x", "DLS_APP_URL": "obs://bucket/code"},
    }
    return JobSpec.model_validate({**values, **fields})


NFS = NfsVolume(server_path="192.168.8.150:/", local_path="/home/work/nas", id="43b3")
V1 = ModelArtsOptions(api="v1", flavor="3", pool_id="pool1", workspace_id="af26", nfs=NFS)
V2 = ModelArtsOptions(flavor="modelarts.p3.large.public", pool_id="pool1", workspace_id="af26", nfs=NFS)

# "Creating a Training Job" and "Creating a Version of a Training Job" of the V1 reference.
V1_CONFIG = {
    "worker_server_num": int, "app_url": str, "boot_file_url": str, "parameter": list, "data_url": str,
    "dataset_id": str,
    "dataset_version_id": str, "data_source": list, "spec_id": int, "pool_id": str, "engine_id": int, "model_id": int,
    "train_url": str, "log_url": str, "user_image_url": str, "user_command": str, "create_version": bool,
    "volumes": list,
    "pre_version_id": int,
}  # fmt: skip
V1_NFS = {"id": str, "src_path": str, "dest_path": str, "read_only": bool}


@pytest.mark.parametrize("before", [None, modelarts_v1.V1Id("10", "20")])
def test_every_field_of_a_v1_request_is_documented(before) -> None:
    request = modelarts_v1.make_request(a_spec(), V1, URL, 1, before)
    body, config = request["body"], request["body"]["config"]
    if before is None:
        assert request["path"] == "/v1/{project_id}/training-jobs"
        assert set(body) == {"job_name", "job_desc", "workspace_id", "config"}
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", body["job_name"]) and "pre_version_id" not in config
    else:
        assert request["path"] == "/v1/{project_id}/training-jobs/10/versions"
        assert set(body) == {"job_desc", "config"} and config["pre_version_id"] == 20
    assert len(body["job_desc"]) <= 256
    assert set(config) <= set(V1_CONFIG) and {"user_image_url", "user_command", "train_url"} <= set(config)
    for name, value in config.items():
        assert type(value) is V1_CONFIG[name], name
    assert all(set(item) == {"label", "value"} for item in config["parameter"])
    assert all(type(text) is str for item in config["parameter"] for text in item.values())
    (volume,) = config["volumes"]
    assert {name: type(value) for name, value in volume["nfs"].items()} == V1_NFS
    assert json.loads(json.dumps(request)) == request


def test_what_a_v1_request_says() -> None:
    config = modelarts_v1.make_request(a_spec(), V1, URL, 1, None)["body"]["config"]
    assert config["worker_server_num"] == 2 and config["spec_id"] == 3 and config["pool_id"] == "pool1"
    assert config["data_url"] == "/bucket/faces/" and config["app_url"] == "/bucket/code/"
    assert config["train_url"] == "/bucket/store/jobs/faces/V0001/"
    assert config["log_url"] == "/bucket/store/jobs/faces/V0001/logs/"
    assert config["user_command"] == (
        "bash /home/work/run_train.sh python train.py "
        "/tmp/facejobs/inputs/data /tmp/facejobs/inputs/more /tmp/facejobs/output --lr 0.1"
    )
    told = {item["label"]: item["value"] for item in config["parameter"]}
    assert told["FACEJOBS_VERSION_URL"] == URL and told["FACEJOBS_TIME_LIMIT"] == "7200" and told["NOTE"] == "x"
    # ModelArts sets them, for each task another.
    assert not {"DLS_TASK_INDEX", "DLS_TASK_NUMBER", "DLS_TASK_HOSTS"} & set(told)


def unlike(value: Any, kind: str, models: Any, place: str = "body") -> list[str]:
    """Where a JSON value is not what the SDK's class `kind` describes."""
    if match := re.fullmatch(r"list\[(.+)\]", kind):
        return [line for item in value for line in unlike(item, match[1], models, f"{place}[]")]
    if match := re.fullmatch(r"dict\((.+), (.+)\)", kind):
        return [line for name, item in value.items() for line in unlike(item, match[2], models, f"{place}.{name}")]
    plain = {"str": str, "int": int, "bool": bool, "float": float}
    if kind in plain:
        return [] if type(value) is plain[kind] else [f"{place}: {value!r} is no {kind}"]
    model = getattr(models, kind)
    names = {json_name: name for name, json_name in model.attribute_map.items()}
    faults = [f"{place}.{name}: {kind} has no such field" for name in value if name not in names]
    for name, item in value.items():
        if name in names:
            faults += unlike(item, model.openapi_types[names[name]], models, f"{place}.{name}")
    return faults


@pytest.mark.parametrize("fields", [{}, {"retries": 3}, {"inputs": {}, "environment": {}}])
@pytest.mark.parametrize(
    "options", [V2, ModelArtsOptions(pool_id="p"), ModelArtsOptions(flavor="f", image_url="org/x:1")]
)
def test_every_field_of_a_v2_request_is_one_of_the_sdk(fields, options) -> None:
    models = pytest.importorskip("huaweicloudsdkmodelarts.v1", reason="pip install 'facejobs[modelarts]'")
    body = modelarts_v2.make_request(a_spec(**fields), options, URL, 1)["body"]
    assert unlike(body, "Job", models) == []
    assert unlike({"metadata": {"nam": "x"}, "spec": {"resource": {"node_count": "1"}}}, "Job", models) == [
        "body.metadata.nam: JobMetadata has no such field",
        "body.spec.resource.node_count: '1' is no int",
    ]
    # What the SDK's class makes of it is what is sent.
    from huaweicloudsdkcore.utils import http_utils

    assert http_utils.sanitize_for_serialization(models.CreateTrainingJobRequest(body=body).body) == body


def test_what_a_v2_request_says() -> None:
    body = modelarts_v2.make_request(a_spec(retries=3), V2, URL, 1)["body"]
    assert body["kind"] == "job" and body["metadata"]["workspace_id"] == "af26"
    assert body["metadata"]["annotations"] == {
        "fault-tolerance/job-retry-num": "3",
        "fault-tolerance/job-unconditional-retry": "true",
    }
    assert body["algorithm"]["engine"] == {"image_url": IMAGE}
    environment = body["algorithm"]["environments"]
    assert (environment["FACEJOBS_ATTEMPT"], environment["FACEJOBS_ATTEMPTS"]) == ("auto", "4")
    assert json.loads(environment["FACEJOBS_INPUTS"]) == {"data": "obs://bucket/faces", "more": "s3://other/file.rec"}
    assert body["spec"]["resource"] == {
        "node_count": 2,
        "flavor_id": "modelarts.p3.large.public",
        "pool_id": "pool1",
    }
    assert body["spec"]["log_export_path"] == {"obs_url": f"{URL}/logs/"}
    assert body["spec"]["volumes"] == [
        {"nfs": {"nfs_server_path": "192.168.8.150:/", "local_path": "/home/work/nas", "read_only": True}}
    ]
    again = modelarts_v2.make_request(a_spec(), V2, URL, 3)["body"]
    assert again["algorithm"]["environments"]["FACEJOBS_ATTEMPT"] == "3"


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_a_shell_reads_the_words_that_were_meant(words: list[str]) -> None:
    assert shlex.split(shell_line(words)) == words
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {shell_line(words)}"], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", fullmatch=True), st.integers(1, 10**6), st.integers(1, 200))
def test_names_are_such_as_modelarts_takes(job: str, number: int, attempt: int) -> None:
    version = f"V{number:04d}"
    names = {
        modelarts_v2.job_name(f"obs://{bucket}/jobs/{job}/{version}", turn)
        for bucket in ("one", "two")
        for turn in {1, attempt}
    }
    assert len(names) == 2 * len({1, attempt})
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    url = f"s3://bucket/store/jobs/{job}/{version}"
    assert version_of(description(url)) == (job, version, url)


@pytest.mark.parametrize(
    "text",
    ["", None, "a job", "facejobs ", "facejobs s3://b/jobs/x/V1", description("s3://b/" + "x" * 300 + "/jobs/a/V0001")],
)
def test_other_descriptions_name_no_version(text) -> None:
    assert version_of(text) is None


def test_places_in_obs() -> None:
    assert (obs_path("s3://bucket"), obs_path("obs://bucket/a/b/")) == ("/bucket/", "/bucket/a/b/")
    assert obs_url("s3://bucket/a") == "obs://bucket/a/"
    place = Place("https://modelarts.cn-north-4.myhuaweicloud.com", "0123")
    assert Place.parse(str(place)) == place and Place.parse("") is None


def test_every_documented_status_is_known() -> None:
    assert all(v1_status(number).state is not None for number in range(1, 22))
    assert [v1_status(value).state for value in (0, 22, "x", None, True)] == [None, None, None, None, State.PENDING]
    assert (v1_status("8").state, v1_status(14).state, v1_status(12).state) == (
        State.RUNNING,
        State.LOST,
        State.STOPPED,
    )
    phases = ("Creating", "Pending", "Running", "Failed", "Completed", "Terminating", "Terminated", "Abnormal")
    assert all(v2_status({"phase": phase}).state is not None for phase in phases)
    assert v2_status({"phase": "Abnormal", "secondary_phase": "Lost"}).state is State.LOST
    assert v2_status({"phase": "Abnormal", "secondary_phase": "CreateFailed"}).state is State.FAILED
    assert v2_status({"phase": "Dancing"}).state is None and v2_status(None).state is None
    assert "image" in str(v1_status(3)) and "IMAGE_FAILED" in str(v1_status(3))


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AK", "SK", "PROJECT_ID", "REGION"):
        monkeypatch.setenv(f"HUAWEICLOUD_SDK_{name}", "cn-north-4" if name == "REGION" else "x")


def test_every_field_of_a_spec_is_judged(access: None) -> None:
    plan = ModelArtsBackend(V2).plan(a_spec(description="d", retries=1), URL)
    said = [line.partition(":")[0] for line in [*plan.honoured, *plan.emulated]]
    resources = [f"resources.{name}" for name in ("nodes", "gpus", "gpu_type", "cpus", "memory")]
    for name in (
        "command",
        "inputs",
        "outputs",
        "parameters",
        "environment",
        "image",
        "description",
        "time_limit",
        "retries",
        *resources,
    ):
        assert name in said, name
    assert plan.impossible == [] and plan.request["body"]["kind"] == "job"
    assert plan.command[:2] == ["bash", "/home/work/run_train.sh"] and plan.folder == "/tmp/facejobs"


def test_credentials_of_this_machine_are_never_in_a_plan(access: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-key")
    monkeypatch.setenv("S3_ENDPOINT", "https://obs.cn-north-4.myhuaweicloud.com")
    for options in (V1, V2):
        plan = ModelArtsBackend(options).plan(a_spec(), URL)
        text = json.dumps(plan.as_json())
        assert "the-key" not in text and "https://obs.cn-north-4.myhuaweicloud.com" in text
        assert any("are not sent" in line for line in plan.emulated)


def test_a_plan_without_access_shows_the_request_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AK", "SK", "PROJECT_ID", "REGION", "MODELARTS_ENDPOINT"):
        monkeypatch.delenv(f"HUAWEICLOUD_SDK_{name}", raising=False)
    plan = ModelArtsBackend(V2).plan(a_spec(), URL)
    assert plan.request is not None
    assert [re.findall("HUAWEICLOUD_SDK_[A-Z_]+", line) for line in plan.impossible] == [
        ["HUAWEICLOUD_SDK_REGION"],
        ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"],
    ]


def test_numbers_typed_with_o_are_text() -> None:
    options = read_options(ModelArtsOptions, "modelarts", {"flavor": 3, "workspace_id": 0, "project_id": 12})
    assert (options.flavor, options.workspace_id, options.project_id) == ("3", "0", "12")


def test_a_malformed_name_of_an_image_is_refused() -> None:
    with pytest.raises(SpecError, match=r"backends\.modelarts\.image_url: 'a b' is no name of an image"):
        read_options(ModelArtsOptions, "modelarts", {"image_url": "a b"})


def test_where_requests_go() -> None:
    pytest.importorskip("huaweicloudsdkmodelarts")
    told = {"HUAWEICLOUD_SDK_PROJECT_ID": "p", "HUAWEICLOUD_SDK_REGION": "cn-north-4"}
    assert str(place_of(ModelArtsOptions(), told)) == "https://modelarts.cn-north-4.myhuaweicloud.com/p"
    assert (
        place_of(ModelArtsOptions(region="xx-new-9"), told).endpoint == "https://modelarts.xx-new-9.myhuaweicloud.com"
    )
    assert place_of(ModelArtsOptions(endpoint="http://h:1", project_id="q"), told) == Place("http://h:1", "q")
    with pytest.raises(JobError, match="HUAWEICLOUD_SDK_PROJECT_ID"):
        place_of(ModelArtsOptions(region="cn-north-4"), {})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"api": "v3"}, "api"),
        ({"flavour": "x"}, "did you mean flavor"),
        ({"region": "../x"}, "cn-north-4"),
        ({"endpoint": "https://host/path"}, "without a path"),
        ({"endpoint": "https://user:pw@host"}, "without a path"),
        ({"project_id": "a/b"}, "hyphens"),
        ({"work_dir": "tmp"}, "work_dir"),
        ({"nfs": {"server_path": "x"}}, "local_path"),
        ({"ak": "x"}, "unknown key"),
    ],
)
def test_wrong_options_are_told(values, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_options(ModelArtsOptions, "modelarts", values)
