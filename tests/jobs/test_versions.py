"""The version store: numbers, records, lists and their index, deletion, checkpoints, export."""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from job_records import a_record, a_spec

from facejobs.jobs import version_index
from facejobs.jobs.checkpoint_removal import find_garbage, remove_garbage
from facejobs.jobs.deletion import check_deletable, delete_version
from facejobs.jobs.errors import JobError, OutputExistsError, VersionDamagedError, VersionNotFoundError
from facejobs.jobs.export import export_version
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, record
from facejobs.jobs.version_index import INDEX, list_versions
from facejobs.jobs.versions import VersionFolder, VersionStore, open_version_store
from facejobs.storage.errors import CorruptError, StorageError
from facejobs.storage.folder_sync import upload_folder
from facejobs.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    return open_version_store(str(tmp_path / "store"))


def claim(
    store: VersionStore, spec: JobSpec | None = None, parent: str | None = None, state: State | None = State.COMPLETED
) -> VersionFolder:
    spec = spec or a_spec()
    version = store.claim(spec.name, lambda number: a_record(number, spec, parent))
    if state is not None:
        record(version.store, state)
    return version


def metric(version: VersionFolder, name: str, *values: float) -> None:
    lines = [{"step": step, "epoch": 0, "name": name, "value": value, "time": 1} for step, value in enumerate(values)]
    version.store.write("metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())


def test_numbers_are_consecutive_and_records_come_back(store: VersionStore) -> None:
    for number in (1, 2, 3):
        version = claim(store)
        assert (version.number, version.name) == (number, f"V{number:04d}")
    assert store.versions("job") == [1, 2, 3]
    assert store.jobs() == ["job"]
    assert store.get("job", 2).record == a_record(2)


def test_numbers_above_9999_sort_by_number(store: VersionStore) -> None:
    for number in (9999, 10000, 2):
        store.folder("job", number).store.write("version.json", a_record(number).model_dump_json().encode())
    assert store.versions("job") == [2, 9999, 10000]
    assert claim(store).name == "V10001"


def test_threads_share_no_number(store: VersionStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(lambda _: claim(store, state=None).number, range(60)))
    assert sorted(numbers) == list(range(1, 61))


def test_a_record_is_never_overwritten_by_a_claim_with_an_old_list(
    store: VersionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = claim(store)
    before = first.store.read("version.json")
    monkeypatch.setattr(LocalStore, "folders", lambda self, prefix="": [])
    assert claim(store, a_spec(description="later")).number == 2
    assert first.store.read("version.json") == before


def test_an_empty_folder_of_a_dead_claimer_leaves_no_gap(store: VersionStore, tmp_path: Path) -> None:
    claim(store)
    (tmp_path / "store" / "jobs" / "job" / "V0002").mkdir()
    assert store.find("job@last").number == 1
    assert [version.number for version in list_versions(store, "job").versions] == [1]
    assert claim(store).number == 2


def test_other_folders_are_no_versions(store: VersionStore, tmp_path: Path) -> None:
    for name in ("V1", "V0000", "v0001", "V00001", "notes", "V٣٣٣٣"):
        (tmp_path / "store" / "jobs" / "job" / name).mkdir(parents=True)
    assert store.versions("job") == []
    assert claim(store).number == 1


def test_messages_say_what_there_is(store: VersionStore) -> None:
    with pytest.raises(VersionNotFoundError, match="holds no job job; it holds no job yet"):
        store.find("job", "1")
    claim(store)
    with pytest.raises(VersionNotFoundError, match=r"has no version V0007 in .*; there is V0001"):
        store.find("job", "7")
    claim(store)
    with pytest.raises(VersionNotFoundError, match="there is V0001 to V0002"):
        store.find("job", "7")
    with pytest.raises(VersionNotFoundError, match="holds no job jib; there is job"):
        store.find("jib@last")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"null", b"\xff", b'{"format": 2}', b'{"deleted": 1}', b'{"deleted": "x", "job": 1}'],
)
def test_a_damaged_record_is_named(store: VersionStore, content: bytes) -> None:
    claim(store)
    damaged = claim(store)
    damaged.store.write("version.json", content)
    with pytest.raises(VersionDamagedError, match=r"V0002/version\.json is damaged"):
        store.get("job", 2)
    listing = list_versions(store, "job")
    assert [version.number for version in listing.versions] == [1]
    assert len(listing.damaged) == 1
    assert claim(store).number == 3


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACEJOBS_STORE", raising=False)
    assert Path(open_version_store().url).absolute() == tmp_path / ".facejobs"
    monkeypatch.setenv("FACEJOBS_STORE", str(tmp_path / "other"))
    assert open_version_store().url == str(tmp_path / "other")
    assert open_version_store(str(tmp_path / "third")).url == str(tmp_path / "third")
    with pytest.raises(StorageError, match="no store for ftp"):
        open_version_store("ftp://host/x")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is a file, not a folder"):
        open_version_store(str(tmp_path / "file"))


