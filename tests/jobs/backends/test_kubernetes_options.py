import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.jobs.backends import kubernetes_names as names
from facejobs.jobs.backends.kubernetes_options import KubernetesOptions
from facejobs.jobs.backends.options import read_options
from facejobs.jobs.errors import SpecError

DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", fullmatch=True), st.integers(1, 999_999_999))
def test_every_name_of_a_job_makes_a_name_for_the_cluster(job: str, version: int) -> None:
    url = f"s3://bucket/store/jobs/{job}/V{version:04d}"
    # The longest that JobSet makes of it.
    assert DNS_LABEL.fullmatch(f"{names.run_name(url)}-999-task-0-4095-abcde")
    assert all(LABEL_VALUE.fullmatch(value) for value in names.labels(url, names.run_name(url), 1).values())
    assert names.annotations(url)["facejobs/job"] == job


def test_names_differ_by_store_by_server_and_by_case(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [f"s3://{bucket}/jobs/{job}/V0001" for bucket in ("a", "b") for job in ("Faces", "faces", "faces_")]
    assert len({names.run_name(url) for url in urls}) == len(urls)
    before = names.run_name(urls[0])
    monkeypatch.setenv("S3_ENDPOINT", "https://other.example.com")
    assert names.run_name(urls[0]) != before


def test_options_from_the_command_line_are_those_of_a_file() -> None:
    typed = {
        "node_selector": "pool=gpu,example.com/zone=a",
        "tolerations": "nvidia.com/gpu:NoSchedule,team=faces",
        "image_pull_secrets": "one,two",
        "claims": "faces=/mnt/faces",
        "shared_memory": "8GiB",
        "ttl": "2h",
    }
    written: dict[str, Any] = {
        "node_selector": {"pool": "gpu", "example.com/zone": "a"},
        "tolerations": [
            {"key": "nvidia.com/gpu", "effect": "NoSchedule"},
            {"key": "team", "operator": "Equal", "value": "faces"},
        ],
        "image_pull_secrets": ["one", "two"],
        "claims": {"faces": "/mnt/faces"},
        "shared_memory": 8 * 1024**3,
        "ttl": 7200,
    }
    options = read_options(KubernetesOptions, "kubernetes", typed)
    assert options == read_options(KubernetesOptions, "kubernetes", written)
    # As kept in version.json, and read from it for a resume.
    kept = options.model_dump(mode="json", exclude_defaults=True)
    assert read_options(KubernetesOptions, "kubernetes", kept) == options


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("namespaec", "x", "did you mean namespace?"),
        ("namespace", "Team_A", "expected a name as Kubernetes has them"),
        ("namespace", "a\nb", "expected a name as Kubernetes has them"),
        ("secret", "$(id)", "expected a name as Kubernetes has them"),
        ("node_selector", "pool", "expected name=value,name=value"),
        ("node_selector", {"a b": "c"}, "is no label of a node"),
        ("node_selector", {"pool": "x; touch y"}, "is no label of a node"),
        ("tolerations", ":NoSchedule", "expected taints such as"),
        ("tolerations", "gpu:Sometimes", "NoSchedule"),
        ("claims", "faces=mnt", "expected an absolute path"),
        ("claims", "faces=/", "expected an absolute path"),
        ("claims", "faces=/mnt/../etc", "expected an absolute path"),
        ("claims", "faces=/work", "belongs to facejobs"),
        ("claims", "faces=/dev/shm", "belongs to facejobs"),
        ("claims", "a=/mnt,b=/mnt", "two claims cannot be mounted at one path"),
        ("gpu_resource", "gpu=2", "expected a name such as nvidia.com/gpu"),
        ("run_as_user", 0, "greater than or equal to 1"),
        ("shared_memory", "plenty", "expected an amount of memory"),
        ("ttl", "soon", "expected a duration"),
        ("ttl", "30000d", "less than or equal to 2147483647"),
        ("run_as_user", 1 << 31, "less than or equal to 2147483647"),
    ],
)
def test_a_wrong_option_is_named(name: str, value: object, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_options(KubernetesOptions, "kubernetes", {name: value})
    assert said in str(caught.value) and name in str(caught.value)
