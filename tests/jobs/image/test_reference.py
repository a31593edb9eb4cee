import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.jobs.errors import SpecError
from facejobs.jobs.image.reference import ImageReference, parse_reference, parse_remote

DIGEST = "sha256:" + "0f" * 32

repositories = st.from_regex(r"[a-z0-9]+((\.|_|__|-)[a-z0-9]+)*(/[a-z0-9]+)?", fullmatch=True).filter(
    lambda text: len(text) < 100 and "." not in text.split("/")[0] and text.split("/")[0] != "localhost"
)
registries = st.sampled_from(
    ["registry.example.com", "localhost", "localhost:5000", "10.0.0.1:443", "[::1]:5000", "R.Io"]
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)


@given(st.none() | registries, repositories, st.none() | tags, st.none() | st.just(DIGEST))
def test_what_is_written_is_read_again(registry, repository, tag, digest) -> None:
    reference = ImageReference(registry, repository, tag, digest)
    assert parse_reference(str(reference)) == reference
    assert str(reference.pinned(DIGEST)) == f"{reference.name}@{DIGEST}"


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_a_spec_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except SpecError as error:
        assert "is no name of an image" in str(error)
    else:
        assert str(reference) == text and re.fullmatch(r"[\w.:/@\[\]-]+", text, re.ASCII)
        assert not text.startswith("-")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "repository"),
        ("--privileged", "repository"),
        ("Registry/Name", "small letters"),
        ("https://registry.example.com/a", "without https://"),
        ("registry.example.com/a:", "a tag is"),
        ("registry.example.com/a:-x", "a tag is"),
        ("registry.example.com/a:" + "x" * 129, "a tag is"),
        ("registry.example.com/a@sha256:12", "64 digits"),
        ("registry.example.com/a@md5:" + "0" * 64, "64 digits"),
        ("a b", "small letters"),
        ("a;touch /tmp/x", "small letters"),
        ("$(id)", "small letters"),
        ("registry.example.com:99999999/a", "HOST:PORT"),
        ("-x.example.com/a", "HOST or HOST:PORT"),
        ("a\n", "small letters"),
        ("registry.example.com/" + "/".join(["abcdefgh"] * 30), "longer than 255"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=re.escape(words)):
        parse_reference(text)


def test_image_in_a_registry_has_tag_latest_by_default() -> None:
    assert str(parse_remote("registry.example.com/team/faces")) == "registry.example.com/team/faces:latest"
    assert str(parse_remote(f"registry.example.com/a@{DIGEST}")) == f"registry.example.com/a@{DIGEST}"
    with pytest.raises(SpecError, match="names no registry: write REGISTRY/team/faces"):
        parse_remote("team/faces:1")


@pytest.mark.parametrize(
    ("registry", "here"),
    [
        ("127.0.0.1:5000", True),
        ("localhost:5000", True),
        ("[::1]:5000", True),
        ("127.0.0.1.example.com", False),
        ("10.0.0.1:5000", False),
        ("localhost.example.com", False),
    ],
)
def test_only_a_registry_of_this_machine_is_asked_without_tls(registry: str, here: bool) -> None:
    assert parse_reference(f"{registry}/a:1").on_this_machine is here
