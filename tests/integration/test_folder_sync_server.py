"""Folders to a real S3 server and back while objects are damaged, disks fill up and processes die."""

import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flaky_proxy import FlakyProxy
from seaweedfs import SeaweedFS

from facejobs.storage.errors import DownloadError, UploadError
from facejobs.storage.folder_sync import download_folder, upload_folder
from facejobs.storage.keys import TEMPORARY
from facejobs.storage.manifest import MANIFEST
from facejobs.storage.opening import open_store

LARGE = 40 << 20
SMALL = 60


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that is sent in parts, and many small ones."""
    folder = tmp_path_factory.mktemp("source")
    random_bytes = random.Random(7).randbytes
    (folder / "model").mkdir()
    (folder / "model/weights").write_bytes(random_bytes(LARGE))
    for number in range(SMALL):
        (folder / f"small-{number:02}").write_bytes(random_bytes(1000 * number))
    return folder


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.make_bucket("folder-sync")


@pytest.fixture
def url(seaweedfs: SeaweedFS, bucket: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty folder of the server for one test."""
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    return f"{bucket}/{request.node.name}"


@pytest.fixture
def proxied(flaky_proxy: FlakyProxy, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyProxy]:
    monkeypatch.setenv("S3_ENDPOINT", flaky_proxy.endpoint)
    yield flaky_proxy


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but unfinished ones."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(TEMPORARY)]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(*arguments: object, prelude: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, prelude=prelude), capture_output=True, text=True, timeout=60)


def command(*arguments: object, prelude: str = "") -> list[str]:
    code = f"{prelude}\nimport sys; from facejobs.cli.main import main; sys.argv[0] = 'facejobs'; main()"
    return [sys.executable, "-c", code, "storage", *map(str, arguments)]


def test_put_and_get_by_command(url: str, source: Path, tmp_path: Path) -> None:
    for verify in ("listing", "read-back"):
        sent = run("put", source, url, "--verify", verify)
        assert sent.returncode == 0 and f"{SMALL + 1} files" in sent.stdout and sent.stderr == "", sent
    got = run("get", url, tmp_path / "back")
    assert got.returncode == 0 and "checked against the digests in its manifest" in got.stdout, got
    assert digests(tmp_path / "back") == digests(source)
    for arguments, code, words in [
        (("put", tmp_path / "nowhere", url), 10, "is no folder"),
        (("put", source, "s3://no-such-bucket/x"), 10, "no-such-bucket"),
        (("get", f"{url}-wrong", tmp_path / "other"), 10, "holds no files"),
        (("get", "gs://bucket/x", tmp_path / "other"), 10, "no store for gs://"),
    ]:
        failed = run(*arguments)
        assert failed.returncode == code and words in failed.stderr and "Traceback" not in failed.stderr, failed
    assert not (tmp_path / "other").exists()


def test_an_interrupted_upload_sends_only_the_rest(url: str, proxied: FlakyProxy, source: Path) -> None:
    process = subprocess.Popen(command("put", source, url))
    deadline = time.monotonic() + 40
    while sum(method == "PUT" for method, _, _ in proxied.seen) < 25:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.wait()
    there = {item.key for item in open_store(url).list()}
    assert there and MANIFEST not in there
    proxied.seen.clear()
    upload_folder(source, open_store(url))
    sent = [path.partition("?")[0].rpartition("/")[2] for method, path, _ in proxied.seen if method == "PUT"]
    whole = [name for name in sent if name != "weights"]
    assert sorted(whole) == sorted({path.name for path in source.glob("small-*")} - there | {MANIFEST})
    assert ("weights" in sent) == ("model/weights" not in there)


