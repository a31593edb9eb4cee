"""Detections in WIDER FACE's format: written and read again they are the same; malformed files are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facejobs.data.detection.faces import Detections, LabelledImage
from facejobs.data.detection.submission import read_submission, write_submission
from facejobs.data.errors import DataError


def image(path: str) -> LabelledImage:
    empty = np.empty(0, np.float32)
    return LabelledImage(path, 1, empty.reshape(0, 4), empty.reshape(0, 5, 2), empty, empty.astype(bool))


def detections(*rows: list[float]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], None)


PHOTOGRAPH = image("0--Parade/0_Parade_1.jpg")


def write(folder: Path, text: str) -> Path:
    path = folder / "0--Parade" / "0_Parade_1.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return path


def test_the_format(tmp_path: Path) -> None:
    found = detections([10, 20, 40.5, 60.25, 0.75], [1, 2, 3, 4, 0.5])
    write_submission(tmp_path, [PHOTOGRAPH], [found])
    text = (tmp_path / "0--Parade" / "0_Parade_1.txt").read_text()
    assert text == "0_Parade_1.jpg\n2\n10 20 30.5 40.25 0.75\n1 2 2 2 0.5\n"


@pytest.mark.parametrize(
    "text",
    [
        "0_Parade_1\n2\n1 2 2 2 0.5\n10 20 30.5 40.25 0.75",
        "0--Parade/0_Parade_1.jpg\r\n 2 \r\n1 2 2 2 5e-1\r\n10 20 30.5\t40.25  0.75\r\n\r\n",
    ],
)
def test_what_other_programs_write_is_read_and_sorted(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    (found,) = read_submission(tmp_path, [PHOTOGRAPH])
    assert found.boxes.tolist() == [[10, 20, 40.5, 60.25], [1, 2, 3, 4]]
    assert found.scores.tolist() == [0.75, 0.5]
    assert found.landmarks is None


def test_nothing_found(tmp_path: Path) -> None:
    write(tmp_path, "0_Parade_1.jpg\n0\n")
    (found,) = read_submission(tmp_path, [PHOTOGRAPH])
    assert found.boxes.shape == (0, 4)
    write_submission(tmp_path / "again", [PHOTOGRAPH], [found])
    assert len(read_submission(tmp_path / "again", [PHOTOGRAPH])[0]) == 0


pixels = st.floats(0, 8192, width=32)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(arrays(np.float32, st.tuples(st.integers(0, 5), st.just(4)), elements=pixels), st.data())
def test_what_is_written_is_read_again(tmp_path: Path, boxes: np.ndarray, data: st.DataObject) -> None:
    scores = data.draw(arrays(np.float32, len(boxes), elements=st.floats(-10, 10, width=32)))
    order = np.argsort(-scores, kind="stable")
    write_submission(tmp_path, [PHOTOGRAPH], [Detections(boxes[order], scores[order], None)])
    (found,) = read_submission(tmp_path, [PHOTOGRAPH])
    assert np.array_equal(found.scores, scores[order])
    assert np.allclose(found.boxes, boxes[order], rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 2 does not say how many"),
        ("0_Parade_1.jpg\n", "line 2 does not say how many"),
        ("0_Parade_1.jpg\n-1\n", "line 2 does not say how many"),
        ("0_Parade_1.jpg\nfew\n", "line 2 does not say how many"),
        ("0_Parade_1.jpg\n" + "9" * 5000 + "\n", "line 2 does not say how many"),
        ("0_Parade_1.jpg\n2\n1 2 3 4 0.5\n", "announces 2 detections, 1 follow"),
        ("0_Parade_1.jpg\n1\n1 2 3 4 0.5\n1 2 3 4 0.5\n", "announces 1 detections, 2 follow"),
        ("0_Parade_1.jpg\n2\n1 2 3 4 0.5\n1 2 3 4\n", r"0_Parade_1\.txt:4: not the five finite numbers"),
        ("0_Parade_1.jpg\n2\n1 2 3 4 0.5\n\n1 2 3 4 0.4", "announces 2 detections, 3 follow"),
        ("0_Parade_1.jpg\n2\n1 2 3 4 0.5\n1 2 3 x 0.5\n", r"0_Parade_1\.txt:4: not the five finite numbers"),
        ("0_Parade_1.jpg\n1\n1 2 3 4 nan\n", r"0_Parade_1\.txt:3: not the five finite numbers"),
        ("0_Parade_1.jpg\n1\n1 2 1e300 4 0.5\n", r"0_Parade_1\.txt:3: not the five finite numbers"),
    ],
)
def test_malformed_files(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(DataError, match=message):
        read_submission(tmp_path, [PHOTOGRAPH])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="0123456789 .-+en\n\r\x00x_\x85", max_size=60))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, "0_Parade_1.jpg\n" + text)
    try:
        (found,) = read_submission(tmp_path, [PHOTOGRAPH])
    except DataError:
        return
    assert np.isfinite(found.boxes).all()
    assert np.isfinite(found.scores).all()


def test_missing_files_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "0_Parade_1.jpg\n0\n")
    with pytest.raises(DataError, match=r"1 of the 2 photographs have no file of detections, such as .*2\.txt"):
        read_submission(tmp_path, [PHOTOGRAPH, image("0--Parade/0_Parade_2.jpg")])
    with pytest.raises(DataError, match="is not a folder"):
        read_submission(tmp_path / "none", [PHOTOGRAPH])


def test_photographs_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a/b\.jpg and a/b\.png would have one file"):
        write_submission(tmp_path, [image("a/b.jpg"), image("a/b.png")], [detections(), detections()])
