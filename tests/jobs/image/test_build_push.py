"""Building and pushing, with programs that note what they are told."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from fake_programs import FakeProgram

from facejobs import __version__
from facejobs.jobs.errors import SpecError
from facejobs.jobs.image.build import BuildOrder, build_arguments, build_image
from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.image.push import push_image
from facejobs.jobs.image.tool import find_builder

NAME = "registry.example.com/team/faces:1"
RUNS = {"Entrypoint": ["/home/work/run_train.sh"]}
MANIFEST = json.dumps({"layers": [{"size": 5}]})
DIGEST = "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "a clone"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return folder


def git(clone: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", clone, *identity, *arguments], check=True, capture_output=True)


def values(arguments: list[str]) -> dict[str, str]:
    pairs = [arguments[place + 1] for place, word in enumerate(arguments) if word == "--build-arg"]
    return dict(pair.split("=", 1) for pair in pairs)


def test_first_tool_that_works_is_used(programs: Path) -> None:
    with pytest.raises(ImageError, match="docker, podman or buildah is needed and is not installed"):
        find_builder()
    FakeProgram(programs, "buildah")
    assert find_builder().name == "buildah"
    docker = FakeProgram(programs, "docker").say("version", error="Cannot connect to the Docker daemon", code=1)
    assert find_builder().name == "buildah"
    with pytest.raises(ImageError, match="docker is installed, but Cannot connect to the Docker daemon"):
        find_builder("docker")
    docker._said.clear()
    docker.say("version", "28.2.2")
    assert find_builder().name == "docker"
    with pytest.raises(ImageError, match="podman is needed and is not installed here: install it, or leave out --tool"):
        find_builder("podman")
    with pytest.raises(ImageError, match="'kaniko' is no tool"):
        find_builder("kaniko")


def test_build_says_what_it_builds_from(clone: Path) -> None:
    order = BuildOrder(clone, "faces:1", "cpu", "registry.example.com/debian:bookworm", 1101, ("--pull",))
    arguments = build_arguments(order)
    assert arguments[0] == "build" and arguments[-2:] == ["--pull", str(clone)]
    assert values(arguments) == {
        "DEVICE": "cpu",
        "UID": "1101",
        "VERSION": __version__,
        "BASE_IMAGE": "registry.example.com/debian:bookworm",
    }
    git(clone, "init", "-q")
    git(clone, "add", "Dockerfile")
    git(clone, "commit", "-q", "-m", "first")
    revision = values(build_arguments(order))["REVISION"]
    assert len(revision) == 40
    git(clone, "remote", "add", "origin", "https://git.example.com/faces.git")
    (clone / "Dockerfile").write_text("FROM scratch\nUSER 1\n")
    found = values(build_arguments(order))
    assert found["REVISION"] == f"{revision}-dirty" and found["SOURCE"] == "https://git.example.com/faces.git"
    git(clone, "remote", "set-url", "origin", "https://me:secret@git.example.com/faces.git")
    assert "SOURCE" not in values(build_arguments(order)), "a label is no place for a password"


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"context": Path("/nowhere")}, ImageError, "/nowhere has no Dockerfile"),
        ({"tag": "A B"}, SpecError, "is no name of an image"),
        ({"tag": "a@sha256:" + "0" * 64}, SpecError, "name a tag"),
        ({"base": "--volume=/:/host"}, SpecError, "is no name of an image"),
        ({"uid": 0}, SpecError, "root is none"),
        ({"uid": -1}, SpecError, "from 1"),
        ({"uid": 2**32 - 1}, SpecError, "from 1"),
    ],
)
def test_orders_that_cannot_be_built_are_refused(clone, fields, error, words) -> None:
    with pytest.raises(error, match=words):
        build_arguments(BuildOrder(**{"context": clone, "tag": "a", **fields}))


def test_failed_build_names_its_cause_and_shows_the_output(clone: Path, programs: Path) -> None:
    said = "STEP 1\nerror: libnccl.so.2 is missing, which libmxnet.so needs\nexit status 1\n"
    FakeProgram(programs, "buildah").say("build", said, code=125)
    lines: list[str] = []
    with pytest.raises(ImageError, match=r"could not build a: error: libnccl\.so\.2 is missing"):
        build_image(BuildOrder(clone, "a"), find_builder(), lines.append)
    assert lines == said.splitlines()


def inspected(tool: str, architecture: str = "amd64", config: dict[str, object] | None = None) -> object:
    config = RUNS if config is None else config
    if tool == "buildah":
        return {"OCIv1": {"architecture": architecture, "config": config}}
    return [{"Architecture": architecture, "Config": config}]


def skopeo(programs: Path) -> FakeProgram:
    program = FakeProgram(programs, "skopeo").say("--raw", MANIFEST)
    return program.say("--config", {"architecture": "amd64", "os": "linux", "config": RUNS})


class FakeBuilder(FakeProgram):
    """buildah or podman, which write a digest when they push."""

    def __init__(self, programs: Path, name: str, digest: str = DIGEST) -> None:
        super().__init__(programs, name)
        path = programs / name
        wrote = (
            f'if "--digestfile" in sys.argv: open(sys.argv[sys.argv.index("--digestfile") + 1], "w").write({digest!r})'
        )
        path.write_text(path.read_text().replace("for needle", f"{wrote}\nfor needle"))


@pytest.mark.parametrize("tool", ["buildah", "podman"])
def test_push_gives_the_digest_that_the_registry_has(programs: Path, tool: str) -> None:
    builder = FakeBuilder(programs, tool).say("inspect", inspected(tool))
    skopeo(programs)
    pushed = push_image("faces:1", NAME, find_builder())
    assert str(pushed.reference) == f"registry.example.com/team/faces@{DIGEST}"
    assert builder.calls[-1][0] == "push" and builder.calls[-1][-2:] == ["faces:1", f"docker://{NAME}"]
    assert "--tls-verify=false" not in builder.calls[-1]


def test_docker_names_the_image_before_it_pushes(programs: Path) -> None:
    docker = FakeProgram(programs, "docker").say("version", "28").say("image inspect", inspected("docker"))
    skopeo(programs)
    push_image("faces:1", NAME, find_builder())
    assert docker.calls[-2:] == [["tag", "faces:1", NAME], ["push", NAME]]


def test_push_is_refused_before_anything_is_sent(programs: Path) -> None:
    builder = FakeProgram(programs, "buildah")
    builder.say("none:1", error="image not known", code=1)
    builder.say("arm:1", inspected("buildah", "arm64")).say("other:1", inspected("buildah", config={}))
    tool = find_builder()
    with pytest.raises(ImageError, match=r"buildah has no image none:1 on this machine \(image not known\)"):
        push_image("none:1", NAME, tool)
    with pytest.raises(ImageRefusedError, match="is for arm64"):
        push_image("arm:1", NAME, tool)
    with pytest.raises(ImageRefusedError, match="lacks the entry point"):
        push_image("other:1", NAME, tool)
    with pytest.raises(SpecError, match="names no registry"):
        push_image("faces:1", "team/faces:1", tool)
    with pytest.raises(ImageError, match="name a tag"):
        push_image("faces:1", f"registry.example.com/a@{DIGEST}", tool)
    assert not [call for call in builder.calls if call[0] == "push"]


def test_push_that_the_registry_refuses_is_said(programs: Path) -> None:
    FakeProgram(programs, "buildah").say("inspect", inspected("buildah")).say(
        "push", error="unauthorized: authentication required", code=125
    )
    with pytest.raises(ImageError, match=r"wants a login .*docker login registry\.example\.com"):
        push_image("faces:1", NAME, find_builder())


def test_another_digest_in_the_registry_is_said(programs: Path) -> None:
    FakeBuilder(programs, "buildah", "sha256:" + "1" * 64).say("inspect", inspected("buildah"))
    skopeo(programs)
    with pytest.raises(ImageError, match="somebody pushed to the same tag"):
        push_image("faces:1", NAME, find_builder())
