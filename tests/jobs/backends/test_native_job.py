from pathlib import Path

import pytest

from facejobs.jobs.backends.native import NATIVE, NativeJob, read_native, write_native
from facejobs.jobs.errors import VersionDamagedError
from facejobs.storage.opening import open_store


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert read_native(store) is None
    native = NativeJob(backend="slurm", id="17", place="cluster", attempt=2)
    write_native(store, native)
    assert read_native(store) == native


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"backend": "slurm"}'])
def test_damage_names_the_file(tmp_path: Path, data: bytes) -> None:
    store = open_store(tmp_path)
    store.write(NATIVE, data)
    with pytest.raises(VersionDamagedError, match=r"backend\.json is damaged"):
        read_native(store)
