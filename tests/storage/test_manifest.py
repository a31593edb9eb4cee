"""A manifest is read as it was written, or refused with the reason; nothing else happens."""

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.storage.errors import CorruptError
from facejobs.storage.manifest import Manifest, ManifestEntry, unsafe_name

DIGEST = "0f" * 32
ENTRY = {"size": 3, "sha256": DIGEST}


def document(files: Any, **more: Any) -> bytes:
    return json.dumps({"format": 1, "files": files, **more}).encode()


def refused(data: bytes) -> str:
    with pytest.raises(CorruptError) as caught:
        Manifest.from_json(data, "s3://b/outputs.json")
    message = str(caught.value)
    assert message.startswith("s3://b/outputs.json ") and message.isprintable()
    return message


def test_reads_what_it_wrote() -> None:
    manifest = Manifest({"model/ü.onnx": ManifestEntry(3, DIGEST, "2" * 64), "a": ManifestEntry(0, "1" * 64)})
    assert Manifest.from_json(manifest.to_json(), "here") == manifest
    assert manifest.size == 3
    assert manifest.to_json() == Manifest(dict(reversed(manifest.files.items()))).to_json()


def test_a_manifest_without_blake3_is_written_as_it_always_was() -> None:
    assert b"blake3" not in Manifest({"a": ManifestEntry(3, DIGEST)}).to_json()


def test_an_empty_folder_has_a_manifest() -> None:
    assert Manifest.from_json(Manifest().to_json(), "here").files == {}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "./a",
        "a//b",
        "a/",
        "a\\b",
        "..\\x",
        "a\0b",
        "C:/x",
        "c:x",
        "\ud800",
    ],
)
def test_refuses_a_name_that_could_lead_out(name: str) -> None:
    assert unsafe_name(name)
    assert "name" in refused(document({name: ENTRY}))


@pytest.mark.parametrize("name", ["a", "model/model.onnx", "..a", "a..", "a/b.c/d", "mit Leerzeichen", "日本"])
def test_accepts_an_ordinary_name(name: str) -> None:
    assert unsafe_name(name) is None
    assert Manifest.from_json(document({name: ENTRY}), "here").files == {name: ManifestEntry(3, DIGEST)}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "line 1 is not JSON"),
        (b'{"format": 1,\n"files": {', "line 2 is not JSON"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "nesting"),
        (b'{"format": 1, "files": {"a": {"size": ' + b"9" * 5000 + b"}}}", "number"),
        (b"[]", "format"),
        (document({}, more=1), "exactly files and format"),
        (document([]), "'files' is not an object"),
        (b'{"format": 2, "files": {}}', "format is 2"),
        (b'{"format": true, "files": {}}', "format is True"),
        (document({"a": {"size": 3}}), "'a' must hold exactly sha256 and size"),
        (document({"a": {**ENTRY, "mode": 1}}), "'a' must hold exactly"),
        (document({"a": {**ENTRY, "size": -1}}), "size of 'a'"),
        (document({"a": {**ENTRY, "size": True}}), "size of 'a'"),
        (document({"a": {**ENTRY, "size": 1.0}}), "size of 'a'"),
        (document({"a": {**ENTRY, "sha256": DIGEST.upper()}}), "sha256 of 'a'"),
        (document({"a": {**ENTRY, "sha256": DIGEST[1:]}}), "sha256 of 'a'"),
        (document({"a": {**ENTRY, "sha256": 7}}), "sha256 of 'a'"),
        (document({"a": {**ENTRY, "blake3": DIGEST[1:]}}), "blake3 of 'a'"),
        (document({"a": {**ENTRY, "blake3": None}}), "blake3 of 'a'"),
        (document({"a/b": ENTRY, "a": ENTRY}), "'a' is both a file and the folder of 'a/b'"),
        (b'{"format": 1, "files": {"a": %s, "a": %s}}' % ((json.dumps(ENTRY).encode(),) * 2), "'a' is in it twice"),
        (b'{"format": 1, "format": 1, "files": {}}', "'format' is in it twice"),
    ],
)
def test_says_what_is_wrong(data: bytes, words: str) -> None:
    assert words in refused(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([DIGEST, ENTRY, 1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["format", "files", "size", "sha256", "blake3", "a", "../a"]) | st.text(), inner, max_size=4
        )
    ),
)


@given(st.binary() | _JSON.map(lambda content: json.dumps(content).encode()) | _JSON.map(document))
def test_anything_else_is_refused_in_words(data: bytes) -> None:
    try:
        manifest = Manifest.from_json(data, "s3://b/outputs.json")
    except CorruptError as error:
        assert str(error).isprintable()
    else:
        assert Manifest.from_json(manifest.to_json(), "here") == manifest


@given(st.dictionaries(st.text(), st.just(ENTRY), max_size=4))
def test_no_name_that_is_accepted_leads_out(files: dict[str, Any]) -> None:
    try:
        manifest = Manifest.from_json(document(files), "here")
    except CorruptError:
        return
    for name in manifest.files:
        path = PurePosixPath("/folder") / name
        assert ".." not in path.parts and str(path) == f"/folder/{name}"
