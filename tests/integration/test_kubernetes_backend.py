"""The Kubernetes backend against an API server over HTTP: the official client's real code path."""

import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes_api import FakeKubernetesApi
from local_jobs import until

from facejobs.jobs import submission
from facejobs.jobs.backends import kubernetes_state
from facejobs.jobs.backends.opening import backend_of, open_backend
from facejobs.jobs.errors import JobError
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, read_status, record
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import VersionFolder, open_version_store

IMAGE = f"registry.example.com/facejobs@sha256:{'ab' * 32}"
SECRET = "s3cr3t/value$(HOME)"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetesApi]:
    with FakeKubernetesApi() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        monkeypatch.setattr(submission, "resolve_image", lambda image: IMAGE)
        yield server


class Cluster:
    """Submits to a store on a claim, so that no object store is needed."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.backend = open_backend("kubernetes", {"claims": {"versions": str(folder)}, **options})  # type: ignore[assignment]

    def submit(self, **fields: Any) -> VersionFolder:
        spec = JobSpec.model_validate(
            {"name": "tiny", "image": IMAGE, "command": "true", "outputs": {"run": None}, **fields}
        )
        return submit(spec, open_version_store(str(self.folder / "store")), self.backend)

    def state(self, version: VersionFolder) -> State:
        return self.backend.state(version)


@pytest.fixture
def cluster(tmp_path: Path, api: FakeKubernetesApi) -> Cluster:
    return Cluster(tmp_path)


def reason(version: VersionFolder) -> str:
    return read_status(version.store).reason


def test_submit_creates_the_job_then_its_secret_and_starts_it(
    api: FakeKubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", SECRET)
    version = cluster.submit(secrets=["TOKEN_OF_TEST"])
    job, secret = api.one("jobs"), api.one("secrets")
    assert [method for method, _ in api.requests if method != "GET"] == ["POST", "POST", "PATCH"]
    assert job["spec"]["suspend"] is False
    assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert base64.b64decode(secret["data"]["TOKEN_OF_TEST"]).decode() == SECRET
    assert SECRET not in str(api.all("jobs") + api.all("pods"))
    for file in version.store.list():
        assert SECRET.encode() not in version.store.read(file.key)
    assert cluster.state(version) is State.PENDING
    assert [(item.job, item.version, item.state) for item in cluster.backend.list()] == [
        ("tiny", "V0001", State.PENDING)
    ]


def pod_of(api: FakeKubernetesApi, task: int = 0) -> str:
    """The newest pod of a task."""
    names = [pod["metadata"]["name"] for pod in api.all("pods") if pod["spec"]["hostname"].endswith(f"-{task}")]
    return max(names)


def background(action: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """The action in a thread, and what it returned or raised."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(action())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def test_state_follows_the_pod(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    assert cluster.state(version) is State.PENDING
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    api.set_pod(pod_of(api), conditions=[{"type": "PodScheduled", "status": "False", "message": message}])
    assert cluster.state(version) is State.PENDING
    assert "no node takes it yet (0/3 nodes are available: 3 Insufficient nvidia.com/gpu.)" in reason(version)
    api.start_pod(pod_of(api))
    record(version.store, State.RUNNING)
    assert cluster.state(version) is State.RUNNING
    assert [job.state for job in cluster.backend.list()] == [State.PENDING]
    record(version.store, State.COMPLETED)
    api.end_pod(pod_of(api), 0)
    assert cluster.state(version) is State.COMPLETED
    assert cluster.backend.list() == []


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


