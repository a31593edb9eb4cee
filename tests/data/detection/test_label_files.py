"""Label files: every dialect is recognised, read and written; whatever is wrong is said with its line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.label_files import DIALECTS, Dialect, LabelFile, read_labels, scan_labels
from facejobs.data.detection.label_writing import label_bytes, losses
from facejobs.data.errors import DataError

KNOWN = "12 14 0.0 18 14 0.0 15 17 0.0 13 20 0.0 17 20 0.0"
UNKNOWN = " ".join(["-1.0"] * 15)


def read(tmp_path: Path, text: str | bytes) -> LabelFile:
    path = tmp_path / "label.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path)


def refused(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "label.txt"))
    return message.removeprefix(str(tmp_path / "label.txt"))


def test_retinaface(tmp_path: Path) -> None:
    labels = read(tmp_path, f"# a/b c.jpg\n10.5 10 10 12 {KNOWN} 0.5\n30 30 4 5 {UNKNOWN} 1.0\n1 2 3 4\n# d.jpg\n")
    assert labels.dialect == "retinaface"
    image, empty = labels.images
    assert (image.path, image.line, empty.path, empty.line, len(empty)) == ("a/b c.jpg", 1, "d.jpg", 5, 0)
    assert image.boxes.tolist() == [[10.5, 10, 20.5, 22], [30, 30, 34, 35], [1, 2, 4, 6]]
    assert image.landmarks[0].tolist() == [[12, 14], [18, 14], [15, 17], [13, 20], [17, 20]]
    assert np.isnan(image.landmarks[1:]).all()
    assert image.blur[:2].tolist() == [0.5, 1.0] and np.isnan(image.blur[2])
    assert not image.ignored.any()
    assert (empty.boxes.shape, empty.landmarks.shape, empty.blur.shape) == ((0, 4), (0, 5, 2), (0,))
    assert {array.dtype for array in (image.boxes, image.landmarks, image.blur, empty.boxes)} == {np.dtype(np.float32)}


def test_single_landmarks_may_be_unknown_and_hidden_ones_are_known(tmp_path: Path) -> None:
    points = "12 14 0.0 18 14 1.0 -1 -1 -1 13 20 0.0 17 20 0.0"
    landmarks = read(tmp_path, f"# a\n10 10 10 12 {points} -1\n").images[0].landmarks[0]
    assert np.isnan(landmarks).any(axis=1).tolist() == [False, False, True, False, False]
    assert landmarks[1].tolist() == [18, 14]


def test_boxes_only(tmp_path: Path) -> None:
    labels = read(tmp_path, "# a.jpg\r\n10 10 10 12\r\n\r\n# b.jpg\r\n")
    assert (labels.dialect, [image.path for image in labels.images]) == ("boxes", ["a.jpg", "b.jpg"])
    assert labels.images[0].boxes.tolist() == [[10, 10, 20, 22]]


def test_scrfd(tmp_path: Path) -> None:
    text = f"# a b/c.jpg 1024 768\n10 10 20 22 {KNOWN}\n1 2 3 4 1\n5 6 7 8\n5 6 9 9 {UNKNOWN} 0.25\n# d.jpg 20 30\n"
    labels = read(tmp_path, text)
    assert (labels.dialect, labels.sizes) == ("scrfd", {"a b/c.jpg": (768, 1024), "d.jpg": (30, 20)})
    image = labels.images[0]
    assert image.boxes.tolist() == [[10, 10, 20, 22], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6, 9, 9]]
    assert image.ignored.tolist() == [False, True, False, False]
    assert np.isnan(image.landmarks).all(axis=(1, 2)).tolist() == [False, True, True, True]
    assert image.blur[3] == 0.25


@pytest.mark.parametrize("header", ["# a.jpg 0 20", "# a.jpg 20", f"# a.jpg {'9' * 5000} 20", f"# a{' ' * 60000}20 x"])
def test_headers_that_state_no_size(tmp_path: Path, header: str) -> None:
    labels = read(tmp_path, f"{header}\n1 2 3 4\n")
    assert (labels.dialect, labels.images[0].path) == ("boxes", header[2:])


def test_wider(tmp_path: Path) -> None:
    text = (
        "0--Parade/a b.jpg\n2\n10 10 10 12 2 0 1 0 2 0\n30 30 4 5 1 0 0 1 0 0\n"
        "0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
        "0--Parade/c.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"
    )
    labels = read(tmp_path, text)
    assert labels.dialect == "wider"
    first, none, last = labels.images
    assert (first.path, none.line, len(none), last.path) == ("0--Parade/a b.jpg", 5, 0, "0--Parade/c.jpg")
    assert first.boxes.tolist() == [[10, 10, 20, 22], [30, 30, 34, 35]]
    assert (first.blur.tolist(), first.ignored.tolist()) == ([1.0, 0.5], [False, True])
    assert last.boxes.tolist() == [[1, 2, 4, 6]]


def test_wider_to_wider_keeps_every_attribute(tmp_path: Path) -> None:
    text = (
        "0--Parade/a b.jpg\n3\n10 10 10 12 2 1 1 0 2 1\n30 30 4 5 1 0 0 1 1 0\n7 8 0 5 0 1 0 0 2 0\n"
        "0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"
    )
    images = read(tmp_path, text).images
    assert label_bytes("wider", images).decode() == text
    assert images[0].attributes is not None and images[0].attributes[0].tolist() == [2, 1, 1, 0, 2, 1]
    assert losses("wider", images) == {}
    assert losses("retinaface", images) == {"ignored": 1, "attributes": 3}
    assert losses("scrfd", images) == {"blur": 3, "attributes": 3}


def test_wider_without_the_line_of_zeros(tmp_path: Path) -> None:
    images = read(tmp_path, "a.jpg\n0\nb.jpg\n1\n1 2 3 4 0 0 0 0 0 0\nc.jpg\n0").images
    assert [(image.path, len(image)) for image in images] == [("a.jpg", 0), ("b.jpg", 1), ("c.jpg", 0)]


def test_a_byte_order_mark_and_latin_names_are_read(tmp_path: Path) -> None:
    labels = read(tmp_path, b"\xef\xbb\xbf# caf\xe9.jpg\n1 2 3 4\n")
    assert labels.images[0].path == "caf\udce9.jpg"


@pytest.mark.parametrize("box", ["5 5 0 7", "5 5 7 0", "0 0 0 0", "500000 5 0.001 9"])
def test_faces_without_area_are_ignored(tmp_path: Path, box: str) -> None:
    assert read(tmp_path, f"# a\n{box}\n1 1 5 5\n").images[0].ignored.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": empty; a label file names at least one image"),
        ("\n  \n", ": empty"),
        ("# a\n1 2 3\n", ":2: 3 numbers for a face; `x y w h (x y v)x5 blur` are 20"),
        ("# a\n1 2 nan 4\n", ":2: nan is no number of pixels"),
        ("# a\n1 2 3 4\n1 -inf 3 4\n", ":3: -inf is no number of pixels"),
        ("# a\n1e30 2 3 4\n", ":2: 1e+30 is no number of pixels"),
        ("# a\n1 2 -3 4\n", ":2: a box -3 wide and 4 high; sizes must not be negative"),
        ("# a\n1 2 3 four\n", ":2: expected the numbers of one face, found '1 2 3 four'"),
        (f"# a\n1 2 3 4 {UNKNOWN}\n", ":2: 19 numbers for a face"),
        ("1 2 3 4\n# a\n1 2 3 4\n", ":1: a face before the first image"),
        ("# a\n# b\n# a\n", ":3: a has labels already, in line 1"),
        ("#\n1 2 3 4\n", ":1: '' is no path below the folder of images"),
        ("# ../a.jpg\n", ":1: '../a.jpg' is no path below"),
        ("# /a.jpg\n", ":1: '/a.jpg' is no path below"),
        (
            "# a\n1 2 3\n# b\n1 2 3\n",
            ":2: 3 numbers for a face; `x y w h (x y v)x5 blur` are 20, `x y w h` are 4 (and 1 ",
        ),
        ("# a 20 20\n5 5 4 9\n", ":2: a box -1 wide"),
        ("# a 20 20\n5 5 9 9 1 2\n", ":2: 6 numbers for a face; `x1 y1 x2 y2 (x y v)x5` are 19"),
        ("a.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n", ":1: 2 faces are announced, the file ends after 1"),
        ("a.jpg\n1\n1 2 3 4 0.9\n", ":3: 5 numbers for a face: `x y w h score` is what a detector found"),
        ("a.jpg\n1\n1 2 3 4\n", ":3: 4 numbers for a face, WIDER FACE has 10"),
        ("a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n5 6 7 8 0 0 0 0 0 0\n", ":4: expected the path of an image, then how many"),
        ("a.jpg\nb.jpg\n", ":1: expected the path of an image, then how many faces it has; found 'b.jpg'"),
        ("hello\n", ":1: expected the path of an image, then how many faces it has; the file ends"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\n", ":1: not a line of text; is this a label file?"),
        ("a" * 70000, ":1: not a line of text"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert refused(tmp_path, text).startswith(message)


def test_scanning_reads_past_malformed_lines(tmp_path: Path) -> None:
    path = tmp_path / "label.txt"
    path.write_text("# a\n1 2 nan 4\n1 2 3 4\n# a\n9 9 9 9\n# b\n1 2\n")
    labels, problems = scan_labels(path)
    assert [problem.line for problem in problems] == [2, 4, 7]
    assert [(image.path, len(image)) for image in labels.images] == [("a", 1), ("b", 0)]


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "label.txt")
    with pytest.raises(DataError, match="is a folder"):
        read_labels(tmp_path)


def test_shared_data(shared_data: Path) -> None:
    counted = {}
    for split in ("train", "val", "test"):
        labels = read_labels(shared_data / "detection_train_data" / split / "label.txt")
        known = sum(int((~np.isnan(image.landmarks).any(axis=(1, 2))).sum()) for image in labels.images)
        counted[split] = (labels.dialect, len(labels.images), sum(map(len, labels.images)), known)
    assert counted == {
        "train": ("retinaface", 900, 9184, 4148),
        "val": ("retinaface", 100, 1400, 600),
        "test": ("retinaface", 200, 2104, 856),
    }


# A path is printable text without blanks at its ends, since lines are stripped.
paths = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/#"), min_size=1, max_size=6),
    min_size=1,
    max_size=3,
).map(lambda parts: "/".join(part if part.strip(".") else "x" for part in parts) + ".jpg")
coordinates = st.floats(-50, 4000, width=32)
sides = st.one_of(st.just(0.0), st.floats(0.125, 3000, width=32))
points = st.one_of(st.just((np.nan, np.nan)), st.tuples(coordinates, coordinates))


@st.composite
def labelled_images(draw: st.DrawFn) -> list[LabelledImage]:
    images = []
    for line, path in enumerate(draw(st.lists(paths, min_size=1, max_size=4, unique=True)), 1):
        count = draw(st.integers(0, 3))
        corners = np.array(draw(st.lists(st.tuples(coordinates, coordinates), min_size=count, max_size=count)))
        size = np.array(draw(st.lists(st.tuples(sides, sides), min_size=count, max_size=count)))
        boxes = np.concatenate([corners, corners + size], 1) if count else np.empty((0, 4))
        landmarks = draw(st.lists(st.lists(points, min_size=5, max_size=5), min_size=count, max_size=count))
        blur = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, np.nan]), min_size=count, max_size=count))
        marked = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
        boxes = boxes.astype(np.float32)
        images.append(
            LabelledImage(
                path,
                line,
                boxes,
                np.array(landmarks, np.float32).reshape(-1, 5, 2),
                np.array(blur, np.float32),
                marked | (boxes[:, 2:] <= boxes[:, :2]).any(axis=1),
            )
        )
    return images


@pytest.mark.parametrize("dialect", DIALECTS)
@given(images=labelled_images())
@settings(max_examples=40)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, dialect: Dialect, images: list[LabelledImage]
) -> None:
    path = tmp_path_factory.mktemp("labels") / "label.txt"
    sizes = {image.path: (480, 640) for image in images}
    path.write_bytes(label_bytes(dialect, images, sizes))
    labels = read_labels(path)
    assert labels.dialect == dialect or not any(map(len, images))
    assert [image.path for image in labels.images] == [image.path for image in images]
    lost = losses(dialect, images)
    for written, found in zip(images, labels.images, strict=True):
        np.testing.assert_allclose(found.boxes, written.boxes, atol=2e-3)
        has_area = (written.boxes[:, 2:] > written.boxes[:, :2]).all(axis=1)
        if "landmarks" not in lost and dialect in ("retinaface", "scrfd"):
            kept = ~written.ignored | (dialect == "retinaface")
            np.testing.assert_allclose(found.landmarks[kept], written.landmarks[kept], atol=1e-3)
        if "blur" not in lost and dialect == "retinaface":
            np.testing.assert_array_equal(found.blur, written.blur)
        if dialect == "wider":
            np.testing.assert_array_equal(found.blur, np.nan_to_num(written.blur))
        if "ignored" not in lost:
            np.testing.assert_array_equal(found.ignored[has_area], written.ignored[has_area])
    again = label_bytes(dialect, labels.images, sizes)
    assert again == label_bytes(dialect, images, sizes) or dialect == "boxes"


def test_losses_count_faces(tmp_path: Path) -> None:
    image = read(tmp_path, f"# a\n10 10 10 12 {KNOWN} 0.5\n10 10 10 0 {KNOWN} 0.5\n1 2 3 4\n").images[0]
    assert losses("retinaface", [image]) == {}
    assert losses("boxes", [image]) == {"landmarks": 2, "blur": 2}
    assert losses("scrfd", [image]) == {"landmarks": 1, "blur": 2}
    assert losses("wider", [image]) == {"landmarks": 2}
    image.ignored[2] = True
    assert losses("retinaface", [image]) == {"ignored": 1}
    assert losses("boxes", [image, image]) == {"landmarks": 4, "blur": 4, "ignored": 2}


numbers = st.one_of(st.integers(-3, 700).map(str), st.sampled_from(["nan", "inf", "-1.0", "0.5", "1e400", "x"]))
line_of_text = st.one_of(
    st.lists(numbers, max_size=21).map(" ".join),
    st.text(max_size=12).map("# {}".format),
    st.text(max_size=12),
    st.just("# a.jpg 640 480"),
    st.integers(0, 3).map(str),
)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(line_of_text, max_size=12).map(lambda lines: "\n".join(lines).encode("utf-8", "replace")),
    )
)
@settings(max_examples=150)
def test_any_bytes_are_labels_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "label.txt"
    path.write_bytes(content)
    try:
        labels = read_labels(path)
    except DataError as error:
        assert str(path) in str(error)
        return
    assert labels.images
    for image in labels.images:
        assert np.isfinite(image.boxes).all()
        assert (image.boxes[:, 2:] >= image.boxes[:, :2]).all()
        assert len(image.boxes) == len(image.landmarks) == len(image.blur) == len(image.ignored)


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("wider", "#a.jpg"),
        ("retinaface", "a 3 4"),
        ("boxes", "a 3 4"),
        ("boxes", "a\nb.jpg"),
        ("scrfd", " a.jpg"),
        ("scrfd", "../a.jpg"),
        ("wider", "\ud800.jpg"),
    ],
)
def test_a_path_that_would_be_read_as_another_is_refused(dialect: Dialect, path: str) -> None:
    empty = np.empty(0, np.float32)
    image = LabelledImage(path, 1, empty.reshape(0, 4), empty.reshape(0, 5, 2), empty, empty.astype(bool))
    with pytest.raises(DataError):
        label_bytes(dialect, [image], {path: (4, 3)})
