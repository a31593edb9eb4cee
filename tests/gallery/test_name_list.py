from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.gallery.errors import GalleryError
from facejobs.gallery.name_list import NameList, name_line, name_lines, name_order

NAMES = st.lists(st.text(st.characters(exclude_categories=()), max_size=8))
PLACE = Path("names.jsonl")


@given(NAMES)
def test_names_come_back_in_their_order(names: list[str]) -> None:
    listed = NameList(b"".join(name_lines(names)), PLACE)
    assert list(listed) == names
    assert listed[1:] == names[1:]
    assert [listed[-1 - place] for place in range(len(names))] == names[::-1]
    with pytest.raises(IndexError):
        listed[len(names)]


@given(NAMES, st.text(st.characters(exclude_categories=()), max_size=8))
def test_a_sorted_name_is_found(names: list[str], other: str) -> None:
    people = sorted({*names}, key=name_order)
    assert people == sorted(people), "code points, as Python compares them"
    listed = NameList(b"".join(name_lines(people)), PLACE)
    assert [listed.find(name) for name in people] == list(range(len(people)))
    assert listed.find(other) == (people.index(other) if other in people else None)


def test_lines_can_be_read_by_people() -> None:
    assert name_line("Zoë 李") == '"Zoë 李"\n'.encode()
    assert name_line("a\nb") == b'"a\\nb"\n'


@given(st.binary(max_size=20) | st.just(b"[" * 100_000 + b"\n"))
def test_damage_is_told(content: bytes) -> None:
    try:
        assert all(isinstance(name, str) for name in NameList(content, PLACE))
    except GalleryError as error:
        assert str(error).startswith("names.jsonl")
