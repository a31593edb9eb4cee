"""A run's folder belongs to one run and one process."""

import json

import pytest

from facejobs.training.errors import RunFolderError
from facejobs.training.parameters import Parameters
from facejobs.training.run_folder import RunFolder

DATA = {"path": "/data", "fingerprint": "abc"}


def folder(path, data=DATA, **values) -> RunFolder:
    return RunFolder(path, "recognition", Parameters(**values), data)


def recorded(path) -> None:
    with folder(path) as run:
        run.record({"facejobs": "0"})


def test_every_resolved_value_is_written(tmp_path) -> None:
    recorded(tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "params.json").read_text())
    assert stored["parameters"] == Parameters().as_json()
    assert set(stored["parameters"]) == set(Parameters.model_fields)
    assert (stored["data"], stored["task"], stored["software"]) == (DATA, "recognition", {"facejobs": "0"})


def test_the_same_run_may_go_on(tmp_path) -> None:
    recorded(tmp_path / "out")
    with folder(tmp_path / "out", threads=4):
        pass


def test_another_runs_folder_is_refused_and_left_alone(tmp_path) -> None:
    recorded(tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    with (
        pytest.raises(RunFolderError, match=r"holds another run:\n  --lr 0\.1 there, 0\.2 here"),
        folder(tmp_path / "out", lr=0.2),
    ):
        pass
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


def test_other_data_are_another_run(tmp_path) -> None:
    recorded(tmp_path / "out")
    with (
        pytest.raises(RunFolderError, match="trained on other data: /data"),
        folder(tmp_path / "out", data={"fingerprint": "x"}),
    ):
        pass


def test_a_strangers_folder_is_refused(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(RunFolderError, match=r"thesis\.tex"), folder(tmp_path):
        pass


def test_a_file_is_no_folder(tmp_path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunFolderError, match="is a file"), folder(tmp_path / "out"):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"task": 1}'])
def test_a_damaged_params_json_is_said(tmp_path, text: str) -> None:
    (tmp_path / "params.json").write_text(text)
    with pytest.raises(RunFolderError, match="damaged"), folder(tmp_path):
        pass


def test_two_processes_cannot_share_a_folder(tmp_path) -> None:
    with folder(tmp_path / "out"), pytest.raises(RunFolderError, match="another process"), folder(tmp_path / "out"):
        pass
