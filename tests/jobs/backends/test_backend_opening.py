import importlib.util
from pathlib import Path

import pytest
from job_records import a_record
from pydantic import BaseModel, ConfigDict

from facejobs.jobs.backends import opening
from facejobs.jobs.backends.base import BackendOptions
from facejobs.jobs.backends.local import LocalBackend
from facejobs.jobs.backends.opening import asked_state, missing_for, open_backend
from facejobs.jobs.backends.options import check_options, read_options
from facejobs.jobs.errors import JobError, SpecError
from facejobs.jobs.spec import BACKENDS, load_spec
from facejobs.jobs.status import State, record
from facejobs.jobs.versions import open_version_store


class _Volume(BaseModel):
    model_config = ConfigDict(extra="forbid")

    server_path: str = ""


class _Options(BackendOptions):
    partition: str | None = None
    signal_seconds: int = 60
    nfs: _Volume | None = None
    volumes: tuple[_Volume, ...] = ()


def test_local_backend_is_the_default() -> None:
    assert isinstance(open_backend(), LocalBackend)


def test_every_name_of_the_spec_has_an_entry() -> None:
    assert set(BACKENDS) == set(opening._ENTRIES)


def test_unknown_backend_names_those_there_are() -> None:
    with pytest.raises(JobError, match="no backend 'moon'; there is local, container"):
        open_backend("moon")


def test_a_backend_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(opening, "find_spec", lambda name: None if name == "kubernetes" else find(name))
    assert missing_for("kubernetes") == "the package kubernetes: pip install 'facejobs[kubernetes]'"
    with pytest.raises(JobError, match=r"needs the package kubernetes: pip install 'facejobs\[kubernetes\]'"):
        open_backend("kubernetes")


def test_options_are_read() -> None:
    assert read_options(_Options, "slurm", {"partition": "gpu"}) == _Options(partition="gpu")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"partitoin": "gpu"}, "unknown key 'partitoin' in backends.slurm: did you mean partition?"),
        ({"x": 1}, "unknown key 'x' in backends.slurm: the keys are partition, signal_seconds, nfs, volumes"),
        ({"nfs": {"sevrer_path": "x"}}, "unknown key 'sevrer_path' in backends.slurm.nfs: did you mean server_path?"),
        ({"volumes": [{"path": ""}]}, "unknown key 'path' in backends.slurm.volumes.0: the keys are server_path"),
        ({"signal_seconds": "soon"}, "backends.slurm.signal_seconds: input should be a valid integer"),
    ],
)
def test_a_wrong_option_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_options(_Options, "slurm", values)
    assert said in str(caught.value)


def test_an_option_of_a_backend_without_any() -> None:
    with pytest.raises(SpecError, match="the backend local has no options"):
        open_backend("local", {"partition": "gpu"})


SPEC = """\
name: x
command: "true"
outputs: {model: }
backends:
  local:
    partition: gpu
    node: 7
"""


def test_a_wrong_option_of_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(SPEC)
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    said = "the backend local has no options; leave it out"
    assert str(caught.value).splitlines() == [
        f"{path}:6: backends.local.partition: {said}",
        f"{path}:7: backends.local.node: {said}",
    ]


def test_options_of_a_backend_that_is_not_installed_are_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "find_spec", lambda _: None)
    path = tmp_path / "job.yaml"
    path.write_text(SPEC.replace("local", "kubernetes"))
    assert load_spec(path).backends["kubernetes"] == {"partition": "gpu", "node": 7}


class _Demanding(BackendOptions):
    pool: str
    nodes: int = 1


def test_what_a_spec_lacks_may_come_from_the_command_line() -> None:
    check_options(_Demanding, "slurm", {"nodes": 2}, str)
    with pytest.raises(SpecError, match=r"^\('nodes',\): backends\.slurm\.nodes: "):
        check_options(_Demanding, "slurm", {"nodes": "many"}, str)
    with pytest.raises(SpecError, match=r"backends\.slurm\.pool: field required"):
        read_options(_Demanding, "slurm", {"nodes": 2})


@pytest.mark.parametrize("answers", [True, False])
def test_a_state_is_asked_of_the_backend_if_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    version = open_version_store(str(tmp_path)).claim("job", a_record)
    record(version.store, State.PENDING)

    def state(*_: object) -> State:
        if answers:
            return record(version.store, State.FAILED, "the node has no Python", 127).state
        raise JobError("nobody answers")

    monkeypatch.setattr(LocalBackend, "state", state)
    assert asked_state(version) is (State.FAILED if answers else State.PENDING)


def test_nobody_is_asked_about_a_version_that_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = open_version_store(str(tmp_path)).claim("job", a_record)
    record(version.store, State.COMPLETED)
    monkeypatch.setattr(opening, "open_backend", None)
    assert asked_state(version) is State.COMPLETED