def after_uploads(store_url: str, harm: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do harm between the last upload and the verification."""
    import facejobs.storage.folder_upload as module

    verify = module._verify

    def harmed(*arguments: object) -> None:
        harm()
        verify(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_verify", harmed)


@pytest.mark.parametrize("verify", ["listing", "read_back"])
@pytest.mark.parametrize("name", ["small-07", "model/weights"])
def test_one_corrupted_object_is_found(
    seaweedfs: SeaweedFS, url: str, source: Path, verify: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray((source / name).read_bytes())
    data[len(data) // 2] ^= 1
    key = f"{url.partition('//')[2].partition('/')[2]}/{name}"

    def corrupt() -> None:
        seaweedfs.client().put_object(Bucket="folder-sync", Key=key, Body=bytes(data))

    after_uploads(url, corrupt, monkeypatch)
    with pytest.raises(UploadError, match=rf"1 of {SMALL + 1} files.*\n  {name}: "):
        upload_folder(source, open_store(url), verify=verify)  # type: ignore[arg-type]
    assert open_store(url).stat(MANIFEST) is None


def test_one_object_deleted_under_way_is_found(url: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after_uploads(url, lambda: open_store(url).delete(["small-09"]), monkeypatch)
    with pytest.raises(UploadError, match="small-09: it was sent, and is not there"):
        upload_folder(source, open_store(url))
    assert open_store(url).stat(MANIFEST) is None


def test_bytes_altered_on_the_way_back_are_found(url: str, proxied: FlakyProxy, source: Path, tmp_path: Path) -> None:
    """What a proxy spoils once is fetched again; what it always spoils is never taken."""
    upload_folder(source, open_store(url))
    spoilt: set[str] = set()

    def once(method: str, path: str, number: int) -> str | None:
        if method != "GET" or "small-1" not in path or path in spoilt:
            return None
        spoilt.add(path)
        return "short body" if len(spoilt) % 2 else "other bytes"

    proxied.fault = once  # type: ignore[assignment]
    download_folder(open_store(url), tmp_path / "back", manifest_key=MANIFEST)
    assert len(spoilt) == 10 and digests(tmp_path / "back") == digests(source)
    (tmp_path / "back/small-20").unlink()
    proxied.fault = lambda method, path, number: "other bytes" if "small-20" in path else None
    with pytest.raises(DownloadError, match="small-20: "):
        download_folder(open_store(url), tmp_path / "back", manifest_key=MANIFEST)
    assert not (tmp_path / "back/small-20").exists()


def test_truncated_and_missing_objects_are_found(url: str, source: Path, tmp_path: Path) -> None:
    store = open_store(url)
    upload_folder(source, store)
    store.write("small-30", (source / "small-30").read_bytes()[:-1])
    store.write("model/weights", (source / "model/weights").read_bytes()[: 20 << 20])
    store.delete(["small-31"])
    with pytest.raises(DownloadError, match=f"3 of {SMALL + 1} files") as caught:
        download_folder(store, tmp_path / "back", manifest_key=MANIFEST)
    assert all(name in str(caught.value) for name in ("small-30", "small-31", "model/weights"))
    here = digests(tmp_path / "back")
    assert here.items() <= digests(source).items() and len(here) == SMALL - 2


def test_a_disk_that_takes_no_such_large_file(url: str, source: Path, tmp_path: Path) -> None:
    upload_folder(source, open_store(url))
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({10 << 20}, {resource.RLIM_INFINITY}))"
    failed = run("get", url, tmp_path / "back", prelude=limit)
    assert failed.returncode == 127 and f"File too large: {tmp_path}/back/model/weights" in failed.stderr, failed
    here = digests(tmp_path / "back")
    assert here.items() <= digests(source).items() and len(here) == SMALL
    assert run("get", url, tmp_path / "back").returncode == 0
    assert digests(tmp_path / "back") == digests(source)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk(url: str, source: Path, tmp_path: Path) -> None:
    upload_folder(source, open_store(url))
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        failed = run("get", url, disk / "back")
        assert failed.returncode == 8 and f"No space left on device: {disk}/back/" in failed.stderr, failed
        assert digests(disk / "back").items() <= digests(source).items()
        assert not (disk / "back/model/weights").exists()
        assert not list(disk.rglob(f"{TEMPORARY}*"))
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("moment", [1, 20, 45])
def test_a_killed_download_leaves_nothing_half(
    url: str, proxied: FlakyProxy, source: Path, tmp_path: Path, moment: int
) -> None:
    upload_folder(source, open_store(url))
    proxied.seen.clear()
    process = subprocess.Popen(command("get", url, tmp_path / "back"))
    deadline = time.monotonic() + 40
    while sum(method == "GET" for method, _, _ in proxied.seen) < moment:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert digests(tmp_path / "back").items() <= digests(source).items()
    download_folder(open_store(url), tmp_path / "back", manifest_key=MANIFEST)
    assert digests(tmp_path / "back") == digests(source)
