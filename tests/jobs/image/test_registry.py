"""Asking a registry, with programs that print what skopeo and docker print."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fake_programs import FakeProgram

from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.image.reference import parse_remote
from facejobs.jobs.image.registry import examine
from facejobs.jobs.image.resolve import resolve_image

NAME = "registry.example.com/team/faces"
MANIFEST = {"schemaVersion": 2, "layers": [{"size": 1000}, {"size": 20}]}
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Entrypoint": ["/home/work/run_train.sh"], "User": "1000:100", "Labels": {"a": "b"}},
}


def digest_of(manifest: object) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def skopeo(programs: Path, manifest: object = MANIFEST, **config: Any) -> FakeProgram:
    return FakeProgram(programs, "skopeo").say("--raw", manifest).say("--config", {**CONFIG, **config})


def test_everything_is_known_through_skopeo(programs: Path) -> None:
    program = skopeo(programs)
    image = examine(parse_remote(f"{NAME}:1"))
    assert str(image.reference) == f"{NAME}@{digest_of(MANIFEST)}"
    assert (image.os, image.architecture, image.layers, image.size) == ("linux", "amd64", (1000, 20), 1020)
    assert image.config is not None and image.config.labels == {"a": "b"} and image.config.user == "1000:100"
    assert program.calls[0][-1] == f"docker://{NAME}:1"
    assert program.calls[1][-1] == f"docker://{NAME}@{digest_of(MANIFEST)}", "not a tag that may move meanwhile"
    assert not [word for call in program.calls for word in call if "tls" in word]


def test_registry_of_this_machine_is_asked_without_tls(programs: Path) -> None:
    program = skopeo(programs)
    examine(parse_remote("127.0.0.1:5000/faces:1"))
    assert all("--tls-verify=false" in call for call in program.calls)


def test_digest_wins_over_a_tag_beside_it(programs: Path) -> None:
    program = skopeo(programs)
    digest = digest_of(MANIFEST)
    assert resolve_image(f"{NAME}:1@{digest}") == f"{NAME}@{digest}"
    assert {call[-1] for call in program.calls} == {f"docker://{NAME}@{digest}"}


def test_registry_that_answers_with_another_digest_is_refused(programs: Path) -> None:
    skopeo(programs)
    with pytest.raises(ImageRefusedError, match=f"answers with {digest_of(MANIFEST)}"):
        resolve_image(f"{NAME}@sha256:" + "0" * 64)


def test_image_for_several_architectures_is_pinned_as_one(programs: Path) -> None:
    platforms = [("arm64", "linux", "1"), ("amd64", "linux", digest_of(MANIFEST)), ("unknown", "unknown", "3")]
    index = {
        "manifests": [{"digest": d, "platform": {"architecture": a, "os": o}} for a, o, d in platforms],
    }
    program = FakeProgram(programs, "skopeo").say(f"--raw @{digest_of(MANIFEST)}", MANIFEST)
    program.say("--raw", index).say("--config", CONFIG)
    image = examine(parse_remote(f"{NAME}:1"))
    assert image.reference.digest == digest_of(index) and image.size == 1020


def test_index_without_this_architecture_is_refused(programs: Path) -> None:
    skopeo(programs, {"manifests": [{"digest": "d", "platform": {"architecture": "arm64", "os": "linux"}}]})
    with pytest.raises(ImageRefusedError, match=r"is for linux/arm64; MXNet 1\.9\.1 needs linux/amd64"):
        resolve_image(f"{NAME}:1")


def test_other_architecture_is_refused(programs: Path) -> None:
    skopeo(programs, architecture="arm64")
    with pytest.raises(ImageRefusedError, match="is for linux/arm64"):
        resolve_image(f"{NAME}:1")


@pytest.mark.parametrize("entrypoint", [None, [], ["python"], ["/home/work/run_train.sh", "x"], ["not_run_train.sh"]])
def test_image_without_the_entry_point_is_refused(programs: Path, entrypoint: list[str] | None) -> None:
    skopeo(programs, config={"Entrypoint": entrypoint})
    with pytest.raises(ImageRefusedError, match=r"lacks the entry point /home/work/run_train\.sh"):
        resolve_image(f"{NAME}:1")


@pytest.mark.parametrize("entrypoint", [["bash", "/home/work/run_train.sh"], ["run_train.sh"]])
def test_entry_point_may_be_written_in_other_ways(programs: Path, entrypoint: list[str]) -> None:
    skopeo(programs, config={"Entrypoint": entrypoint})
    assert resolve_image(f"{NAME}:1") == f"{NAME}@{digest_of(MANIFEST)}"


def test_docker_alone_tells_digest_and_architecture(programs: Path) -> None:
    platform = {"architecture": "amd64", "os": "linux"}
    entries = [
        {"Descriptor": {"digest": "sha256:" + "2" * 64, "platform": {"architecture": "arm64", "os": "linux"}}},
        {"Descriptor": {"digest": "sha256:" + "1" * 64, "platform": platform}, "OCIManifest": MANIFEST},
    ]
    program = FakeProgram(programs, "docker").say("manifest inspect", entries)
    image = examine(parse_remote(f"{NAME}:1"))
    assert image.reference.digest == "sha256:" + "1" * 64 and image.size == 1020 and image.config is None
    assert resolve_image(f"{NAME}:1") == f"{NAME}@sha256:" + "1" * 64
    assert program.calls[0] == ["manifest", "inspect", "--verbose", f"{NAME}:1"]


def test_docker_alone_refuses_another_architecture(programs: Path) -> None:
    descriptor = {"digest": "sha256:" + "2" * 64, "platform": {"architecture": "arm64", "os": "linux"}}
    FakeProgram(programs, "docker").say("manifest inspect", {"Descriptor": descriptor, "SchemaV2Manifest": MANIFEST})
    with pytest.raises(ImageRefusedError, match="is for linux/arm64"):
        resolve_image(f"{NAME}:1")


def test_no_tool_is_said(programs: Path) -> None:
    with pytest.raises(ImageError, match="skopeo or docker is needed"):
        resolve_image(f"{NAME}:1")


def test_answer_that_is_no_json_is_said(programs: Path) -> None:
    FakeProgram(programs, "skopeo").say("--raw", "<html>login</html>")
    with pytest.raises(ImageError, match="something that is no JSON"):
        resolve_image(f"{NAME}:1")


# What skopeo 1.9 and docker 28 print, and what registries have them print.
MESSAGES = [
    ('level=fatal msg="Error parsing image name: reading manifest 1: manifest unknown"', True, "no such tag"),
    ("name unknown: repository name not known to registry", True, "no such tag"),
    ("no such manifest: registry.example.com/team/faces:1", True, "no such tag"),
    ("unknown: artifact team/faces:1 not found", True, "no such tag"),
    ("reading manifest: unauthorized: authentication required", False, "wants a login"),
    ("pull access denied, no basic auth credentials", False, "wants a login"),
    ("denied: requested access to the resource is denied", False, "refuses registry.example.com/team/faces"),
    ("StatusCode: 403 Forbidden", False, "refuses registry.example.com/team/faces"),
    ("dial tcp 10.0.0.1:443: connect: connection refused", False, "check its name"),
    ("dial tcp: lookup registry.example.com: no such host", False, "check its name"),
    ("http: server gave HTTP response to HTTPS client", False, "registries.conf"),
    ("tls: failed to verify certificate: x509: signed by unknown authority", False, "certs.d/registry.example.com"),
    ('exec: "docker-credential-x": credential helper executable file not found in $PATH', False, "credential helper"),
    ("500 Internal Server Error", False, "500 Internal Server Error"),
    ("", False, "says nothing about why"),
]


@pytest.mark.parametrize(("message", "refused", "words"), MESSAGES, ids=lambda value: str(value)[:30])
def test_what_the_registry_says_is_put_into_words(programs: Path, message: str, refused: bool, words: str) -> None:
    FakeProgram(programs, "skopeo").say("inspect", error=message, code=1)
    with pytest.raises(ImageError) as raised:
        resolve_image(f"{NAME}:1")
    assert isinstance(raised.value, ImageRefusedError) is refused and words in str(raised.value)


def test_digest_that_is_gone_is_called_a_digest(programs: Path) -> None:
    FakeProgram(programs, "skopeo").say("inspect", error="manifest unknown", code=1)
    with pytest.raises(ImageRefusedError, match="no such digest; it was deleted"):
        resolve_image(f"{NAME}@sha256:" + "0" * 64)
