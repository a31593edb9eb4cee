"""Folders of photographs: who is who, and what belongs to nobody."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.gallery.enrolment import enrolment_of, find_enrolment


def put(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or str(path))
    return path


def test_people_and_photographs_are_sorted_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.PNG", "a b/x.webp", "b/.hidden.jpg", ".git/x.jpg", "b/notes.txt"):
        put(tmp_path / name)
    found = find_enrolment(tmp_path)
    listed = [(one.person, one.path.relative_to(tmp_path).as_posix()) for one in found.photographs]
    assert listed == [("a b", "a b/x.webp"), ("b", "b/1.PNG"), ("b", "b/2.jpg")]
    assert found.refusals == ()


def test_what_is_no_persons_photograph_is_refused_with_its_place(tmp_path: Path) -> None:
    for name in ("root.jpg", "ann/1.jpg", "ann/2019/2.jpg"):
        put(tmp_path / name)
    (tmp_path / "bo").mkdir()
    refused = {one.path.relative_to(tmp_path).as_posix(): one.person for one in find_enrolment(tmp_path).refusals}
    assert refused == {"root.jpg": None, "ann/2019": "ann", "bo": "bo"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "nobody is here"),
        (["1.jpg"], "photographs lie in this folder itself"),
        (["ann/notes.txt"], "no photograph in any person's folder"),
        (["unknown/1.jpg"], "what strangers are called"),
        (["Unknown/1.jpg"], "what strangers are called"),
        ([" /1.jpg"], "is no name for a person"),
        (["\u00e9va/1.jpg", "e\u0301va/1.jpg"], "are one name"),
    ],
)
def test_folders_that_cannot_be_enrolled(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        put(tmp_path / name)
    with pytest.raises(DataError, match=message):
        find_enrolment(tmp_path)


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find_enrolment(tmp_path / "none")
    with pytest.raises(DataError, match="not a folder"):
        find_enrolment(put(tmp_path / "file"))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(DataError, match="not UTF-8"):
        find_enrolment(tmp_path)


def test_copies_of_one_person_count_once_and_copies_among_people_not_at_all(tmp_path: Path) -> None:
    for name, content in {
        "ann/1.jpg": "one", "ann/2.jpg": "one", "ann/3.jpg": "both", "bo/1.jpg": "both", "bo/2.jpg": "two"
    }.items():  # fmt: skip
        put(tmp_path / name, content)
    found = find_enrolment(tmp_path)
    assert [(one.person, one.path.name) for one in found.photographs] == [("ann", "1.jpg"), ("bo", "2.jpg")]
    refused = {(one.person, one.path.name): one.reason for one in found.refusals}
    assert refused[("ann", "2.jpg")] == "the same file as 1.jpg"
    assert "of bo: it is not known whose" in refused[("ann", "3.jpg")]
    assert "of ann: it is not known whose" in refused[("bo", "1.jpg")]


def test_what_cannot_be_read_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    put(tmp_path / "ann" / "1.jpg")
    (tmp_path / "ann" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "ann" / "pipe.jpg")
    found = find_enrolment(tmp_path)
    assert [one.path.name for one in found.photographs] == ["1.jpg"]
    assert {one.path.name: one.reason.partition(";")[0] for one in found.refusals} == {
        "gone.jpg": "not a file", "pipe.jpg": "not a file"
    }  # fmt: skip


def test_one_persons_photographs_may_lie_anywhere_below(tmp_path: Path) -> None:
    put(tmp_path / "a" / "b" / "1.jpg")
    (found,) = enrolment_of("Ann/Bo", tmp_path).photographs
    assert (found.person, found.path.name) == ("Ann/Bo", "1.jpg")
    with pytest.raises(DataError, match="strangers"):
        enrolment_of("UNKNOWN", tmp_path)
    with pytest.raises(DataError, match="no such photograph or folder"):
        enrolment_of("Ann", tmp_path / "none")


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name.strip() and not name.startswith(".") and name.casefold() != "unknown" and len(name.encode()) < 200
)


@settings(max_examples=30)
@given(
    names=st.sets(NAMES.map(lambda name: unicodedata.normalize("NFC", name)).filter(str.strip), min_size=1, max_size=4)
)
def test_any_folder_name_is_a_persons_name(tmp_path_factory: pytest.TempPathFactory, names: set[str]) -> None:
    folder = tmp_path_factory.mktemp("people")
    for name in names:
        put(folder / name / "1.jpg")
    assert {one.person for one in find_enrolment(folder).photographs} == names
