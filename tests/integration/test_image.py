"""The CPU image, pulled by its digest where nothing of it was before: it trains from bucket to bucket."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_fixtures import PushedImage
from seaweedfs import SeaweedFS

from facejobs import __version__
from facejobs.jobs.image.reference import parse_remote
from facejobs.jobs.image.registry import examine
from facejobs.jobs.image.resolve import resolve_image
from facejobs.storage.folder_sync import upload_folder
from facejobs.storage.opening import open_store

# What podman needs where it may neither raise limits nor make networks, as on machines that are guests themselves.
RESTRICTED = ["--network=host", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
STEPS = "--batch-size 4 --embedding-size 8 --max-steps 2 --checkpoint-every 2 --warmup-steps 1 --lr 0.02"


class Machine:
    """A podman with a storage of its own, empty at first."""

    def __init__(self, folder: Path) -> None:
        configuration = folder / "storage.conf"
        configuration.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/storage-run"\n'
        )
        self.environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(configuration)}

    def podman(self, *arguments: str, **environment: str) -> str:
        command = ["podman", "--runtime=runc", "--cgroup-manager=cgroupfs", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**self.environment, **environment}, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def machine(cpu_image: PushedImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    there = Machine(folder)
    there.podman("pull", "--quiet", "--tls-verify=false", cpu_image.pinned)
    yield there
    there.podman("rm", "--all", "--force")
    # pytest keeps folders of earlier sessions; this one holds gigabytes.
    shutil.rmtree(folder)


def test_tag_resolves_to_what_was_pushed(cpu_image: PushedImage) -> None:
    assert resolve_image(cpu_image.tag) == resolve_image(cpu_image.pinned) == cpu_image.pinned


def test_registry_tells_what_the_image_is(cpu_image: PushedImage) -> None:
    image = examine(parse_remote(cpu_image.tag))
    assert image.config is not None
    assert image.config.entrypoint == ("/home/work/run_train.sh",) and image.config.user == "1000:100"
    assert image.config.labels["org.opencontainers.image.version"] == __version__
    assert len(image.layers) == 2 and 200e6 < image.size < 600e6


def test_training_from_bucket_to_bucket_by_digest(
    seaweedfs: SeaweedFS, cpu_image: PushedImage, machine: Machine, drawn_faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    bucket = seaweedfs.make_bucket("image-training")
    upload_folder(drawn_faces / "recognition_train_data", open_store(f"{bucket}/faces"), progress=False)
    names = [f"--env={name}" for name in ("S3_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    command = ["sh", "jobs/run_face_recognition_train.sh", f"{bucket}/faces", f"{bucket}/run", *STEPS.split()]
    container = machine.podman("create", *RESTRICTED, *names, cpu_image.pinned, *command, **seaweedfs.environment)
    log = machine.podman("start", "--attach", container)
    run = open_store(f"{bucket}/run")
    assert json.loads(run.read("model/model.json"))["training"]["step"] == 2, log
    assert run.read("model/model.onnx") and json.loads(run.read("outputs.json"))
    check_files(Path(machine.podman("mount", container)))


def check_files(root: Path) -> None:
    """Nothing in the image gives rights, compiles, or is a cache."""
    privileged, suspicious = [], []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode) and path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID):
                privileged.append(path)
    for pattern in ("usr/bin/*gcc*", "usr/bin/cc", "usr/bin/ld", "root/.cache", "var/lib/apt/lists/*", "etc/pip.conf"):
        suspicious += [path for path in root.glob(pattern) if path.is_dir() or path.stat().st_size]
    assert not privileged
    assert not suspicious
