"""facejobs image, with programs that answer as skopeo and buildah do."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

MANIFEST = json.dumps({"layers": [{"size": 9_000_000_000}, {"size": 600_000_000}]})
DIGEST = "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()
CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Entrypoint": ["python"], "Labels": {"a": "\x1b[31mred", "empty": ""}},
}


def facejobs(programs: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = "import sys; from facejobs.cli.main import main; sys.argv[0] = 'facejobs'; main()"
    command = [sys.executable, "-c", code, "image", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": str(programs), "HOME": str(programs)})


def program(programs: Path, name: str, body: str) -> None:
    path = programs / name
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def skopeo(tmp_path: Path) -> Path:
    body = f"print({json.dumps(CONFIG)!r} if '--config' in sys.argv else {MANIFEST!r}, end='')"
    program(tmp_path, "skopeo", body)
    return tmp_path


def test_inspect_says_what_is_wrong_with_an_image(skopeo: Path) -> None:
    shown = facejobs(skopeo, "inspect", "registry.example.com/faces:1")
    assert shown.returncode == 0, shown.stderr
    assert f"registry.example.com/faces@{DIGEST}" in shown.stdout
    assert "9,600.0 MB compressed, MORE THAN ModelArts' 9.5 GB" in shown.stdout
    assert "python; NOT run_train.sh" in shown.stdout and "root" in shown.stdout
    assert "\x1b" not in shown.stdout and "empty" not in shown.stdout


def test_inspect_as_json(skopeo: Path) -> None:
    facts = json.loads(facejobs(skopeo, "inspect", "registry.example.com/faces:1", "--json").stdout)
    assert facts["digest"] == DIGEST and facts["layers"] == [9_000_000_000, 600_000_000]
    assert facts["fits_modelarts"] is False and facts["starts_run_train"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["inspect", "faces:1"], 2, "names no registry"),
        (["inspect", "-v"], 2, "No such option"),
        (["inspect", "--", "-v"], 2, "is no name of an image"),
        (["push", "faces:1", "registry.example.com/faces:1"], 11, "docker, podman or buildah is needed"),
        (["build"], 11, "docker, podman or buildah is needed"),
        (["build", "--tool", "kaniko"], 2, "'kaniko' is not one of"),
        (["build", "--device", "tpu"], 2, "'tpu' is not one of"),
        (["build", "--uid", "x"], 2, "Invalid value for '--uid'"),
    ],
)
def test_wrong_input_is_said_without_a_traceback(skopeo: Path, arguments: list[str], code: int, words: str) -> None:
    ended = facejobs(skopeo, *arguments)
    assert ended.returncode == code and words in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr


def test_build_keeps_standard_output_for_the_answer(skopeo: Path) -> None:
    (skopeo / "clone").mkdir()
    (skopeo / "clone" / "Dockerfile").write_text("FROM scratch\n")
    program(skopeo, "buildah", "print('STEP 1'); print('warning', file=sys.stderr)")
    built = facejobs(skopeo, "build", str(skopeo / "clone"), "--device", "cpu", "--json")
    assert json.loads(built.stdout) == {"image": "facejobs:latest", "device": "cpu", "uid": 1000, "tool": "buildah"}
    assert "STEP 1" in built.stderr
    assert "facejobs image push --tool buildah" in facejobs(skopeo, "build", str(skopeo / "clone")).stdout