def test_a_pod_taken_away_is_replaced_and_failures_are_counted(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit(retries=1)
    for _ in range(3):
        api.start_pod(pod_of(api))
        record(version.store, State.RUNNING)
        api.set_pod(pod_of(api), conditions=[{"type": "DisruptionTarget", "status": "True"}])
        api.end_pod(pod_of(api), 143)
        assert cluster.state(version) is State.PENDING
        api.set_pod(pod_of(api), conditions=[])
    api.end_pod(pod_of(api), 75)
    assert cluster.state(version) is State.PENDING
    api.end_pod(pod_of(api), 1)
    assert cluster.state(version) is State.PENDING
    api.end_pod(pod_of(api), 1)
    assert cluster.state(version) is State.FAILED


def test_a_time_limit_is_not_tried_again(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit(retries=3, time_limit=60)
    api.end_pod(pod_of(api), 124)
    assert cluster.state(version) is State.FAILED
    assert len(api.all("pods")) == 1


def test_stop_waits_until_the_pods_have_saved(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    pod = pod_of(api)
    api.start_pod(pod)
    record(version.store, State.RUNNING)
    thread, results = background(lambda: cluster.backend.stop(version))
    until(lambda: "deletionTimestamp" in api.one("pods")["metadata"])
    # What may go wrong with a watch.
    api.drop_connections()
    api.compact()
    api.drop_connections()
    thread.join(1.5)
    assert thread.is_alive()
    api.end_pod(pod, 75)
    thread.join(20)
    assert results == [None]
    assert cluster.state(version) is State.STOPPED and reason(version) == "stopped on request"
    assert api.all("jobs") == api.all("pods") == api.all("secrets") == []
    with pytest.raises(JobError, match="is STOPPED: there is nothing to stop"):
        cluster.backend.stop(version)


def test_kill_does_not_wait(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    api.start_pod(pod_of(api))
    record(version.store, State.RUNNING)
    cluster.backend.stop(version, kill=True)
    assert (cluster.state(version), reason(version)) == (State.STOPPED, "killed on request")
    assert api.all("jobs") == api.all("pods") == []


def test_resume_is_a_new_job_and_the_old_one_goes(
    api: FakeKubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    version = cluster.submit()
    first = api.one("jobs")["metadata"]["name"]
    with pytest.raises(JobError, match="is PENDING; stop it first"):
        cluster.backend.resume(version)
    api.end_pod(pod_of(api), 3)
    assert cluster.state(version) is State.FAILED
    backend_of(version.record).resume(version)
    assert api.one("jobs")["metadata"]["name"] == f"{first[:-2]}-2"
    assert api.one("secrets")["metadata"]["name"] == f"{first[:-2]}-2"
    assert cluster.state(version) is State.PENDING and read_status(version.store).attempt == 2


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


def test_a_job_that_somebody_deleted_is_lost(
    api: FakeKubernetesApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cluster.submit()
    record(version.store, State.RUNNING)
    api.objects.clear()
    assert cluster.state(version) is State.RUNNING
    monkeypatch.setattr(kubernetes_state, "_MOMENT_SECONDS", 0.0)
    assert cluster.state(version) is State.LOST
    cluster.backend.resume(version)
    assert cluster.state(version) is State.PENDING


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


def test_logs_of_the_store_and_of_the_pod_are_one(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    assert list(cluster.backend.logs(version)) == []
    pod = pod_of(api)
    api.start_pod(pod)
    api.log(pod, "one", "two", "three")
    version.store.write("logs/task-0.log", b"heading\nearlier\none\ntwo\n")
    assert list(cluster.backend.logs(version)) == ["heading", "earlier", "one", "two", "three"]


def test_following_goes_on_through_lost_connections_and_new_pods(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    lines: list[str] = []
    thread, results = background(lambda: lines.extend(_tell(cluster.backend.logs(version, follow=True), lines)))
    first = pod_of(api)
    api.start_pod(first)
    record(version.store, State.RUNNING)
    api.log(first, "a1", "a2")
    until(lambda: lines == ["a1", "a2"])
    api.drop_connections()
    api.compact()
    api.log(first, "a3")
    until(lambda: lines == ["a1", "a2", "a3"])
    record(version.store, State.PENDING)
    api.end_pod(first, 75)
    second = pod_of(api)
    assert second != first
    api.start_pod(second)
    record(version.store, State.RUNNING)
    api.log(second, "b1")
    until(lambda: lines[-1] == "b1")
    version.store.write("logs/task-0.log", b"heading\na1\na2\na3\nb1\nb2\n")
    record(version.store, State.COMPLETED)
    api.end_pod(second, 0)
    thread.join(20)
    assert not isinstance(results[0], Exception)
    assert lines == ["a1", "a2", "a3", "b1", "b2"]


def _tell(source: Iterator[str], lines: list[str]) -> list[str]:
    for line in source:
        lines.append(line)
    return []


def test_who_may_not_read_pods_logs_gets_those_of_the_store(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit()
    forbidden = 'pods is forbidden: User "ann" cannot get resource "pods/log" in API group "" in the namespace "faces"'
    api.refuse("GET", "log", 403, forbidden)
    api.start_pod(pod_of(api))
    record(version.store, State.RUNNING)
    version.store.write("logs/task-0.log", b"one\n")
    lines: list[str] = []
    thread, results = background(lambda: _tell(cluster.backend.logs(version, follow=True), lines))
    until(lambda: lines == ["one"])
    version.store.write("logs/task-0.log", b"one\ntwo\n")
    record(version.store, State.COMPLETED)
    thread.join(20)
    assert (lines, results) == (["one", "two"], [[]])


def test_the_log_of_the_store_needs_no_cluster(
    api: FakeKubernetesApi, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = cluster.submit()
    api.end_pod(pod_of(api), 3)
    assert cluster.state(version) is State.FAILED
    version.store.write("logs/task-0.log", b"one\n")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert list(cluster.backend.logs(version)) == ["one"]
    assert cluster.state(version) is State.FAILED


def test_several_nodes_are_an_indexed_job_with_a_service(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit(resources={"nodes": 3})
    name = api.one("jobs")["metadata"]["name"]
    service = api.one("services")
    assert service["metadata"]["ownerReferences"][0]["kind"] == "Job"
    pods = api.all("pods")
    assert len(pods) == 3
    for pod in pods:
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        hosts = next(item["value"] for item in pod["spec"]["containers"][0]["env"] if item["name"] == "DLS_TASK_HOSTS")
        assert f"{pod['spec']['hostname']}.{pod['spec']['subdomain']}" in hosts.split(",")
    assert service["metadata"]["name"] == name == pods[0]["spec"]["subdomain"]
    assert cluster.state(version) is State.PENDING


def test_several_nodes_are_a_jobset_where_there_is_one(api: FakeKubernetesApi, cluster: Cluster) -> None:
    api.jobset = True
    version = cluster.submit(resources={"nodes": 2}, retries=1)
    jobset = api.one("jobsets")
    assert api.all("services") == []
    hosts = [f"{pod['spec']['hostname']}.{jobset['spec']['network']['subdomain']}" for pod in api.all("pods")]
    environment = api.all("pods")[0]["spec"]["containers"][0]["env"]
    assert {"name": "DLS_TASK_HOSTS", "value": ",".join(hosts)} in environment
    assert [job.id.partition("/")[0] for job in cluster.backend.list()] == ["JobSet"]
    # A pod that is taken away begins the whole set anew without being counted; failures are counted.
    for code, expected in ((75, State.PENDING), (12, State.PENDING), (1, State.PENDING), (1, State.FAILED)):
        for task in (0, 1):
            api.start_pod(pod_of(api, task))
        api.end_pod(pod_of(api, 0), code)
        if pod_of(api, 1) in [
            pod["metadata"]["name"] for pod in api.all("pods") if "deletionTimestamp" in pod["metadata"]
        ]:
            api.end_pod(pod_of(api, 1), 143)
        assert cluster.state(version) is expected
