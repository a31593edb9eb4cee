"""A run's folder belongs to one run and one process."""

import fcntl
import json

import pytest

from facejobs.training.checkpoints import Checkpoint, CheckpointStore
from facejobs.training.errors import RunFolderError
from facejobs.training.parameters import Parameters
from facejobs.training.run_folder import RunFolder

DATA = {"path": "/data", "fingerprint": "abc"}


def folder(path, data=DATA, **values) -> RunFolder:
    return RunFolder(path, "recognition", Parameters(**values), data)


def recorded(path, **values) -> None:
    with folder(path, **values) as run:
        run.record({"facejobs": "0"}, {"lfw": "a protocol"})


def begun(path) -> None:
    recorded(path)
    CheckpointStore(path / "checkpoints").save(Checkpoint({}, {"step": 3}))


def test_every_resolved_value_is_written(tmp_path) -> None:
    recorded(tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "params.json").read_text())
    assert stored["parameters"] == Parameters().as_json()
    assert set(stored["parameters"]) == set(Parameters.model_fields)
    assert (stored["data"], stored["task"], stored["software"]) == (DATA, "recognition", {"facejobs": "0"})
    assert set(stored["without_influence"]) == Parameters.MAY_CHANGE_ON_RESUME


def test_the_same_run_may_go_on_and_keeps_what_it_recorded(tmp_path) -> None:
    begun(tmp_path / "out")
    before = (tmp_path / "out" / "params.json").read_bytes()
    with folder(tmp_path / "out", threads=4) as run:
        assert run.recorded["evaluation"] == {"lfw": "a protocol"}
        run.record({"facejobs": "1"}, {})
    assert (tmp_path / "out" / "params.json").read_bytes() == before


def test_a_run_without_a_checkpoint_gives_way_to_another(tmp_path) -> None:
    recorded(tmp_path / "out")
    (tmp_path / "out" / "metrics.jsonl").write_text("{}\n")
    with folder(tmp_path / "out", lr=0.2) as run:
        assert run.recorded == {}
        run.record({})
    assert json.loads((tmp_path / "out" / "params.json").read_text())["parameters"]["lr"] == 0.2


@pytest.mark.parametrize("result", ["model/model.json", "divergence.json"])
def test_a_run_with_a_result_is_kept_even_without_checkpoints(tmp_path, result: str) -> None:
    recorded(tmp_path / "out")
    (tmp_path / "out" / result).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / result).write_text("{}")
    with pytest.raises(RunFolderError, match="another run"), folder(tmp_path / "out", lr=0.2):
        pass


def test_a_run_that_fails_before_it_is_recorded_leaves_nothing_behind(tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(ValueError, match="bad"), folder(tmp_path / name):
            raise ValueError("bad input")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_a_lock_that_was_removed_while_it_was_waited_for_is_no_lock(tmp_path, monkeypatch) -> None:
    taken = fcntl.flock

    def late(file, operation) -> None:
        (tmp_path / "out" / ".lock").unlink()
        taken(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(RunFolderError, match="another process"), folder(tmp_path / "out"):
        pass


def test_another_runs_folder_is_refused_and_left_alone(tmp_path) -> None:
    begun(tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    with (
        pytest.raises(RunFolderError, match=r"holds another run:\n  --lr 0\.1 there, 0\.2 here"),
        folder(tmp_path / "out", lr=0.2),
    ):
        pass
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before


def test_other_data_are_another_run(tmp_path) -> None:
    begun(tmp_path / "out")
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


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"task": 1}', '{"format": 1, "task": "t", "parameters": 3, "data": {}}']
)
def test_a_damaged_params_json_is_said(tmp_path, text: str) -> None:
    (tmp_path / "params.json").write_text(text)
    with pytest.raises(RunFolderError, match="damaged"), folder(tmp_path):
        pass


def test_two_processes_cannot_share_a_folder(tmp_path) -> None:
    with folder(tmp_path / "out"), pytest.raises(RunFolderError, match="another process"), folder(tmp_path / "out"):
        pass
