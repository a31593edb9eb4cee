"""Which anchors find which face: against the definition, and what the definition promises."""

import numpy as np
import pytest
from face_boxes import box_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.matching import BACKGROUND, FACE, LEFT_OUT, Matching, MatchingRule, match
from facejobs.data.detection.overlap import intersection_over_union

LAYOUT = AnchorLayout()
RULES = [MatchingRule(), MatchingRule(negative_iou=0.35), MatchingRule(0.5, 0.1, 0.25), MatchingRule(0.3, 0.3, 0.3)]
HEIGHT, WIDTH = 128, 96


def corners(layout: AnchorLayout = LAYOUT, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    anchors = layout.boxes(height, width)
    return np.concatenate([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1)


def matched(boxes: np.ndarray, ignored: np.ndarray | None = None, rule: MatchingRule = RULES[0]) -> Matching:
    return match(LAYOUT, HEIGHT, WIDTH, boxes, np.zeros(len(boxes), bool) if ignored is None else ignored, rule)


def grown(box: np.ndarray) -> np.ndarray:
    centre, half = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 16) / 2
    return np.concatenate([centre - half, centre + half])


def by_definition(boxes: np.ndarray, ignored: np.ndarray, rule: MatchingRule) -> tuple[list[float], list[int]]:
    """Label and face of every anchor, from the whole table of overlaps."""
    anchors = corners()
    table = intersection_over_union(boxes, anchors)
    table[ignored] = 0
    labels, faces = [BACKGROUND] * len(anchors), [-1] * len(anchors)
    for anchor in range(len(anchors)):
        best = max(range(len(boxes)), key=lambda face: (table[face, anchor], -face), default=None)
        if best is not None and table[best, anchor] >= np.float32(rule.negative_iou):
            labels[anchor] = LEFT_OUT
        if best is not None and table[best, anchor] >= np.float32(rule.positive_iou):
            faces[anchor] = best
    claims = [(-table[pair], *pair) for pair in zip(*np.nonzero(table >= np.float32(rule.best_iou)), strict=True)]
    owners: dict[int, int] = {}
    for _, face, anchor in sorted(claims):
        if face not in owners.values() and anchor not in owners:
            owners[anchor] = face
    for face in set(range(len(boxes))) - set(owners.values()):
        box = grown(boxes[face])
        overlaps = intersection_over_union(box[None], anchors)[0]
        meeting = np.minimum(anchors[:, 2:], box[2:]) - np.maximum(anchors[:, :2], box[:2])
        inside = np.maximum(meeting, 0).prod(axis=1) >= (anchors[:, 2] - anchors[:, 0]) ** 2 / 2
        for anchor in np.flatnonzero(inside | (overlaps >= np.float32(rule.negative_iou))):
            labels[anchor] = LEFT_OUT
    for anchor, face in owners.items():
        faces[anchor] = face
    return [FACE if face >= 0 else label for label, face in zip(labels, faces, strict=True)], faces


@settings(max_examples=60)
@given(box_tables(8), st.data())
def test_it_equals_its_definition(boxes: np.ndarray, data: st.DataObject) -> None:
    flags = data.draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes)))
    rule = data.draw(st.sampled_from(RULES))
    ignored = np.array(flags, bool)
    result = matched(boxes, ignored, rule)
    labels, faces = by_definition(boxes, ignored, rule)
    np.testing.assert_array_equal(result.labels, labels)
    np.testing.assert_array_equal(result.faces, faces)
    assert result.labels.dtype == np.float32


@given(box_tables(12, smallest=14))
def test_every_face_that_an_anchor_overlaps_enough_gets_one(boxes: np.ndarray) -> None:
    result = matched(boxes)
    table = intersection_over_union(boxes, corners())
    for face in range(len(boxes)):
        # Other faces may have taken as many of its anchors as there are other faces, never more.
        if np.count_nonzero(table[face] >= 0.2) >= len(boxes):
            assert (result.faces == face).any()
    found = result.faces >= 0
    assert (table[result.faces[found], np.flatnonzero(found)] >= np.float32(0.2)).all()
    np.testing.assert_array_equal(found, result.labels == FACE)


