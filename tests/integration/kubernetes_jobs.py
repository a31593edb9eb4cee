"""Jobs submitted to a Kubernetes API server of a test."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_kubernetes_api import FakeKubernetesApi

from facejobs.jobs.backends.opening import open_backend
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, read_status
from facejobs.jobs.submission import submit
from facejobs.jobs.versions import VersionFolder, open_version_store

IMAGE = f"registry.example.com/facejobs@sha256:{'ab' * 32}"
SECRET = "s3cr3t/value$(HOME)"


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


def reason(version: VersionFolder) -> str:
    return read_status(version.store).reason


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
