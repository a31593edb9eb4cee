"""Images of a few bytes in a registry that wants a login: who may do what, and what is there."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_registry import Registry

from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.image.push import push_image
from facejobs.jobs.image.resolve import resolve_image
from facejobs.jobs.image.tool import Tool, find_builder

USER, PASSWORD = "tester", "registry-secret"
HTPASSWD = "tester:$2b$04$/XO0NroFlAUczNi3/ySd4O8Z3C/mn2DSvrtHtG/NoHoB1I0a07rk6\n"
START = ["/home/work/run_train.sh"]


@pytest.fixture
def machine(container_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tool]:
    """buildah with a storage and logins of this test's own."""
    configuration = tmp_path / "storage.conf"
    configuration.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/g"\nrunroot = "{tmp_path}/r"\n')
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(configuration))
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    (tmp_path / "auth.json").write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    yield find_builder("buildah")


@pytest.fixture
def guarded(machine: Tool, tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants a login."""
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    server = Registry(tmp_path, tmp_path / "blobs", tmp_path / "htpasswd")
    server.start()
    yield server
    server.stop()


def buildah(*arguments: str, standard_input: str = "") -> str:
    done = subprocess.run(["buildah", *arguments], input=standard_input, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def login(registry: Registry) -> None:
    buildah(
        "login", "--tls-verify=false", "--username", USER, "--password-stdin", registry.address, standard_input=PASSWORD
    )


def make(name: str, *, entrypoint: list[str] = START, label: str = "", architecture: str = "amd64") -> str:
    """An image without files."""
    container = buildah("from", "scratch")
    buildah(
        "config", "--entrypoint", json.dumps(entrypoint), "--arch", architecture, "--label", f"is={label}", container
    )
    buildah("commit", "--quiet", "--rm", container, name)
    return name


def test_login_is_needed_and_is_the_tools_own(machine: Tool, guarded: Registry) -> None:
    make("faces:1")
    tag = f"{guarded.address}/team/faces:1"
    for refused in (lambda: push_image("faces:1", tag, machine), lambda: resolve_image(tag)):
        with pytest.raises(ImageError, match=f"{guarded.address} wants a login for {guarded.address}/team/faces"):
            refused()
    login(guarded)
    pushed = str(push_image("faces:1", tag, machine).reference)
    assert resolve_image(tag) == pushed


def test_tag_that_moves_and_digest_that_is_deleted(machine: Tool, guarded: Registry) -> None:
    login(guarded)
    tag = f"{guarded.address}/team/faces:1"
    first = str(push_image(make("faces:1", label="first"), tag, machine).reference)
    second = str(push_image(make("faces:1", label="second"), tag, machine).reference)
    assert first != second and resolve_image(tag) == second and resolve_image(first) == first
    delete(guarded, first)
    with pytest.raises(ImageRefusedError, match="has no such digest; it was deleted"):
        resolve_image(first)
    assert resolve_image(tag) == second
    with pytest.raises(ImageRefusedError, match="has no such tag"):
        resolve_image(f"{guarded.address}/team/faces:2")
    with pytest.raises(ImageRefusedError, match="has no such tag"):
        resolve_image(f"{guarded.address}/team/other:1")


def delete(registry: Registry, pinned: str) -> None:
    repository, _, digest = pinned.removeprefix(f"{registry.address}/").partition("@")
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, f"http://{registry.address}", USER, PASSWORD)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    url = f"http://{registry.address}/v2/{repository}/manifests/{digest}"
    opener.open(urllib.request.Request(url, method="DELETE")).close()


def test_images_that_jobs_cannot_run_in(machine: Tool, guarded: Registry) -> None:
    login(guarded)
    make("other:1", entrypoint=["python"])
    make("arm:1", architecture="arm64")
    for image, words in (("other:1", "lacks the entry point"), ("arm:1", "is for arm64")):
        with pytest.raises(ImageRefusedError, match=words):
            push_image(image, f"{guarded.address}/{image}", machine)
        # Somebody else's tool has no such scruples.
        buildah("push", "--tls-verify=false", image, f"docker://{guarded.address}/{image}")
        with pytest.raises(ImageRefusedError, match=words.replace("arm64", "linux/arm64")):
            resolve_image(f"{guarded.address}/{image}")


def test_image_for_several_architectures(machine: Tool, guarded: Registry) -> None:
    login(guarded)
    address = f"{guarded.address}/faces"
    buildah("manifest", "create", "several")
    for architecture in ("arm64", "amd64"):
        buildah("manifest", "add", "several", make(f"localhost/{architecture}:1", architecture=architecture))
    buildah("manifest", "push", "--tls-verify=false", "--all", "several", f"docker://{address}:several")
    pinned = resolve_image(f"{address}:several")
    assert pinned.startswith(f"{address}@sha256:") and resolve_image(pinned) == pinned
    index = json.loads(
        subprocess.check_output(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{pinned}"])
    )
    assert len(index["manifests"]) == 2, "the digest is of the whole, as docker and Kubernetes have it"


def test_registry_that_is_not_there(machine: Tool, guarded: Registry) -> None:
    make("faces:1")
    guarded.stop()
    for attempt in (
        lambda: push_image("faces:1", f"{guarded.address}/faces:1", machine),
        lambda: resolve_image(f"{guarded.address}/faces:1"),
    ):
        with pytest.raises(ImageError, match=r"cannot be asked for .*check its name, and whether it can be reached"):
            attempt()