def test_two_faces_with_the_same_best_anchor_both_get_one() -> None:
    # Both are nearest to the 16-pixel anchor around (36, 36); the second lies on it exactly.
    boxes = np.array([[29, 28, 45, 44], [28, 28, 44, 44]], np.float32)
    for order in ([0, 1], [1, 0]):
        result = matched(boxes[order], rule=MatchingRule(0.99, 0.99, 0.2))
        anchors = corners()
        nearest = np.flatnonzero(result.faces == order.index(1))
        assert anchors[nearest].tolist() == [[28, 28, 44, 44]]
        other = np.flatnonzero(result.faces == order.index(0))
        assert len(other) == 1
        assert anchors[other].tolist() == [[36, 28, 52, 44]]


def test_a_perfect_anchor_its_neighbours_and_the_rest() -> None:
    result = matched(np.array([[28, 28, 44, 44]], np.float32))
    labels = dict(zip(map(tuple, corners().tolist()), result.labels.tolist(), strict=True))
    assert labels[28, 28, 44, 44] == FACE
    assert labels[36, 28, 52, 44] == LEFT_OUT  # half of it: 128 / 384
    assert labels[36, 36, 52, 52] == BACKGROUND  # a quarter: 64 / 448
    assert result.labels.tolist().count(FACE) == 1
    assert result.labels.tolist().count(LEFT_OUT) == 4


def test_around_ignored_and_tiny_faces_nothing_is_background_and_nothing_a_face() -> None:
    tiny = np.array([[35, 35, 37, 38]], np.float32)
    result = matched(tiny)
    assert (result.labels == LEFT_OUT).sum() >= 1 and not (result.labels == FACE).any()
    whole = np.array([[20, 20, 60, 60]], np.float32)
    inside = (corners()[:, :2] >= 20).all(axis=1) & (corners()[:, 2:] <= 60).all(axis=1)
    result = matched(whole, np.array([True]))
    assert (result.labels[inside] == LEFT_OUT).all() and not (result.labels == FACE).any()
    assert (result.labels == BACKGROUND).sum() > len(result.labels) / 2


def test_a_face_beside_an_ignored_one_keeps_its_anchors() -> None:
    boxes = np.array([[28, 28, 44, 44], [20, 20, 60, 60]], np.float32)
    alone = matched(boxes[:1])
    together = matched(boxes, np.array([False, True]))
    np.testing.assert_array_equal(alone.faces, together.faces)


def test_without_faces_all_is_background() -> None:
    result = matched(np.empty((0, 4), np.float32))
    assert (result.labels == BACKGROUND).all() and (result.faces == -1).all()
    assert len(result.labels) == LAYOUT.count(HEIGHT, WIDTH)


def test_a_hundred_faces_in_a_large_image() -> None:
    random = np.random.default_rng(0)
    corner, side = random.integers(0, 600, (150, 2)), random.integers(9, 60, (150, 2))
    boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    result = match(LAYOUT, 640, 640, boxes, np.zeros(150, bool), MatchingRule())
    table = intersection_over_union(boxes, corners(LAYOUT, 640, 640))
    reachable = np.flatnonzero(table.max(axis=1) >= 0.2)
    assert len(reachable) > 100 and set(reachable) <= set(result.faces.tolist())
    assert (table.max(axis=0)[result.labels == BACKGROUND] < 0.3).all()


@pytest.mark.parametrize("wrong", [(0.35, 0.3, 0.4), (0.35, 0.4, 0.2), (0.35, 0.3, 0.0), (1.2, 0.3, 0.2)])
def test_rules_without_meaning_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="must hold"):
        MatchingRule(*wrong)
