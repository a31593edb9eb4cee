"""URLs, joined URLs and safe keys."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.storage.errors import StorageError
from facejobs.storage.keys import TEMPORARY, check_key, is_temporary
from facejobs.storage.opening import open_store
from facejobs.storage.url import S3Location, is_remote, join_url, parse_url

buckets = st.from_regex(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True)
names = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."} and not name.startswith(TEMPORARY))
keys = st.lists(names, min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket", S3Location("bucket", "")),
        ("s3://bucket/", S3Location("bucket", "")),
        ("s3://bucket/a/b/", S3Location("bucket", "a/b")),
        ("obs://bucket.with.dots/a b?c#d", S3Location("bucket.with.dots", "a b?c#d")),
        ("S3://bucket/Key", S3Location("bucket", "Key")),
        ("data/train", Path("data/train")),
        ("/data", Path("/data")),
        ("./s3:/bucket", Path("s3:/bucket")),
    ],
)
def test_a_url_or_path_names_a_place(text: str, place: S3Location | Path) -> None:
    assert parse_url(text) == place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("gs://bucket/x", "s3://, obs:// and paths"),
        ("file:///data", "without file://"),
        ("s3://", "no bucket name"),
        ("s3:///key", "no bucket name"),
        ("s3:/bucket/key", "write s3://bucket/key, or ./s3:/bucket/key"),
        ("obs:bucket", "write obs://bucket"),
        ("s3://a", "no bucket name"),
        ("s3://user:secret@host/x", "no bucket name"),
        ("s3://bucket/a/../../b", "'..' folder"),
        ("s3://bucket/a//b", "empty folder name"),
        ("s3://bucket/a\\b", "backslash"),
        ("s3://bucket/a\nb", "control character"),
        ("a\0b", "NUL"),
    ],
)
def test_a_text_that_names_no_place_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(StorageError, match=said):
        parse_url(text)


@given(buckets, keys)
def test_every_safe_key_survives_its_url(bucket: str, key: str) -> None:
    place = parse_url(f"s3://{bucket}/{key}")
    assert place == S3Location(bucket, key)
    assert parse_url(join_url(f"s3://{bucket}", *key.split("/"))) == place


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_a_storage_error(text: str) -> None:
    try:
        place = parse_url(text)
    except StorageError:
        return
    assert isinstance(place, S3Location) == is_remote(text)


@given(st.text(alphabet="./\\a\0 \x7f\ud800é", max_size=12))
def test_a_key_that_passes_stays_below_its_root(text: str) -> None:
    try:
        key = check_key(text, "root")
    except StorageError:
        return
    parts = PurePosixPath("/root", key).parts
    assert parts[:2] == ("/", "root") and len(parts) == 2 + len(key.split("/")) and ".." not in parts
    key.encode()


@pytest.mark.parametrize("key", ["", "/a", "a/../b", "..", "a/.", "a//b", "a/", "x" * 1025, f"a/{TEMPORARY}1"])
def test_unsafe_keys_are_refused_by_name(key: str) -> None:
    with pytest.raises(StorageError, match="cannot be used as the name"):
        check_key(key, "s3://bucket")


def test_files_being_written_are_known_at_any_depth() -> None:
    assert is_temporary(f"a/{TEMPORARY}0/b") and not is_temporary("a/b")


@pytest.mark.parametrize(
    ("base", "parts", "joined"),
    [
        ("s3://bucket", ("a", "b/c"), "s3://bucket/a/b/c"),
        ("s3://bucket/a/", ("/b/", ""), "s3://bucket/a/b"),
        ("/", ("a",), "/a"),
        ("/data", (), "/data"),
    ],
)
def test_urls_are_joined_with_one_slash(base: str, parts: tuple[str, ...], joined: str) -> None:
    assert join_url(base, *parts) == joined


def test_opening_a_folder_that_is_not_there_makes_nothing(tmp_path: Path) -> None:
    assert list(open_store(tmp_path / "new").list()) == []
    assert not (tmp_path / "new").exists()