class TestIndex:
    """What is listed is the truth, with and without an index."""

    @pytest.fixture(autouse=True)
    def _eager(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(version_index, "_WORTH_WRITING", 1)

    @pytest.fixture
    def reads(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
        seen: list[str] = []
        read = LocalStore.read

        def spy(self: LocalStore, key: str, start: int = 0, length: int | None = None) -> bytes:
            seen.append(f"{Path(self.url).name}/{key}")
            return read(self, key, start, length)

        monkeypatch.setattr(LocalStore, "read", spy)
        yield seen

    def test_completed_versions_are_read_once(self, store: VersionStore, reads: list[str]) -> None:
        for value in (0.5, 0.7):
            metric(claim(store), "lfw_accuracy", value)
        first = list_versions(store, "job")
        assert first.versions[1].metrics["lfw_accuracy"].best == 0.7
        reads.clear()
        assert list_versions(store, "job") == first
        assert reads == ["job/index.json"]

    def test_ended_versions_are_read_again_when_their_status_changes(
        self, store: VersionStore, reads: list[str]
    ) -> None:
        version = claim(store, state=State.FAILED)
        assert list_versions(store, "job").versions[0].state is State.FAILED
        reads.clear()
        assert list_versions(store, "job").versions[0].state is State.FAILED
        assert sorted(reads) == ["V0001/status.json", "job/index.json"]
        record(version.store, State.RUNNING, attempt=2)
        metric(version, "loss", 3.0)
        record(version.store, State.COMPLETED, attempt=2)
        listed = list_versions(store, "job").versions[0]
        assert (listed.state, listed.attempt, listed.metrics["loss"].last) == (State.COMPLETED, 2, 3.0)

    def test_deleted_and_removed_versions_are_gone_at_once(self, store: VersionStore, tmp_path: Path) -> None:
        versions = [claim(store) for _ in range(3)]
        assert len(list_versions(store, "job").versions) == 3
        delete_version(store, versions[0])
        subprocess.run(["rm", "-r", versions[1].url], check=True)
        assert [version.number for version in list_versions(store, "job").versions] == [3]

    @pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"format": 9, "entries": []}', b'{"entries": [1]}'])
    def test_a_damaged_index_is_rebuilt(self, store: VersionStore, content: bytes) -> None:
        claim(store)
        before = list_versions(store, "job")
        store.job_store("job").write(INDEX, content)
        assert list_versions(store, "job") == before
        assert json.loads(store.job_store("job").read(INDEX))["entries"]

    def test_a_store_that_cannot_be_written_is_listed(
        self, store: VersionStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claim(store)

        def refuse(self: LocalStore, key: str, data: bytes) -> None:
            raise PermissionError(key)

        monkeypatch.setattr(LocalStore, "write", refuse)
        assert len(list_versions(store, "job").versions) == 1

    def test_a_number_freed_by_hand_is_listed_as_what_it_is_now(self, store: VersionStore) -> None:
        from facejobs.jobs.submission import claim as submit_claim

        old = claim(store)
        metric(old, "loss", 1.0)
        assert list_versions(store, "job").versions[0].metrics
        subprocess.run(["rm", "-r", old.url], check=True)
        assert submit_claim(a_spec(description="new"), store, "local", {}).number == 1
        listed = list_versions(store, "job").versions[0]
        assert (listed.description, listed.state, listed.metrics) == ("new", State.PENDING, {})


class TestDeletion:
    """A deleted version is gone, its number is not free."""

    def test_its_number_is_never_used_again(self, store: VersionStore, monkeypatch: pytest.MonkeyPatch) -> None:
        claim(store)
        last = claim(store)
        last.store.write("model/model.onnx", b"1234")
        assert delete_version(store, last) > 4
        assert [info.key for info in last.store.list()] == ["version.json"]
        assert store.versions("job") == [1]
        with pytest.raises(VersionNotFoundError, match=r"V0002 was deleted on .* by .*; there is V0001"):
            store.get("job", 2)
        assert store.find("job@last").number == 1
        assert claim(store).number == 3
        monkeypatch.setattr(LocalStore, "folders", lambda self, prefix="": [])
        assert claim(store).number == 4

    @pytest.mark.parametrize("survived", range(4))
    def test_a_killed_deletion_can_be_repeated(
        self, store: VersionStore, monkeypatch: pytest.MonkeyPatch, survived: int
    ) -> None:
        version = claim(store)
        for name in ("model/a", "model/b"):
            version.store.write(name, b"1")
        steps = 0

        def counted(method: object) -> object:
            def call(self: LocalStore, *arguments: object) -> object:
                nonlocal steps
                steps += 1
                if steps > survived:
                    raise KeyboardInterrupt
                return method(self, *arguments)

            return call

        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "write", counted(LocalStore.write))
            patch.setattr(LocalStore, "delete", counted(LocalStore.delete))
            with pytest.raises(KeyboardInterrupt):
                delete_version(store, store.get("job", 1))
        assert store.versions("job") == ([1] if survived == 0 else [])
        assert claim(store).number == 2
        again = store.find("job", "1")
        check_deletable(store, again, force=False)
        delete_version(store, again)
        assert store.versions("job") == [2]
        assert [info.key for info in again.store.list()] == ["version.json"]

    @pytest.mark.parametrize("state", [State.PENDING, State.RUNNING])
    def test_what_runs_is_not_deleted(self, store: VersionStore, state: State) -> None:
        version = claim(store, state=state)
        with pytest.raises(JobError, match=f"job V0001 is {state}: `facejobs stop job V0001` first"):
            check_deletable(store, version, force=True)

    def test_what_others_descend_from_needs_force(self, store: VersionStore) -> None:
        first = claim(store)
        second = claim(store, parent="V0001")
        third = claim(store, parent="V0002")
        with pytest.raises(JobError, match="V0002, V0003 of job came from V0001"):
            check_deletable(store, first, force=False)
        check_deletable(store, first, force=True)
        check_deletable(store, third, force=False)
        delete_version(store, third)
        check_deletable(store, second, force=False)


def checkpoint(version: VersionFolder, step: int, whole: bool = True) -> None:
    names = ["arrays.npz", "state.json", *(["manifest.json"] if whole else [])]
    for name in names:
        version.store.write(f"checkpoints/step-{step:08d}/{name}", b"12345")


def test_gc_keeps_the_last_whole_and_the_best_checkpoint(store: VersionStore) -> None:
    version = claim(store, state=State.STOPPED)
    for step in (10, 20, 30, 40):
        checkpoint(version, step)
    checkpoint(version, 50, whole=False)
    version.store.write("checkpoints/best.json", b'{"step": 20}')
    running = claim(store, state=State.RUNNING)
    for step in (1, 2):
        checkpoint(running, step)
    (garbage,) = find_garbage(store, "job")
    assert (garbage.steps, garbage.size) == ([10, 30, 50], 40)
    remove_garbage(garbage)
    left = {info.key.split("/")[1] for info in version.store.list("checkpoints")}
    assert left == {"step-00000020", "step-00000040", "best.json"}
    assert find_garbage(store, "job") == []
    assert len(list(running.store.list("checkpoints"))) == 6


@pytest.mark.parametrize("best", [b"", b"[]", b'{"step": "x"}', None])
def test_gc_without_a_readable_best(store: VersionStore, best: bytes | None) -> None:
    version = claim(store, state=State.FAILED)
    for step in (1, 2):
        checkpoint(version, step)
    if best is not None:
        version.store.write("checkpoints/best.json", best)
    assert [garbage.steps for garbage in find_garbage(store, "job")] == [[1]]


def test_gc_keeps_everything_where_nothing_is_whole(store: VersionStore) -> None:
    version = claim(store, state=State.FAILED)
    for step in (1, 2):
        checkpoint(version, step, whole=False)
    assert find_garbage(store, "job") == []


class TestExport:
    """One tar file, whole or absent."""

    def test_tar_and_json_suffice(self, store: VersionStore, tmp_path: Path) -> None:
        version = claim(store, state=State.FAILED)
        long_name = "model/" + 40 * "long-" + "é.bin"
        for name, data in (("model/model.onnx", b"weights"), (long_name, b""), ("index.json", b"its own")):
            version.store.write(name, data)
        target = tmp_path / "out.tar"
        assert export_version(version, target) == target.stat().st_size
        subprocess.run(["tar", "-xf", target, "-C", tmp_path], check=True)
        index = json.loads((tmp_path / "index.json").read_text())
        assert (index["job"], index["version"]) == ("job", "V0001")
        lines = [f"{entry['sha256']}  {name}" for name, entry in index["files"].items()]
        subprocess.run(["sha256sum", "-c", "--quiet"], input="\n".join(lines), text=True, check=True, cwd=tmp_path)
        with tarfile.open(target) as archive:
            assert all(member.isreg() for member in archive)
            assert {member.name for member in archive} == {"index.json", *index["files"]}
        assert (tmp_path / "job-V0001" / "index.json").read_text() == "its own"
        assert {path.name for path in tmp_path.iterdir()} == {"out.tar", "index.json", "job-V0001", "store"}

    @pytest.mark.parametrize(
        ("key", "data", "said"),
        [
            ("model/model.onnx", b"weightz", "model/model.onnx is damaged: its SHA-256"),
            ("model/model.onnx", b"weight", "model/model.onnx is damaged: it has 6 bytes"),
            ("model/model.onnx", None, "model/model.onnx is missing"),
            ("outputs.json", None, "outputs.json is missing"),
            ("outputs.json", b"{}", "is no manifest"),
            ("checkpoints/step-1/arrays.npz", None, None),
            ("checkpoints/step-1/arrays.npz", b"?", "is damaged"),
        ],
    )
    def test_a_damaged_completed_version_is_not_certified(
        self, store: VersionStore, tmp_path: Path, key: str, data: bytes | None, said: str | None
    ) -> None:
        version = claim(store)
        output = tmp_path / "output"
        for name in ("model/model.onnx", "checkpoints/step-1/arrays.npz"):
            (output / name).parent.mkdir(parents=True)
            (output / name).write_bytes(b"weights")
        upload_folder(output, version.store, progress=False)
        record(version.store, State.COMPLETED)
        export_version(version, tmp_path / "whole.tar")
        version.store.delete([key]) if data is None else version.store.write(key, data)
        target = tmp_path / "out.tar"
        if said is None:
            export_version(version, target)
            return
        with pytest.raises(CorruptError, match=re.escape(said)):
            export_version(version, target)
        assert not target.exists()

    def test_nothing_is_overwritten(self, store: VersionStore, tmp_path: Path) -> None:
        target = tmp_path / "out.tar"
        target.write_text("mine")
        with pytest.raises(OutputExistsError, match="exists already"):
            export_version(claim(store), target)
        assert target.read_text() == "mine"
        with pytest.raises(JobError, match="is no folder"):
            export_version(claim(store), tmp_path / "absent" / "out.tar")

    def test_a_failure_leaves_nothing(
        self, store: VersionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = claim(store, state=State.FAILED)

        def refuse(self: LocalStore, key: str, path: Path) -> None:
            path.write_text("half")
            raise StorageError("gone")

        monkeypatch.setattr(LocalStore, "download", refuse)
        with pytest.raises(StorageError, match="gone"):
            export_version(version, tmp_path / "out.tar")
        assert [path.name for path in tmp_path.iterdir()] == ["store"]
