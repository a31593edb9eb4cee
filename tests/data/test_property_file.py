"""`property` files."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facejobs.data.errors import DataError
from facejobs.data.property_file import DatasetProperty, read_property


def read(folder: Path, content: bytes) -> DatasetProperty:
    (folder / "property").write_bytes(content)
    return read_property(folder / "property")


@pytest.mark.parametrize(
    "content",
    [
        b"214,112,96",
        b"214,112,96\n",
        b" 214 , 112,96 \r\n",
        b"\xef\xbb\xbf214,112,96\n",
        b"214,112,96\nmade by a tool\n\n",
        b"# identities, height, width\n214,112,96\n",
        b"214,112,96\n214,112,96\n",
        b"214\n112\n96\n",
    ],
)
def test_one_or_more_lines(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == DatasetProperty(num_classes=214, height=112, width=96)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "line 1: expected identities,height,width"),
        (b"214 112 112\n", "line 1: expected"),
        (b"214,112\n", "line 1: expected"),
        (b"-1,112,112\n", "line 1: expected"),
        (b"214,112,112\n\n215,112,112\n", "line 1 and line 3 disagree"),
        (b"0,112,112\n", "at least 1"),
        (b"2,112,0\n", "at least 1"),
        (b"9" * 70000, "larger than"),
        (b"1\n2\n3\n4\n", "line 1: expected"),
    ],
)
def test_refusals(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read(tmp_path, content)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"property: no such file.*identities,height,width"):
        read_property(tmp_path / "property")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.one_of(st.binary(max_size=40), st.text("0123456789,\n # x", max_size=40).map(str.encode)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    try:
        declared = read(tmp_path, content)
    except DataError:
        return
    assert min(declared.num_classes, declared.height, declared.width) >= 1
