"""Killed, short of disk or raced by another process, a gallery is the old one or the new one."""

import errno
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from facejobs.gallery.changes import REPORT_NAME, changing, create_gallery, delete_leftovers
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.inference.model_identity import ModelIdentity

Enrol = Callable[..., EnrolledImage]
Make = Callable[..., Gallery]
Work = Callable[[], object]
MODELS = (ModelIdentity("d", "0" * 64), ModelIdentity("r", "1" * 64))
STEPS = {"open", "os.rename", "os.remove", "os.mkdir"}
"""Events of the interpreter (sys.audit) between which a process is killed, as far as they change the disk."""


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process has written survives its death without that; only a power cut takes it."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def kept(folder: Path) -> list[tuple[str, str]] | None:
    """Who and what is in a gallery, every byte of which is verified; None where there is none."""
    if not folder.exists():
        return None
    gallery = Gallery.open(folder)
    gallery.verify()
    return sorted((image.person, image.photograph) for image in gallery.images())


def start(work: Work) -> int:
    """Do it in a copy of this process, which ends with 0, or with 1 after an exception; returns its number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


def ended(child: int) -> int:
    """Its exit code, or less than 0 for the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step: int, folder: Path, work: Work) -> Work:
    """Do it, but die at the n-th event that changes the folder."""

    def dying() -> None:
        left = step

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            reads = event == "open" and not int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR)
            if event in STEPS and not reads and str(arguments[0]).startswith(str(folder.parent)):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()

    return dying


def add(folder: Path, images: Iterable[EnrolledImage]) -> None:
    with changing(folder) as change:
        change.add(images)


def remove(folder: Path, *people: str) -> None:
    with changing(folder) as change:
        for person in people:
            change.remove(person)


def check_after(folder: Path, *allowed: object) -> None:
    assert kept(folder) in allowed
    if folder.exists():
        delete_leftovers(folder)
        listed = {record.name for record in Gallery.open(folder).description.files.values()}
        assert {path.name for path in folder.iterdir()} - {"gallery.lock"} == listed | {"gallery.json"}


def uninterrupted(folder: Path, reset: Work, work: Work) -> tuple[object, object, float]:
    """What is in the gallery before and after the work, and the seconds that it takes."""
    reset()
    before = kept(folder)
    started = time.perf_counter()
    assert ended(start(work)) == 0
    duration = time.perf_counter() - started
    after = kept(folder)
    assert before != after
    return before, after, duration


@pytest.fixture
def operations(enrol: Enrol, make_gallery: Make, tmp_path: Path) -> dict[str, tuple[Work, Work]]:
    """Each with what makes the old state again."""
    folder = tmp_path / "gallery"
    old = [enrol("Ann", number, picture=b"Ann" * 50) for number in range(3)] + [enrol("Bo", picture=b"Bo" * 50)]
    new = [enrol("Cy", number, picture=b"Cy" * 50) for number in range(2)]

    def nothing() -> None:
        if folder.exists():
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    def again() -> None:
        nothing()
        make_gallery(old)

    return {
        "build": (nothing, lambda: make_gallery(old)),
        "add": (again, lambda: add(folder, new)),
        "remove": (again, lambda: remove(folder, "Ann")),
    }


@pytest.mark.parametrize("name", ["build", "add", "remove"])
def test_killed_at_any_step_the_gallery_is_old_or_new(
    name: str, operations: dict[str, tuple[Work, Work]], tmp_path: Path
) -> None:
    folder = tmp_path / "gallery"
    reset, work = operations[name]
    before, after, _ = uninterrupted(folder, reset, work)
    seen = []
    for step in range(1000):
        if kept(folder) != before:
            reset()
        code = ended(start(killed_at(step, folder, work)))
        seen.append(kept(folder))
        check_after(folder, before, after)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert len(seen) > 10
    assert seen[0] == before
    assert seen[-1] == after
    # The kills came on both sides of the moment that counts.
    assert seen[-2 if name != "build" else -1] == after


@pytest.mark.parametrize("name", ["build", "add", "remove"])
def test_killed_at_random_moments_the_gallery_is_old_or_new(
    name: str, operations: dict[str, tuple[Work, Work]], tmp_path: Path
) -> None:
    folder = tmp_path / "gallery"
    reset, work = operations[name]
    before, after, duration = uninterrupted(folder, reset, work)
    moments = random.Random(name)
    for _ in range(12):
        if kept(folder) != before:
            reset()
        child = start(work)
        time.sleep(moments.uniform(0, duration))
        os.kill(child, signal.SIGKILL)
        ended(child)
        check_after(folder, before, after)


