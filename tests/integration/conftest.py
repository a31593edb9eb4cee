"""A small set of drawn faces, training as users start it, and an S3 server."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facejobs.data.synthetic.dataset import SyntheticCounts, write_synthetic

# Test folders are no packages, so what tests here share is found by its folder.
sys.path.insert(0, str(Path(__file__).parent))
from flaky_proxy import FlakyProxy
from image_fixtures import container_environment, cpu_image, registry  # noqa: F401
from seaweedfs import SeaweedFS
from slurm_cluster import SlurmCluster, why_not

SMALL = SyntheticCounts(
    identities=6, images=8, verification_identities=20, verification_images=3, pairs=40, photographs=1
)


@pytest.fixture(scope="session")
def drawn_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training records, verification pairs and photographs of drawn faces."""
    folder = tmp_path_factory.mktemp("drawn") / "faces"
    write_synthetic(folder, SMALL, seed=3, processes=1)
    return folder


@pytest.fixture(scope="session")
def facejobs_command() -> Callable[..., subprocess.Popen[str]]:
    """Starts `facejobs ARGS…` in a process of its own."""

    def start(*arguments: object, prelude: str = "") -> subprocess.Popen[str]:
        code = f"{prelude}\nimport sys; from facejobs.cli.main import main; sys.argv[0] = 'facejobs'; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    return start


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A running S3 server; whoever kills it starts it again."""
    server = SeaweedFS(tmp_path_factory.mktemp("weed"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def flaky_proxy(seaweedfs: SeaweedFS) -> Iterator[FlakyProxy]:
    """A proxy before the S3 server, told by a test which requests to spoil."""
    with FlakyProxy(seaweedfs.endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """Two nodes of a real Slurm; the test skips, saying why, where that cannot run."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    cluster = SlurmCluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """The same, with Slurm's commands told to use it."""
    for name, value in slurm_cluster.environment.items():
        monkeypatch.setenv(name, value)
    return slurm_cluster
