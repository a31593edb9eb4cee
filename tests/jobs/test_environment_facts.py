"""Facts of the machine a version is submitted from."""

from pathlib import Path

import pytest

from facejobs.jobs.environment_facts import Gpu, gather_environment, submitter


def fake_nvidia_smi(folder: Path, text: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)


def test_this_machine() -> None:
    facts = gather_environment()
    assert facts.cpus >= 1
    assert facts.packages["facejobs"]
    assert facts.memory is not None
    assert facts.memory > 2**20
    assert facts.cpu and facts.host and facts.python.startswith("3.")


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        (
            "Tesla V100-SXM2-32GB, 32510, 470.82.01",
            (Gpu(name="Tesla V100-SXM2-32GB", memory=32510, driver="470.82.01"),),
        ),
        ("A, 1, 2\nB, [N/A], 2", (Gpu(name="A", memory=1, driver="2"), Gpu(name="B", memory=None, driver="2"))),
        ("No devices were found", ()),
    ],
)
def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, gpus: tuple[Gpu, ...]) -> None:
    fake_nvidia_smi(tmp_path, text)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gather_environment().gpus == gpus


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise KeyError("getpwuid(): uid not found: 1101")

    monkeypatch.setattr("getpass.getuser", refuse)
    assert submitter().partition("@")[0].isdigit()
