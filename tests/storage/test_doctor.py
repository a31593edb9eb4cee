"""The doctor says which check fails, and leaves a place as it was."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facejobs.cli.storage import app
from facejobs.errors import ExitCode
from facejobs.storage.doctor import contact
from facejobs.storage.doctor.checks import Check, Outcome
from facejobs.storage.doctor.examination import examine
from facejobs.storage.errors import NotFoundError, StorageError
from facejobs.storage.local import LocalStore
from facejobs.storage.opening import open_store
from facejobs.storage.s3 import S3Store

OBJECT_CHECKS = ["write", "read back", "range read", "write if absent", "listing", "delete"]
S3_CHECKS = ["credentials present", "endpoint", "clock", "credentials accepted", "bucket", *OBJECT_CHECKS]


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.outcome is Outcome.FAILED]


def test_a_good_bucket_passes_every_check(bucket_url: str) -> None:
    checks = list(examine(f"{bucket_url}/some/folder"))
    assert [check.name for check in checks] == S3_CHECKS
    assert {check.outcome for check in checks} == {Outcome.OK}
    assert list(open_store(bucket_url).list()) == []


@pytest.mark.parametrize("path", ["store", "new/and/deep"])
def test_a_directory_passes_and_is_as_before(tmp_path: Path, path: str) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mine").write_bytes(b"x")
    before = sorted(tmp_path.rglob("*"))
    checks = list(examine(str(tmp_path / path)))
    assert [check.name for check in checks] == ["folder", *OBJECT_CHECKS]
    assert {check.outcome for check in checks} == {Outcome.OK}
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    checks = list(examine(str(tmp_path / "file")))
    assert failed(checks) == ["folder"]
    assert {check.outcome for check in checks[1:]} == {Outcome.SKIPPED}


def test_a_missing_bucket_stops_the_rest(s3_environment: str) -> None:
    checks = list(examine("s3://no-such-bucket"))
    assert failed(checks) == ["bucket"]
    assert "create it" in checks[4].detail
    assert [check.outcome for check in checks[5:]] == [Outcome.SKIPPED] * 6


def test_no_credentials(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    checks = list(examine("s3://bucket"))
    assert failed(checks) == ["credentials present"] and "AWS_ACCESS_KEY_ID" in checks[0].detail


def test_no_server(s3_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:1")
    started = time.monotonic()
    checks = list(examine("s3://bucket"))
    assert failed(checks) == ["endpoint"] and "S3_ENDPOINT" in checks[1].detail
    assert time.monotonic() - started < 8


@pytest.mark.parametrize(
    ("seconds", "outcome", "said"),
    [
        (-30, Outcome.OK, "behind"),
        (120, Outcome.WARNING, "120 s ahead of the server's; at 900 s"),
        (-1000, Outcome.FAILED, "1000 s behind the server's: signed requests are refused"),
    ],
)
def test_the_clock_is_compared(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch, seconds: int, outcome: Outcome, said: str
) -> None:
    def there(_: str) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=seconds)

    monkeypatch.setattr(contact, "parsedate_to_datetime", there)
    clock = list(examine(bucket_url))[2]
    assert (clock.name, clock.outcome) == ("clock", outcome) and said in clock.detail


def test_a_server_without_a_clock_is_a_warning(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(text: str) -> datetime:
        assert (
            abs((datetime.now(UTC) - datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC)).days) == 0
        )
        raise ValueError(format_datetime(datetime.now(UTC)))

    monkeypatch.setattr(contact, "parsedate_to_datetime", unreadable)
    checks = list(examine(bucket_url))
    assert checks[2].outcome is Outcome.WARNING and not failed(checks)


def test_a_server_that_ignores_if_none_match_is_unfit_for_versions(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = S3Store._put_once

    def ignorant(store: S3Store, key: str, data: bytes, metadata: dict[str, str], **_: Any) -> Any:
        return put(store, key, data, metadata)

    monkeypatch.setattr(S3Store, "_put_once", ignorant)
    checks = list(examine(bucket_url))
    assert failed(checks) == ["write if absent"]
    assert "a version store may not" in checks[8].detail


@pytest.mark.parametrize(
    ("method", "answer", "check"),
    [
        ("read", lambda *_: b"other", ["read back", "range read", "write if absent"]),
        ("list", lambda *_, **__: iter(()), ["listing"]),
        ("delete", lambda *_: None, ["delete"]),
    ],
)
def test_a_store_that_breaks_its_word_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, answer: Any, check: list[str]
) -> None:
    monkeypatch.setattr(LocalStore, method, answer)
    assert failed(list(examine(str(tmp_path)))) == check


def test_what_is_left_when_the_reader_goes_away_is_removed(tmp_path: Path) -> None:
    checks = examine(str(tmp_path))
    while next(checks).name != "write if absent":
        pass
    assert os.listdir(tmp_path)  # noqa: PTH208
    checks.close()  # type: ignore[attr-defined]
    assert not os.listdir(tmp_path)  # noqa: PTH208


def test_the_command_prints_each_check_and_ends_with_its_code(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["doctor", str(tmp_path)])
    assert good.exit_code == 0 and "ok       write if absent:" in good.output
    (tmp_path / "file").write_bytes(b"")
    bad = CliRunner().invoke(app, ["doctor", str(tmp_path / "file"), "--json"])
    assert bad.exit_code == ExitCode.STORAGE
    report = json.loads(bad.output)
    assert report["fit"] is False and report["checks"][0]["outcome"] == "failed"


def test_ls_lists_one_level_or_all(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write("a/b", b"12")
    store.write("c", b"123")
    lines = CliRunner().invoke(app, ["ls", str(tmp_path)]).output.splitlines()
    assert [line.split()[-1] for line in lines] == ["a/", "c"]
    listed = json.loads(CliRunner().invoke(app, ["ls", str(tmp_path), "-r", "--json"]).output)
    assert [(file["key"], file["size"]) for file in listed["files"]] == [("a/b", 2), ("c", 3)]


def test_ls_of_nothing_says_so(tmp_path: Path, bucket_url: str) -> None:
    (tmp_path / "empty").mkdir()
    assert CliRunner().invoke(app, ["ls", str(tmp_path / "empty")]).output == ""
    assert CliRunner().invoke(app, ["ls", bucket_url]).output == ""
    for url in (str(tmp_path / "absent"), f"{bucket_url}/absent"):
        assert isinstance(CliRunner().invoke(app, ["ls", url]).exception, NotFoundError)
    assert isinstance(CliRunner().invoke(app, ["ls", "gs://bucket"]).exception, StorageError)
