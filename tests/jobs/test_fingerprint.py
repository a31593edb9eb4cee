"""Fingerprints of inputs: the same content is the same, any change is another, and nothing is read twice."""

import os
import secrets
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facejobs.data.fingerprint import fingerprint as training_fingerprint
from facejobs.jobs import fingerprint as module
from facejobs.jobs.errors import JobError
from facejobs.jobs.fingerprint import fingerprint_input
from facejobs.jobs.record_count import count_images
from facejobs.storage.local import LocalStore


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    seen: list[str] = []
    read = LocalStore.read

    def spy(self: LocalStore, key: str, start: int = 0, length: int | None = None) -> bytes:
        seen.append(key)
        return read(self, key, start, length)

    monkeypatch.setattr(LocalStore, "read", spy)
    yield seen


def write_records(folder: Path, images: int, identities: int, layout: str = "insightface", payload: int = 40) -> None:
    """A record data set of `images` records of a few bytes; identity records as InsightFace writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines, data = [], bytearray()

    def add(key: int, flag: int, body: bytes) -> None:
        lines.append(f"{key}\t{len(data)}\n")
        record = struct.pack("<IfQQ", flag, 0.0, key, 0) + body
        data.extend(struct.pack("<II", 0xCED7230A, len(record)) + record + b"\0" * (-len(record) % 4))

    first = 0 if layout == "im2rec" else 1
    if layout == "zero first":
        add(0, 2, struct.pack("<ff", images + 1, images + 1 + identities))
    for key in range(first, first + images):
        # A flag of 2 with an image is an image with two labels.
        add(key, 2 if layout == "two labels" else 0, os.urandom(payload))
    if layout != "im2rec":
        for number in range(identities):
            add(images + 1 + number, 2, struct.pack("<ff", 1, 2))
    if layout in ("insightface", "two labels"):
        add(0, 2, struct.pack("<ff", images + 1, images + 1 + identities))
    (folder / "cele.rec").write_bytes(data)
    (folder / "cele.idx").write_text("".join(lines))
    (folder / "property").write_text(f"{identities},112,112\n")


@pytest.mark.parametrize("layout", ["insightface", "im2rec", "zero first", "two labels"])
@pytest.mark.parametrize(("images", "identities"), [(1, 1), (2, 5), (37, 4), (500, 61)])
def test_images_and_identities_are_counted(tmp_path: Path, layout: str, images: int, identities: int) -> None:
    write_records(tmp_path / "data", images, identities, layout)
    found = fingerprint_input(str(tmp_path / "data"))
    assert (found.kind, found.images, found.identities, found.files) == ("records", images, identities, 3)


def test_counting_reads_a_few_bytes_of_the_records(tmp_path: Path, reads: list[str]) -> None:
    write_records(tmp_path, 5000, 300)
    index = tmp_path / "cele.idx"
    assert count_images(LocalStore(tmp_path), "cele.rec", "cele.idx", index.stat().st_size) == 5000
    assert reads.count("cele.rec") < 30


@pytest.mark.parametrize("index", [b"", b"\n", b"1", b"1\tx\n", b"1\t999999999\n", b"\xff\t\xff\n", b"1" * 500])
def test_a_broken_index_is_not_counted(tmp_path: Path, index: bytes) -> None:
    write_records(tmp_path / "data", 5, 1)
    (tmp_path / "data" / "cele.idx").write_bytes(index)
    assert fingerprint_input(str(tmp_path / "data")).images in (None, 0)


@pytest.mark.parametrize("payload", [40, 70_000, 900_000])
def test_it_is_the_fingerprint_of_the_training_run(tmp_path: Path, payload: int) -> None:
    write_records(tmp_path / "data", 24, 3, payload=payload)
    expected = training_fingerprint(tmp_path / "data" / "cele.rec")
    assert fingerprint_input(str(tmp_path / "data")).sha256 == expected


@pytest.mark.parametrize("linked", ["files", "folder", "subfolders"])
def test_links_that_lead_out_are_fingerprinted_as_what_they_lead_to(tmp_path: Path, linked: str) -> None:
    disk, data = tmp_path / "disk", tmp_path / "data"
    write_records(disk, 24, 3, payload=70_000)
    (disk / "verification").mkdir()
    (disk / "verification" / "lfw.bin").write_bytes(b"pairs")
    if linked == "folder":
        data.symlink_to(disk)
    else:
        data.mkdir()
        for path in disk.iterdir():
            if path.is_dir() and linked == "files":
                (data / path.name).mkdir()
                (data / path.name / "lfw.bin").symlink_to(path / "lfw.bin")
            else:
                (data / path.name).symlink_to(path)
    found = fingerprint_input(str(data))
    subprocess.run(["cp", "-rL", data, tmp_path / "copy"], check=True)
    copied = fingerprint_input(str(tmp_path / "copy"))
    assert found.model_dump(exclude={"url"}) == copied.model_dump(exclude={"url"})
    assert (found.kind, found.files, found.images) == ("records", 4, 24)
    assert found.sha256 == training_fingerprint(data / "cele.rec")
    single = fingerprint_input(str(data / "property"))
    assert single.sha256 == fingerprint_input(str(tmp_path / "copy" / "property")).sha256
    (disk / "property").write_bytes(b"4,112,112\n")
    assert fingerprint_input(str(data)).sha256 != found.sha256


def settle(folder: Path) -> None:
    """Date every file back, as of data that were written some time ago."""
    for number, path in enumerate(sorted(folder.rglob("*"))):
        os.utime(path, (time.time() - 1000, time.time() - 1000 - number))


def folder_of(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    settle(folder)
    return folder


def test_a_folder_and_any_change_of_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    first = fingerprint_input(str(folder))
    assert (first.kind, first.files, first.size, first.images) == ("folder", 3, 21, None)
    seen = {first.sha256}
    (folder / "b/1.jpg").write_bytes(b"b/9.jpg")
    seen.add(fingerprint_input(str(folder)).sha256)
    (folder / "b/1.jpg").rename(folder / "b/2.jpg")
    seen.add(fingerprint_input(str(folder)).sha256)
    (folder / "c.jpg").write_bytes(b"")
    seen.add(fingerprint_input(str(folder)).sha256)
    assert len(seen) == 4
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    assert fingerprint_input(str(copy)).sha256 in seen


def test_it_is_remembered_while_nothing_changes(tmp_path: Path, reads: list[str]) -> None:
    folder = folder_of(tmp_path)
    first = fingerprint_input(str(folder))
    assert len(reads) == 3
    reads.clear()
    assert fingerprint_input(str(folder)) == first
    assert reads == []
    (folder / "a/1.jpg").write_bytes(b"A/1.jpg")
    assert fingerprint_input(str(folder)) != first


def test_what_was_written_just_now_is_not_believed(tmp_path: Path, reads: list[str]) -> None:
    folder = folder_of(tmp_path)
    stamp = time.time()
    os.utime(folder / "a/1.jpg", (stamp, stamp))
    first = fingerprint_input(str(folder))
    (folder / "a/1.jpg").write_bytes(b"A/1.jpg")
    os.utime(folder / "a/1.jpg", (stamp, stamp))
    assert fingerprint_input(str(folder)).sha256 != first.sha256


@pytest.mark.parametrize("content", [b"", b"x", b"{}", b"\xff"])
def test_a_damaged_cache_is_no_error(tmp_path: Path, cache: Path, content: bytes) -> None:
    folder = folder_of(tmp_path)
    first = fingerprint_input(str(folder))
    (path,) = (cache / "facejobs" / "fingerprints").iterdir()
    signature = path.read_bytes().split(b"\n")[0]
    for damaged in (content, signature + b"\n" + content):
        path.write_bytes(damaged)
        assert fingerprint_input(str(folder)) == first


def test_many_files_are_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]) -> None:
    monkeypatch.setattr(module, "_MAX_READ_FILES", 10)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(35):
        (folder / f"{number:03d}").write_bytes(b"x")
    assert fingerprint_input(str(folder)).files == 35
    assert len(reads) == 9


def test_a_single_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"jpeg")
    found = fingerprint_input(str(path))
    assert (found.kind, found.files, found.size) == ("file", 1, 4)
    monkeypatch.chdir(tmp_path)
    assert fingerprint_input("photo.jpg").sha256 == found.sha256


@pytest.mark.parametrize("name", ["absent", "absent/deeper", "empty"])
def test_an_input_that_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(JobError, match="correct the spec's 'inputs'"):
        fingerprint_input(str(tmp_path / name))


def test_a_bucket_gives_the_same_as_a_directory(tmp_path: Path, s3_bucket: str) -> None:
    from facejobs.storage.folder_upload import upload_folder
    from facejobs.storage.opening import open_store

    write_records(tmp_path / "data", 50, 7, payload=30_000)
    upload_folder(tmp_path / "data", open_store(f"{s3_bucket}/data"))
    here, there = fingerprint_input(str(tmp_path / "data")), fingerprint_input(f"{s3_bucket}/data")
    assert there.model_dump(exclude={"url"}) == here.model_dump(exclude={"url"})
    single = fingerprint_input(f"{s3_bucket}/data/property")
    assert single.sha256 == fingerprint_input(str(tmp_path / "data" / "property")).sha256
    with pytest.raises(JobError, match="is not there"):
        fingerprint_input(f"{s3_bucket}/absent")


@pytest.fixture
def s3_bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    values = {
        "S3_ENDPOINT": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "unit",
        "AWS_SECRET_ACCESS_KEY": "unit-secret",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{secrets.token_hex(6)}"
    boto3.client("s3", endpoint_url=values["S3_ENDPOINT"], region_name="us-east-1").create_bucket(Bucket=bucket)
    yield f"s3://{bucket}"
    server.stop()
