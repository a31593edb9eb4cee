"""The Kubernetes backend against an API server over HTTP: the official client's real code path."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_kubernetes_api import FakeKubernetesApi
from kubernetes_jobs import IMAGE, SECRET, Cluster, background, pod_of, reason
from local_jobs import until

from facejobs.jobs import submission
from facejobs.jobs.backends import kubernetes_state
from facejobs.jobs.backends.opening import backend_of
from facejobs.jobs.errors import JobError
from facejobs.jobs.status import State, read_status, record


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetesApi]:
    monkeypatch.setattr(submission, "resolve_image", lambda image: IMAGE)
    with FakeKubernetesApi() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
        yield server


@pytest.fixture
def cluster(tmp_path: Path, api: FakeKubernetesApi) -> Cluster:
    return Cluster(tmp_path)


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


def test_tasks_that_fail_together_use_up_one_retry(api: FakeKubernetesApi, cluster: Cluster) -> None:
    version = cluster.submit(resources={"nodes": 3}, retries=1)
    for expected in (State.PENDING, State.FAILED):
        for task in range(3):
            api.start_pod(pod_of(api, task))
        for task in range(3):
            api.end_pod(pod_of(api, task), 3)
        assert cluster.state(version) is expected


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
