"""The CPU image, built from a debootstrap base with the product's own command and pushed to a registry, once a session.

What takes long (Debian's base, the wheels, the image while nothing in it changes) is kept in ~/.cache/facejobs-tests
(XDG_CACHE_HOME), about 2.5 GB, and made anew where it is not there.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from image_registry import Registry

from facejobs.jobs.image.build import BuildOrder, build_image
from facejobs.jobs.image.push import push_image
from facejobs.jobs.image.tool import find_builder

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facejobs-tests"
BASE = "localhost/facejobs-tests-bookworm:latest"
BUILT = "localhost/facejobs-tests"
# What an image is made from.
_SOURCES = ("Dockerfile", "LICENSE", "README.md", "jobs", "pyproject.toml", "requirements", "run_train.sh", "src")
_PROGRAMS = ("buildah", "podman", "skopeo", "runc", "docker-registry", "debootstrap")
_MIRROR = "http://deb.debian." + "org/debian"


@dataclass(frozen=True)
class PushedImage:
    """The CPU image in a registry of this machine.

    `tag` is REGISTRY/facejobs:cpu and `pinned` REGISTRY/facejobs@sha256:…; with `environment`, buildah and podman use
    the storage of these tests.
    """

    registry: str
    tag: str
    pinned: str
    environment: dict[str, str]


@pytest.fixture(scope="session")
def container_environment() -> dict[str, str]:
    """Variables with which buildah, podman and skopeo use a storage of these tests; skips where they cannot run."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (apt-get install {' '.join(missing)})")
    if os.geteuid():
        pytest.skip("debootstrap and buildah without user namespaces need root")
    CACHE.mkdir(parents=True, exist_ok=True)
    configuration = CACHE / "storage.conf"
    configuration.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{CACHE}/storage"\nrunroot = "{CACHE}/storage-run"\n'
    )
    return {"CONTAINERS_STORAGE_CONF": str(configuration), "BUILDAH_ISOLATION": "chroot"}


@pytest.fixture(scope="session")
def registry(container_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants no login, empty at first."""
    folder = tmp_path_factory.mktemp("registry")
    server = Registry(folder, folder / "blobs")
    server.start()
    yield server
    server.stop()
    # pytest keeps folders of earlier sessions; this one holds the whole image.
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def cpu_image(container_environment: dict[str, str], registry: Registry) -> PushedImage:
    """The CPU image of this clone, built and pushed as `facejobs image` does."""
    with pytest.MonkeyPatch.context() as patch, _locked():
        for name, value in container_environment.items():
            patch.setenv(name, value)
        buildah = find_builder("buildah")
        image = f"{BUILT}:{_fingerprint()}"
        if not _is_here(image):
            _forget_images()
            _make_base()
            volume = f"--volume={_fetch_wheels()}:/wheels:ro"
            secret = f"--secret=id=pip.conf,src={_pip_configuration()}"
            build_image(BuildOrder(REPOSITORY, image, "cpu", BASE, options=(volume, secret)), buildah)
        tag = f"{registry.address}/facejobs:cpu"
        pushed = push_image(image, tag, buildah)
    return PushedImage(registry.address, tag, str(pushed.reference), container_environment)


@contextmanager
def _locked() -> Iterator[None]:
    """Two sessions at once must not make the same things."""
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fingerprint() -> str:
    """Of all files that go into the image."""
    digest = hashlib.sha256()
    for source in _SOURCES:
        place = REPOSITORY / source
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(REPOSITORY)}\n{path.stat().st_mode}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _is_here(image: str) -> bool:
    return subprocess.run(["buildah", "inspect", "--type", "image", image], capture_output=True).returncode == 0


def _forget_images() -> None:
    """Remove what was built of earlier states of the code, a gigabyte each, unless another session runs it."""
    for image in _output("buildah", "images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
        if image.startswith(f"{BUILT}:"):
            subprocess.run(["buildah", "rmi", image], capture_output=True)


def _make_base() -> None:
    if _is_here(BASE):
        return
    root = CACHE / "bookworm"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root, _MIRROR], check=True, stdout=sys.stderr)
    _output("chroot", str(root), "apt-get", "clean")
    container = _output("buildah", "from", "scratch")
    _output("buildah", "add", "--quiet", container, str(root), "/")
    _output("buildah", "commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(root)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _fetch_wheels() -> Path:
    """The pinned wheels, fetched with this machine's own pip, so that the build needs no package index."""
    folder, pins = CACHE / "wheels", REPOSITORY / "requirements" / "cpu.txt"
    fetched = folder / "fetched.txt"
    if not fetched.is_file() or fetched.read_bytes() != pins.read_bytes():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*command, "--dest", folder, "--requirement", pins], check=True, stdout=sys.stderr)
        shutil.copyfile(pins, fetched)
    return folder


def _pip_configuration() -> Path:
    path = CACHE / "pip.conf"
    path.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    return path
