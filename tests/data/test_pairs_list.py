"""pairs.txt in its variants, and errors that name the line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.data.pairs_list import parse_pairs

names = st.text(st.characters(categories=("L", "N"), include_characters="_-."), min_size=1, max_size=12).filter(
    lambda name: name.strip(".") and not name.isspace()
)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "pairs.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path


MATCH, OTHER = "Ann_Lee\t1\t2", "Ann_Lee\t1\tBo\t3"


def test_the_header_with_folds_gives_each_pair_its_fold(tmp_path: Path) -> None:
    pairs, folds = parse_pairs(write(tmp_path, "2\t1", MATCH, OTHER, MATCH, OTHER))
    assert folds is not None
    assert folds.tolist() == [0, 0, 1, 1]
    assert [pair.same for pair in pairs] == [True, False, True, False]
    first, second = pairs[:2]
    assert (first.line, first.first_name, first.first_number, first.second_name, first.second_number) == (
        2, "Ann_Lee", 1, "Ann_Lee", 2,
    )  # fmt: skip
    assert (second.line, second.second_name, second.second_number) == (3, "Bo", 3)


@pytest.mark.parametrize("lines", [(MATCH, OTHER), ("1", MATCH, OTHER), ("", "1", "", MATCH, OTHER, "")])
def test_without_stated_folds_there_are_none(tmp_path: Path, lines: tuple[str, ...]) -> None:
    pairs, folds = parse_pairs(write(tmp_path, *lines))
    assert folds is None
    assert [pair.same for pair in pairs] == [True, False]


def test_blanks_carriage_returns_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"\xef\xbb\xbf1 1\r\nAnn 1 2\r\nAnn 1 Bo 3\r\n")
    pairs, _ = parse_pairs(path)
    assert [(pair.first_name, pair.second_name) for pair in pairs] == [("Ann", "Ann"), ("Ann", "Bo")]


def test_names_may_hold_blanks_where_tabs_separate(tmp_path: Path) -> None:
    pairs, _ = parse_pairs(write(tmp_path, "Ann Lee\t1\t2"))
    assert pairs[0].first_name == "Ann Lee"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "is empty"),
        (("10\t300",), "a header but no pair"),
        (("ten\t300", MATCH), "line 1: expected a header of one or two positive numbers"),
        (("0\t300", MATCH), "line 1: expected a header"),
        (("1\t1", MATCH, "Ann\t1\tBo\t2\tx"), "line 3: expected 3 fields .* found 5"),
        (("1\t1", MATCH, "Ann\t1"), "line 3: expected 3 fields .* found 2"),
        (("1\t1", "", MATCH, "Ann\tx\tBo\t2"), "line 4: image numbers must be whole numbers, found 'x' and '2'"),
        (("1\t1", MATCH, "Ann\t-1\tBo\t2"), "line 3: image numbers"),
        (("1\t1", MATCH, "../Ann\t1\tBo\t2"), "line 3: '../Ann' is not the name"),
        (("1\t1", MATCH, "..\t1\tBo\t2"), "line 3: '..' is not the name"),
        (("1\t1", MATCH, "Ann\t1\tAnn\t2"), "line 3: a non-matching pair names Ann twice"),
        (("2\t1", MATCH, OTHER), "line 1 states 2 fold.* 4 in all, but the file holds 2 pairs; it is cut short"),
        (("1\t1", MATCH, OTHER, MATCH, OTHER), "holds 4 pairs; correct the header"),
        (("2\t1", MATCH, OTHER, MATCH, MATCH), r"fold 2 \(lines 4 to 5\) holds 2 matching and 0 non-matching"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(DataError, match=message) as caught:
        parse_pairs(path)
    assert str(path) in str(caught.value)


@given(st.data(), st.integers(1, 4), st.integers(1, 3))
def test_what_is_written_is_parsed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, folds: int, n: int):
    number = st.integers(0, 9999)
    lines, expected = [f"{folds}\t{n}"], []
    for _ in range(folds):
        for same in [True] * n + [False] * n:
            first, second = data.draw(st.lists(names, min_size=2, max_size=2, unique=True))
            i, j = data.draw(number), data.draw(number)
            lines.append(f"{first}\t{i}\t{j}" if same else f"{first}\t{i}\t{second}\t{j}")
            expected.append((first, i, first if same else second, j, same))
    pairs, found_folds = parse_pairs(write(tmp_path_factory.mktemp("pairs"), *lines))
    assert [(p.first_name, p.first_number, p.second_name, p.second_number, p.same) for p in pairs] == expected
    assert found_folds is None if folds == 1 else np.array_equal(found_folds, np.repeat(np.arange(folds), 2 * n))


@given(st.binary(max_size=200) | st.text("019\t \n\r/ab.", max_size=80).map(str.encode))
def test_arbitrary_bytes_are_parsed_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("pairs") / "pairs.txt"
    path.write_bytes(content)
    try:
        pairs, _ = parse_pairs(path)
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert pairs
