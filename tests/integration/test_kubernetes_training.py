"""Jobs that really run, in pods that are processes of this machine: what the objects say is what the task finds."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_kubelet import FakeKubelet, expand
from fake_kubernetes_api import FakeKubernetesApi
from local_jobs import TINY, until

from facejobs.jobs import submission
from facejobs.jobs.backends.opening import open_backend
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, Status, read_status
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import VersionFolder, open_version_store

IMAGE = f"registry.example.com/facejobs@sha256:{'ab' * 32}"
HOSTILE = (
    "$(touch {0})",
    "$(DLS_JOB_ID)",
    "$$(DLS_JOB_ID)",
    "`touch {0}`",
    "'\"; touch {0} #",
    "a\nb",
    "%s",
    "ü顔",
    "--",
    "-x",
)


class Cluster:
    """A cluster with one node, and a store on a claim."""

    def __init__(self, folder: Path, api: FakeKubernetesApi, kubelet: FakeKubelet) -> None:
        self.folder, self.api, self.kubelet = folder, api, kubelet
        self.backend = open_backend("kubernetes", {"claims": {"versions": str(folder)}})

    def submit(self, command: list[object], **fields: Any) -> VersionFolder:
        text = shlex.join(str(word) for word in command)
        spec = JobSpec.model_validate(
            {"name": "tiny", "image": IMAGE, "command": text, "outputs": {"run": None}, **fields}
        )
        return submit(spec, open_version_store(str(self.folder / "store")), self.backend)

    def wait(self, version: VersionFolder) -> State:
        until(lambda: self.backend.state(version).ended, 60)
        return self.backend.state(version)

    def train(self, pause: float = 0.0, **fields: Any) -> VersionFolder:
        return self.submit([sys.executable, TINY, "{outputs.run}", "--pause", pause], **fields)

    def log(self, version: VersionFolder) -> str:
        return "\n".join(self.backend.logs(version))

    def until_a_checkpoint(self, version: VersionFolder) -> None:
        until(lambda: bool(version.store.folders("checkpoints")))


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with FakeKubernetesApi() as api, FakeKubelet(api, tmp_path / "node") as kubelet:
        monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig")))
        monkeypatch.setattr(submission, "resolve_image", lambda image: IMAGE)
        yield Cluster(tmp_path, api, kubelet)


def model(version: VersionFolder) -> dict[str, bytes]:
    store = version.store.below("model")
    return {item.key: store.read(item.key) for item in store.list()}


def attempts(status: Status) -> list[int]:
    return [item.attempt for item in status.transitions if item.state is State.RUNNING]


def test_training_survives_an_eviction_a_stop_and_a_kill(cluster: Cluster) -> None:
    whole = cluster.train()
    assert cluster.wait(whole) is State.COMPLETED, cluster.log(whole)
    version = cluster.train(pause=0.1, retries=1, environment={"FACEJOBS_UPLOAD_EVERY": "0.2"})
    cluster.until_a_checkpoint(version)
    (pod,) = [pod for pod in cluster.api.all("pods") if pod["status"]["phase"] == "Running"]
    cluster.kubelet.evict(pod["metadata"]["name"])
    until(lambda: attempts(read_status(version.store)) == [1, 2])
    assert cluster.backend.state(version) is State.RUNNING
    cluster.backend.stop(version)
    status = read_status(version.store)
    assert (status.state, status.reason) == (State.STOPPED, "stopped on request")
    assert [job["metadata"]["name"] for job in cluster.api.all("jobs")] == [
        f"{pod['metadata']['labels']['facejobs/run']}-1" for pod in cluster.api.all("pods")
    ]
    cluster.backend.resume(version)
    until(lambda: attempts(read_status(version.store)) == [1, 2, 3])
    (pod,) = [pod for pod in cluster.api.all("pods") if pod["status"]["phase"] == "Running"]
    cluster.kubelet.kill(pod["metadata"]["name"])
    assert cluster.wait(version) is State.COMPLETED, cluster.log(version)
    assert attempts(read_status(version.store)) == [1, 2, 3, 4]
    assert model(version) == model(whole)


def test_a_failure_is_told_with_its_exit_code_and_its_log(cluster: Cluster) -> None:
    version = cluster.submit(["sh", "-c", "echo about to fail; exit 3"], retries=1)
    lines = list(cluster.backend.logs(version, follow=True))
    assert cluster.wait(version) is State.FAILED
    status = read_status(version.store)
    assert (status.transitions[-1].exit_code, attempts(status)) == (3, [1, 2])
    assert lines.count("about to fail") == 2


def test_a_time_limit_saves_and_is_not_tried_again(cluster: Cluster) -> None:
    version = cluster.train(pause=0.5, time_limit=3, retries=2)
    assert cluster.wait(version) is State.FAILED
    status = read_status(version.store)
    assert "time limit" in status.reason and attempts(status) == [1]
    assert version.store.folders("checkpoints")


def test_what_users_type_arrives_as_it_is_and_is_never_run(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    texts = [text.format(trap) for text in HOSTILE]
    monkeypatch.setenv("SECRET_OF_TEST", "s3cr3t $(DLS_JOB_ID) $$ `id`")
    code = "import json,os,sys; json.dump([sys.argv[2:], dict(os.environ)], open(sys.argv[1] + '/told.json', 'w'))"
    version = cluster.submit(
        [
            sys.executable,
            "-c",
            f"import os,sys; os.makedirs(sys.argv[1], exist_ok=True); {code}",
            "{outputs.run}",
            *texts,
        ],
        description=texts[0],
        parameters={"text": texts[4]},
        environment={f"TEXT_{number}": text for number, text in enumerate(texts)},
        secrets=["SECRET_OF_TEST"],
    )
    assert cluster.wait(version) is State.COMPLETED, cluster.log(version)
    arguments, environment = json.loads(version.store.read("told.json"))
    assert arguments == [*texts, "--text", texts[4]]
    assert [environment[f"TEXT_{number}"] for number in range(len(texts))] == texts
    assert environment["SECRET_OF_TEST"] == "s3cr3t $(DLS_JOB_ID) $$ `id`"
    assert environment["DLS_JOB_ID"] == "tiny-V0001"
    assert not trap.exists()


def test_the_expansion_is_that_of_kubernetes() -> None:
    # Cases of the table in https://pkg.go.dev/k8s.io/kubernetes/third_party/forked/golang/expansion
    variables = {"VAR": "v"}
    table = {"$(VAR)": "v", "$$(VAR)": "$(VAR)", "$$$(VAR)": "$v", "$VAR": "$VAR", "$(NONE)": "$(NONE)", "a$": "a$"}
    for text, expected in table.items():
        assert expand(text, variables) == expected
