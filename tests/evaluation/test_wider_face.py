"""WIDER FACE's MATLAB files are read for the photographs at hand; damaged ones are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.io import savemat

from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.errors import DataError
from facejobs.evaluation.wider_face import find_subsets

# By event: the photographs, each with boxes x y w h, invalid flags, and the numbers of the faces looked for.
Faces = tuple[list[list[int]], list[int], list[int]]
Events = dict[str, dict[str, Faces]]

EVENTS: Events = {
    "0--Parade": {
        "0_Parade_1": ([[10, 20, 30, 40], [1, 2, 3, 4], [5, 5, 9, 9]], [0, 1, 0], [1, 3]),
        "0_Parade.v2": ([[7, 8, 9, 10]], [0], []),
    },
    "1--Handshaking": {"1_Handshaking_5": ([[0, 0, 6, 6]], [0], [1])},
}


def column(items: list[object]) -> NDArray[np.object_]:
    array = np.empty((len(items), 1), object)
    for number, item in enumerate(items):
        array[number, 0] = item
    return array


def write_subset(path: Path, events: Events, compressed: bool = True, **replaced: object) -> Path:
    photographs = [list(event.values()) for event in events.values()]
    content: dict[str, object] = {
        "event_list": column(list(events)),
        "file_list": column([column(list(event)) for event in events.values()]),
        "face_bbx_list": column([column([np.array(p[0], np.int32).reshape(-1, 4) for p in e]) for e in photographs]),
        "invalid_label_list": column(
            [column([np.array(p[1], np.uint8).reshape(-1, 1) for p in e]) for e in photographs]
        ),
        "gt_list": column([column([np.array(p[2], np.uint8).reshape(-1, 1) for p in e]) for e in photographs]),
    }
    savemat(path, {**content, **replaced}, do_compression=compressed)
    return path


def test_photographs_are_picked_by_event_and_name_in_the_order_of_the_split(tmp_path: Path) -> None:
    write_subset(tmp_path / "wider_medium_val.mat", EVENTS)
    (subset,) = find_subsets(tmp_path, ["1--Handshaking/1_Handshaking_5.jpg", "0--Parade/0_Parade_1.jpg"])
    assert subset.name == "medium"
    assert [boxes.tolist() for boxes in subset.boxes] == [
        [[0, 0, 6, 6]],
        [[10, 20, 40, 60], [1, 2, 4, 6], [5, 5, 14, 14]],
    ]
    assert [flags.tolist() for flags in subset.invalid] == [[False], [False, True, False]]
    assert [flags.tolist() for flags in subset.counted] == [[True], [True, False, True]]


def test_names_with_dots_and_photographs_without_wanted_faces(tmp_path: Path) -> None:
    write_subset(tmp_path / "wider_easy_val.mat", EVENTS)
    (subset,) = find_subsets(tmp_path, ["0--Parade/0_Parade.v2.jpg"])
    assert subset.counted[0].tolist() == [False]


def test_subsets_come_in_the_order_easy_medium_hard(tmp_path: Path) -> None:
    for name in ("hard", "easy", "medium"):
        write_subset(tmp_path / f"wider_{name}_val.mat", EVENTS)
    assert [subset.name for subset in find_subsets(tmp_path, [])] == ["easy", "medium", "hard"]
    assert find_subsets(tmp_path / "elsewhere", []) == []


def test_a_file_about_other_photographs_is_refused(tmp_path: Path) -> None:
    path = write_subset(tmp_path / "wider_hard_val.mat", EVENTS)
    with pytest.raises(DataError, match=rf"{path.name} does not know 1 of the 2 photographs, such as 2--Demo/x"):
        find_subsets(tmp_path, ["0--Parade/0_Parade_1.jpg", "2--Demo/x.jpg"])


@pytest.mark.parametrize(
    "replaced",
    [
        {"gt_list": column([column([np.array([[4]]), np.array([])]), column([np.array([[1]])])])},
        {"gt_list": column([column([np.array([[0]]), np.array([])]), column([np.array([[1]])])])},
        {"gt_list": column([column([np.array([[1]])])])},
        {"gt_list": np.zeros((2, 1))},
        {"event_list": column(["0--Parade"])},
        {"event_list": column([np.arange(3), "x"])},
        {"face_bbx_list": column([column([np.full((1, 4), np.nan)] * 2), column([np.zeros((1, 4))])])},
        {"face_bbx_list": column([column([np.zeros((1, 3))] * 2), column([np.zeros((1, 4))])])},
        {"face_bbx_list": column([column(["text", "text"]), column([np.zeros((1, 4))])])},
        {"invalid_label_list": column([column([np.zeros(9)] * 2), column([np.zeros((1, 1))])])},
    ],
)
def test_contents_that_do_not_fit_together_are_refused(tmp_path: Path, replaced: dict[str, object]) -> None:
    path = write_subset(tmp_path / "wider_easy_val.mat", EVENTS, **replaced)
    with pytest.raises(DataError, match=rf"{path.name} is damaged"):
        find_subsets(tmp_path, ["0--Parade/0_Parade_1.jpg"])


@pytest.mark.parametrize("content", [b"", b"MATLAB 7.3 MAT-file" + bytes(200), b"text\n" * 100])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "wider_easy_val.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged or not a file of WIDER FACE's evaluation tools"):
        find_subsets(tmp_path, ["0--Parade/0_Parade_1.jpg"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_refused_or_does_no_harm(tmp_path: Path, data: st.DataObject) -> None:
    whole = write_subset(tmp_path / "whole.mat", EVENTS).read_bytes()
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "wider_easy_val.mat").write_bytes(damaged)
    try:
        (subset,) = find_subsets(tmp_path, ["0--Parade/0_Parade_1.jpg"])
    except DataError:
        return
    # The text at the beginning of such a file says nothing.
    assert damaged[124:] == whole[124:]
    assert subset.counted[0].tolist() == [True, False, True]


def test_variables_without_a_checksum_are_refused(tmp_path: Path) -> None:
    write_subset(tmp_path / "wider_easy_val.mat", EVENTS, compressed=False)
    with pytest.raises(DataError, match="is damaged"):
        find_subsets(tmp_path, ["0--Parade/0_Parade_1.jpg"])


@pytest.mark.shared_data
def test_the_real_files(shared_data: Path) -> None:
    folder = shared_data / "detection_train_data" / "test"
    split = DetectionSplit.open(folder)
    subsets = find_subsets(folder, [image.path for image in split.images])
    assert [sum(int(flags.sum()) for flags in subset.counted) for subset in subsets] == [437, 796, 1786]
    for subset in subsets:
        assert all(np.array_equal(a.boxes, b) for a, b in zip(split.images, subset.boxes, strict=True))
        assert sum(int(flags.sum()) for flags in subset.invalid) == 93