def test_a_removed_person_is_in_no_file(enrol: Enrol, make_gallery: Make, tmp_path: Path) -> None:
    gone = [enrol("Ann", number, picture=b"a picture of Ann") for number in range(2)]
    gallery = make_gallery([*gone, enrol("Bo", picture=b"a picture of Bo"), enrol("Bo", 1)])
    mean = gallery.means[0].tobytes()
    traces = [mean, b"Ann", bytes.fromhex(gone[0].sha256), *(image.embedding.tobytes() for image in gone)]
    folder = gallery.folder
    (folder / REPORT_NAME).write_text("Ann")
    assert all(any(trace in path.read_bytes() for path in folder.iterdir()) for trace in traces)
    remove(folder, "Ann")
    assert not any(trace in path.read_bytes() for path in folder.iterdir() for trace in traces)
    # Who had it open finishes with what it was.
    assert gallery.image(0).picture == b"a picture of Ann"
    assert Gallery.open(folder).image(0).picture == b"a picture of Bo"


def test_all_files_are_on_the_disk_before_gallery_json_names_them(
    enrol: Enrol, make_gallery: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_gallery([enrol("Ann", picture=b"Ann"), enrol("Ann", 1)]).folder
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(Path(f"/proc/self/fd/{file}").readlink().name))
    add(folder, [enrol("Bo")])
    roles = ("embeddings", "rows", "people", "photographs", "pictures", "means")
    files, names, description, names_again = synced[:-3], *synced[-3:]
    assert sorted(files) == sorted(f".facejobs-writing-{role}" for role in roles)
    assert names == names_again == folder.name
    assert description.startswith(".facejobs-writing-")
    assert description not in files


def test_an_error_in_the_middle_changes_nothing(enrol: Enrol, make_gallery: Make) -> None:
    folder = make_gallery([enrol("Ann")]).folder
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ZeroDivisionError), changing(folder) as change:
        change.remove("Ann")
        change.add([enrol("Bo")])
        raise ZeroDivisionError
    (folder / "gallery.lock").unlink()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_several_processes_add_at_once_and_nobody_is_lost(enrol: Enrol, make_gallery: Make) -> None:
    folder = make_gallery([enrol("first")]).folder
    names = [[f"{writer} {number}" for number in range(5)] for writer in range(3)]

    def write(people: list[str]) -> None:
        for person in people:
            add(folder, [enrol(person)])

    children = [start(lambda people=people: write(people)) for people in names]  # type: ignore[misc]
    sizes, waiting = [1], set(children)
    while waiting:
        # Meanwhile it is read, and grows by one at a time.
        sizes.append(len(kept(folder) or []))
        waiting -= {child for child in waiting if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)}
    assert [ended(child) for child in children] == [0, 0, 0]
    assert sizes == sorted(sizes)
    assert list(Gallery.open(folder).people) == sorted(["first", *(name for group in names for name in group)])


def test_a_full_disk_leaves_the_old_gallery(
    operations: dict[str, tuple[Work, Work]], enrol: Enrol, tmp_path: Path
) -> None:
    folder = tmp_path / "gallery"
    operations["add"][0]()
    before = kept(folder)

    def try_with(limit: int) -> None:
        # Files can grow to so many bytes: the same failure as a full disk, at the same calls.
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            add(folder, [enrol("Cy", number, picture=b"Cy" * 50) for number in range(3)])
        except OSError as error:
            assert error.errno == errno.EFBIG
            assert str(error.filename).startswith(str(folder))
            assert not [path for path in folder.iterdir() if path.name.startswith(".")]
        else:
            raise AssertionError("there was room")

    for limit in (0, 10, 100, 200, 400, 600, 1000):
        assert ended(start(lambda limit=limit: try_with(limit))) == 0  # type: ignore[misc]
        check_after(folder, before)


def test_a_full_disk_leaves_no_half_gallery(enrol: Enrol, tmp_path: Path) -> None:
    def try_with(limit: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        gallery = create_gallery(tmp_path / "gallery", *MODELS, 8, [enrol("Ann", 1), enrol("Ann", 2)])
        assert gallery is None, "there was room"

    for limit in (0, 10, 60, 400, 1000):
        assert ended(start(lambda limit=limit: try_with(limit))) == 1  # type: ignore[misc]
        assert list(tmp_path.iterdir()) == []
