"""Checkpoints are whole or absent."""

import errno
import json
import subprocess
import sys

import numpy as np
import pytest

from facejobs.training.checkpoints import Checkpoint, CheckpointStore
from facejobs.training.errors import CheckpointError


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint({"net/a.weight": np.full((3, 2), step, np.float32)}, {"step": step, "epoch": 0})


def fresh(store_folder) -> CheckpointStore:
    return CheckpointStore(store_folder)


def test_arrays_and_state_come_back_bit_identical(tmp_path) -> None:
    array = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    CheckpointStore(tmp_path).save(Checkpoint({"a": array}, {"step": 3, "schedule": {"best": None}}))
    loaded, warnings = fresh(tmp_path).load_last()
    assert loaded is not None and warnings == []
    assert loaded.arrays["a"].tobytes() == array.tobytes()
    assert loaded.state == {"step": 3, "schedule": {"best": None}}


def test_only_the_last_two_and_the_best_are_kept(tmp_path) -> None:
    store = CheckpointStore(tmp_path)
    for step in range(1, 6):
        store.save(checkpoint(step), best=step == 2)
    assert store.steps() == [2, 4, 5]
    assert store.best_step() == 2


@pytest.mark.parametrize("victim", ["arrays.npz", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "change", "remove"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, victim: str, damage: str) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    path = store.save(checkpoint(2)) / victim
    content = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    loaded, warnings = fresh(tmp_path).load_last()
    assert loaded is not None and loaded.state["step"] == 1
    assert len(warnings) == 1 and "step-00000002" in warnings[0]


def test_no_usable_checkpoint_is_said_rather_than_started_over(tmp_path) -> None:
    path = CheckpointStore(tmp_path).save(checkpoint(1))
    (path / "arrays.npz").write_bytes(b"")
    with pytest.raises(CheckpointError, match="no checkpoint can be used"):
        fresh(tmp_path).load_last()


def test_a_damaged_checkpoint_is_replaced_when_its_step_comes_again(tmp_path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    (store.save(checkpoint(2)) / "arrays.npz").write_bytes(b"")
    again = fresh(tmp_path)
    again.load_last()
    again.save(checkpoint(2))
    loaded, warnings = fresh(tmp_path).load_last()
    assert loaded is not None and loaded.state["step"] == 2 and warnings == []


def test_a_full_disk_leaves_the_older_checkpoint_and_no_litter(tmp_path, monkeypatch) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))

    def full(*_args, **_kwargs) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with pytest.raises(OSError, match="No space"):
        store.save(checkpoint(2))
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_file_that_may_not_grow_is_one_error_that_names_the_folder(tmp_path) -> None:
    program = (
        "import resource, signal, sys, pathlib, numpy as np\n"
        "from facejobs.training.checkpoints import Checkpoint, CheckpointStore\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "arrays = {'a': np.zeros(200_000, np.float32), 'b': np.zeros(10, np.float32)}\n"
        "try: CheckpointStore(pathlib.Path(sys.argv[1])).save(Checkpoint(arrays, {'step': 1}))\n"
        "except OSError as error: print(error.strerror, error.filename)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"File too large {tmp_path}\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_a_folder_that_is_cleaned_up(tmp_path) -> None:
    store = CheckpointStore(tmp_path)
    store.save(checkpoint(1))
    half = tmp_path / ".writing-step-00000002"
    half.mkdir()
    (half / "arrays.npz").write_bytes(b"half")
    loaded, _ = fresh(tmp_path).load_last()
    assert loaded is not None and loaded.state["step"] == 1
    assert not half.exists()


def test_a_pickle_in_the_arrays_is_never_loaded(tmp_path) -> None:
    path = CheckpointStore(tmp_path).save(checkpoint(1))
    with (path / "arrays.npz").open("wb") as file:
        np.savez(file, a=np.array([{"x": 1}], dtype=object))
    import hashlib

    content = (path / "arrays.npz").read_bytes()
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["arrays.npz"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="cannot be read"):
        fresh(tmp_path).load(1)
