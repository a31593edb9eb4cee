"""What a Kubernetes cluster refuses, and pods that cannot start: told in words, and no version looks RUNNING."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_kubernetes_api import FakeKubernetesApi
from kubernetes_jobs import IMAGE, SECRET, Cluster, pod_of, reason

from facejobs.jobs import submission
from facejobs.jobs.errors import JobError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, read_status, record
from facejobs.jobs.versions import open_version_store


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetesApi]:
    monkeypatch.setattr(submission, "resolve_image", lambda image: IMAGE)
    with FakeKubernetesApi() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        yield server


@pytest.fixture
def cluster(tmp_path: Path, api: FakeKubernetesApi) -> Cluster:
    return Cluster(tmp_path)


@pytest.mark.parametrize(
    ("reason_of_pod", "message", "said"),
    [
        ("ImagePullBackOff", "manifest unknown: not found", "the registry does not have it any more"),
        ("ErrImagePull", "pull access denied, unauthorized", "-o image_pull_secrets=NAME"),
        ("ErrImagePull", "no match for platform in manifest", "not made for the processors of the node"),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", "run_as_user=1000"),
        ("InvalidImageName", "", "is no name of an image"),
    ],
)
def test_a_pod_that_can_never_start_ends_the_version(
    api: FakeKubernetesApi, cluster: Cluster, reason_of_pod: str, message: str, said: str
) -> None:
    version = cluster.submit()
    waiting = {"name": "task", "state": {"waiting": {"reason": reason_of_pod, "message": message}}}
    api.set_pod(pod_of(api), containerStatuses=[waiting])
    if reason_of_pod != "InvalidImageName":
        assert cluster.state(version) is State.PENDING
        assert said in reason(version)
    api.set_pod(pod_of(api), startTime="2020-01-01T00:00:00Z")
    assert cluster.state(version) is State.FAILED
    assert said in reason(version)
    assert api.all("jobs") == api.all("secrets") == []


def test_killed_for_want_of_memory(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit(resources={"memory": "2GiB"})
    api.start_pod(pod_of(api))
    record(version.store, State.RUNNING)
    api.end_pod(pod_of(api), 137, "OOMKilled")
    assert cluster.state(version) is State.FAILED
    assert "ran out of memory and was killed: its limit is 2147483648 bytes" in reason(version)
    assert read_status(version.store).transitions[-1].exit_code == 137


def test_an_image_without_the_entry_point(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    api.end_pod(pod_of(api), 127)
    assert cluster.state(version) is State.FAILED
    assert "could not run /home/work/run_train.sh: is that in the image?" in reason(version)


def test_two_resumes_at_once_start_one_job(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    api.end_pod(pod_of(api), 3)
    assert cluster.state(version) is State.FAILED
    api.refuse("POST", "jobs", 409, 'jobs.batch "tiny" already exists', times=1)
    with pytest.raises(JobError, match="it is there already"):
        cluster.backend.resume(version)
    # The other one's Job stays, and is not called a failure.
    assert read_status(version.store).state is State.PENDING


def test_submit_finds_the_name_taken(api: FakeKubernetesApi, cluster: Cluster) -> None:
    api.refuse("POST", "jobs", 409, 'jobs.batch "tiny" already exists')
    with pytest.raises(JobError, match=r"cannot create the Job tiny-v0001-\w+-1: it is there already"):
        cluster.submit()
    (version,) = (open_version_store(str(cluster.folder / "store")).get("tiny", 1),)
    assert read_status(version.store).state is State.FAILED


@pytest.mark.parametrize(
    ("method", "plural", "code", "message", "said"),
    [
        ("POST", "jobs", 403, 'jobs.batch is forbidden: User "ann" cannot create resource "jobs" in API group "batch" '
         'in the namespace "faces"', "ann lacks the verb create on jobs.batch in the namespace faces"),
        ("POST", "secrets", 403, 'secrets is forbidden: User "ann" cannot create resource "secrets" in API group "" '
         'in the namespace "faces"', "ann lacks the verb create on secrets in the namespace faces"),
        ("PATCH", "jobs", 403, 'jobs.batch "x" is forbidden: User "ann" cannot patch resource "jobs" in API group '
         '"batch" in the namespace "faces"', "ann lacks the verb patch on jobs.batch"),
        ("POST", "jobs", 403, 'jobs.batch "x" is forbidden: exceeded quota: small, requested: count/jobs.batch=1, '
         'used: count/jobs.batch=5, limited: count/jobs.batch=5', "the quota small of the namespace is used up"),
        ("POST", "jobs", 422, 'Job.batch "x" is invalid: spec.template: Invalid value', "refuses to create the Job"),
        ("POST", "jobs", 500, "etcdserver: request timed out", "it may pass: try again in a minute"),
        ("POST", "jobs", 403, 'admission webhook "policy" denied the request: no', "the cluster forbids it"),
    ],
)  # fmt: skip
def test_what_the_cluster_refuses_leaves_nothing_and_is_told_in_words(
    api: FakeKubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch,
    method: str, plural: str, code: int, message: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    api.refuse(method, plural, code, message)
    with pytest.raises(JobError) as caught:
        cluster.submit()
    assert said in str(caught.value) and SECRET not in str(caught.value)
    version = open_version_store(str(cluster.folder / "store")).get("tiny", 1)
    assert read_status(version.store).state is State.FAILED and said in reason(version)
    assert api.all("jobs") == api.all("secrets") == api.all("pods") == []
    api.refusals.clear()
    cluster.backend.resume(version)
    assert cluster.state(version) is State.PENDING


def test_a_quota_that_allows_no_pods_is_told(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    (pod,) = api.all("pods")
    api.objects.pop(("pods", pod["metadata"]["name"]))
    name = api.one("jobs")["metadata"]["name"]
    message = (
        f'Error creating: pods "{name}-x" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=8'
    )
    api.objects["events", "e"] = {"metadata": {"name": "e"}, "involvedObject": {"name": name},
                                  "reason": "FailedCreate", "message": message}  # fmt: skip
    assert cluster.state(version) is State.PENDING
    assert "the quota gpus of the namespace is used up (requested: requests.nvidia.com/gpu=8)" in reason(version)


def test_another_cluster_is_not_taken_for_the_right_one(
    api: FakeKubernetesApi, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cluster.submit()
    with FakeKubernetesApi() as other:
        monkeypatch.setenv("KUBECONFIG", str(other.kubeconfig(tmp_path / "other")))
        with pytest.raises(JobError, match=f"was sent to {api.url}/namespaces/faces: choose that cluster"):
            cluster.state(version)


def test_a_cluster_that_cannot_be_reached(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeKubernetesApi()
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "gone")))
    server._server.server_close()
    with pytest.raises(JobError, match=r"cannot be reached: nothing listens there: is the cluster up"):
        cluster.submit()
    version = open_version_store(str(cluster.folder / "store")).get("tiny", 1)
    assert cluster.state(version) is State.FAILED


def test_several_nodes_are_planned_without_a_cluster_where_jobset_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FakeKubernetesApi()
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "gone")))
    server._server.server_close()
    spec = JobSpec.model_validate(
        {"name": "tiny", "image": IMAGE, "command": "true", "outputs": {"run": None}, "resources": {"nodes": 2}}
    )
    with pytest.raises(JobError, match="-o jobset=true or false plans without asking it"):
        Cluster(tmp_path).backend.plan(spec)
    assert [item["kind"] for item in Cluster(tmp_path, jobset=True).backend.plan(spec).request] == ["JobSet"]
    assert [item["kind"] for item in Cluster(tmp_path, jobset=False).backend.plan(spec).request] == ["Job", "Service"]


def test_credentials_that_are_not_known(
    api: FakeKubernetesApi, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "expired", token="old")))
    with pytest.raises(JobError, match="does not accept the credentials of the kubeconfig"):
        cluster.submit()


def test_a_namespace_that_is_not_there(api: FakeKubernetesApi, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="there is no namespace nowhere in http"):
        Cluster(tmp_path, namespace="nowhere").submit()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file, or no context in it"),
        ("", "cannot be used"),
        ("{not yaml", "cannot be used"),
        ("- a list", "cannot be used"),
        ("clusters: []\nusers: []\ncontexts: []\n", "no such file, or no context in it"),
        ("contexts: [{name: a, context: {cluster: c, user: u}}]\n", "names no current context; there is a"),
        ("current-context: b\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n", "has no context b; there is a"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n", "cannot be used"),
    ],
)
def test_a_bad_kubeconfig_is_refused_before_a_number_is_claimed(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, said: str
) -> None:
    path = tmp_path / "bad"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(JobError, match=said) as caught:
        cluster.submit()
    assert str(path) in str(caught.value)
    assert open_version_store(str(tmp_path / "store")).jobs() == []
