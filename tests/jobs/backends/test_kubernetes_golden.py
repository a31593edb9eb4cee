"""Ten specs and the exact objects that are made of them, checked against the schemas of Kubernetes.

With FACEJOBS_WRITE_GOLDEN=1 the objects in the files are written anew: read the difference before you keep it.
"""

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from jobset_schema import validate_jobset
from kubernetes_validate.utils import all_versions, major_minor

from facejobs.jobs.backends.contract import STORAGE_CREDENTIALS, STORAGE_SETTINGS
from facejobs.jobs.backends.kubernetes_job import ClusterJob
from facejobs.jobs.backends.kubernetes_manifest import manifests, secret, service, workload
from facejobs.jobs.backends.kubernetes_names import run_name
from facejobs.jobs.backends.kubernetes_options import KubernetesOptions
from facejobs.jobs.backends.kubernetes_plan import make_plan
from facejobs.jobs.spec import JobSpec

GOLDEN = sorted(Path(__file__).with_name("kubernetes_golden").glob("*.yaml"))
NEWEST = sorted(
    {major_minor(version) for version in all_versions()}, key=lambda text: tuple(map(int, text.split(".")))
)[-3:]
# Between them they have every kind of object.
DEEP = ("four-nodes", "four-nodes-jobset")
OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "job", "uid": "6b1f"}


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in (*STORAGE_SETTINGS, *STORAGE_CREDENTIALS):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    found: dict[str, Any] = yaml.safe_load(request.param.read_text(encoding="utf-8"))
    for name, value in found.get("environment", {}).items():
        monkeypatch.setenv(name, value)
    return {"path": request.param, **found}


def job_of(golden: dict[str, Any]) -> ClusterJob:
    spec = JobSpec.model_validate(golden["spec"])
    url = f"{golden.get('store', 's3://faces/store')}/jobs/{spec.name}/V0001"
    options = KubernetesOptions.model_validate(golden.get("options", {}))
    return ClusterJob(spec, options, url, run_name(url), attempt=1, jobset=bool(golden.get("jobset")))


def everything(job: ClusterJob) -> Iterator[dict[str, Any]]:
    """What is shown, and what is sent."""
    yield from manifests(job, "faces")
    values = dict.fromkeys(job.secrets, "value")
    for item in (workload(job, "faces"), secret(job, "faces", values, OWNER), service(job, "faces", OWNER)):
        if item is not None:
            yield item


def validate(manifest: dict[str, Any], version: str) -> None:
    """Strictly; what has no schema of its own is refused."""
    if manifest["kind"] == "JobSet":
        validate_jobset(manifest, version)
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_there_are_ten_of_them_and_three_versions() -> None:
    assert len(GOLDEN) == 10
    assert len(NEWEST) == 3


def test_the_objects_are_those_of_the_file(golden: dict[str, Any]) -> None:
    job = job_of(golden)
    assert make_plan(job, "faces").impossible == []
    made = manifests(job, "faces")
    if os.environ.get("FACEJOBS_WRITE_GOLDEN"):
        head = {name: value for name, value in golden.items() if name not in ("path", "manifests")}
        text = yaml.safe_dump({**head, "manifests": made}, sort_keys=False, width=120, allow_unicode=True)
        golden["path"].write_text(text, encoding="utf-8")
    else:
        assert made == golden["manifests"]


@pytest.mark.parametrize("version", NEWEST)
def test_the_schemas_accept_them(golden: dict[str, Any], version: str) -> None:
    for manifest in everything(job_of(golden)):
        validate(manifest, version)


@pytest.mark.parametrize("version", NEWEST)
def test_the_schemas_refuse_a_misspelt_field_of_the_pod(golden: dict[str, Any], version: str) -> None:
    manifest = workload(job_of(golden), "faces")
    spec = manifest["spec"]
    pod = (spec["replicatedJobs"][0]["template"]["spec"] if "replicatedJobs" in spec else spec)["template"]["spec"]
    pod["terminationGracePeriodSecond"] = pod.pop("terminationGracePeriodSeconds")
    with pytest.raises(jsonschema.ValidationError, match="terminationGracePeriodSecond"):
        validate(manifest, version)


@pytest.mark.parametrize("golden", [path for path in GOLDEN if path.stem in DEEP], indirect=True)
def test_the_schemas_refuse_a_misspelt_field_at_any_depth(golden: dict[str, Any]) -> None:
    for manifest in manifests(job_of(golden), "faces"):
        for place in _objects(manifest):
            wrong = copy.deepcopy(manifest)
            found = wrong
            for step in place:
                found = found[step]
            # What says of which kind the object is cannot be missing.
            name = next(name for name in found if name not in ("apiVersion", "kind"))
            found[f"{name}Typo"] = found.pop(name)
            with pytest.raises(jsonschema.ValidationError):
                validate(wrong, NEWEST[-1])


# Their keys are names that anybody may choose.
_FREE = ("labels", "annotations", "selector", "nodeSelector", "requests", "limits", "stringData", "data")


def _objects(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the objects with fixed fields are."""
    if isinstance(value, dict) and value and not (place and place[-1] in _FREE):
        yield place
        for name, item in value.items():
            yield from _objects(item, (*place, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _objects(item, (*place, number))


def test_no_value_of_a_secret_is_in_what_is_shown(golden: dict[str, Any]) -> None:
    values = {name: value for name, value in golden.get("environment", {}).items() if name not in STORAGE_SETTINGS}
    plan = make_plan(job_of(golden), "faces")
    shown = yaml.safe_dump(plan.as_json(), allow_unicode=True)
    for name, value in values.items():
        assert name in shown and value not in shown
