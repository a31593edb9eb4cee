"""Average precision against cases computed by hand and against slow, literal programs."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.detection.faces import Detections
from facejobs.evaluation.average_precision import DetectionCounts, interval_of
from facejobs.evaluation.face_matching import match_detections

Box = tuple[float, float, float, float]


@dataclass
class Photograph:
    """Labelled boxes, whether each counts, and detections in any order."""

    boxes: list[Box]
    counted: list[bool]
    found: list[tuple[Box, float]]


def at_every_score(photographs: list[Photograph]) -> DetectionCounts:
    return counts_of(photographs, inclusive=False)


def as_wider_face(photographs: list[Photograph]) -> DetectionCounts:
    return counts_of(photographs, inclusive=True)


def counts_of(photographs: list[Photograph], inclusive: bool) -> DetectionCounts:
    matched = match_detections(
        [np.array(photograph.boxes, float).reshape(-1, 4) for photograph in photographs],
        [
            Detections(
                np.array([box for box, _ in photograph.found], np.float32).reshape(-1, 4),
                np.array([score for _, score in photograph.found], np.float32),
                None,
            )
            for photograph in photographs
        ],
        inclusive,
    )
    counted = np.array([flag for photograph in photographs for flag in photograph.counted], bool)
    make = DetectionCounts.as_wider_face if inclusive else DetectionCounts.at_every_score
    return make(matched, counted)


# ---- slow and literal ------------------------------------------------------------------------------------------------


def overlap(one: Box, other: Box, longer: float) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0]) + longer
    height = min(one[3], other[3]) - max(one[1], other[1]) + longer
    if width <= 0 or height <= 0:
        return 0.0
    area = sum((box[2] - box[0] + longer) * (box[3] - box[1] + longer) for box in (one, other))
    return width * height / (area - width * height)


def judge(photograph: Photograph, longer: float) -> list[tuple[float, int | None]]:
    """Score of each detection, and the face it stands for; without those that stand for a face that does not count."""
    judged: list[tuple[float, int | None]] = []
    for box, score in photograph.found:
        best, face = 0.0, -1
        for number, labelled in enumerate(photograph.boxes):
            if overlap(box, labelled, longer) > best:
                best, face = overlap(box, labelled, longer), number
        if best < 0.5:
            judged.append((score, None))
        elif photograph.counted[face]:
            judged.append((score, face))
    return judged


def area_under(points: list[tuple[float, float]]) -> float:
    """All-point average precision of (recall, precision) points in the order of falling thresholds."""
    area = best = 0.0
    points = [(0.0, 0.0), *points]
    for (recall, precision), (before, _) in zip(points[:0:-1], points[-2::-1], strict=True):
        best = max(best, precision)
        area += (recall - before) * best
    return area


def literal(photographs: list[Photograph], thresholds: list[float], score_of: dict[float, float], longer: int) -> float:
    faces = sum(sum(photograph.counted) for photograph in photographs)
    judged = [judge(photograph, longer) for photograph in photographs if photograph.boxes or not longer]
    points = []
    for least in thresholds:
        proposals = found = 0
        for of_one in judged:
            taken = [face for score, face in of_one if score_of[score] >= least]
            proposals += len(taken)
            found += len({face for face in taken if face is not None})
        points.append((found / faces, found / proposals if proposals else 0.0))
    return area_under(points)


def literal_at_every_score(photographs: list[Photograph]) -> float:
    scores = {score for photograph in photographs for _, score in photograph.found}
    return literal(photographs, sorted(scores, reverse=True), {score: score for score in scores}, 0)


def literal_wider_face(photographs: list[Photograph]) -> float:
    scores = {score for photograph in photographs for _, score in photograph.found}
    low, high = min(scores, default=0), max(scores, default=0)
    scaled = {score: (score - low) / (high - low) if high > low else 1.0 for score in scores}
    return literal(photographs, [1 - step / 1000 for step in range(1, 1001)], scaled, 1)


# ---- by hand ---------------------------------------------------------------------------------------------------------

A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)
NOWHERE = (100, 100, 110, 110)
BOTH = pytest.mark.parametrize("count", [at_every_score, as_wider_face])


@BOTH
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # hit, false alarm, hit: 1/2 · 1 + 1/2 · 2/3
        ([(A, 0.9), (NOWHERE, 0.8), (B, 0.7)], 1 / 2 + 1 / 2 * 2 / 3),
        # the same, unsorted
        ([(B, 0.7), (A, 0.9), (NOWHERE, 0.8)], 1 / 2 + 1 / 2 * 2 / 3),
        # a false alarm first: precision 1/2, then 2/3, which counts for both
        ([(NOWHERE, 0.9), (A, 0.8), (B, 0.7)], 2 / 3),
        # a face found twice: the second time is a false alarm
        ([(A, 0.9), (A, 0.8), (B, 0.7)], 1 / 2 + 1 / 2 * 2 / 3),
        # equal scores are taken together, whatever their order
        ([(NOWHERE, 0.9), (A, 0.9), (B, 0.7)], 2 / 3),
        ([(A, 0.9), (NOWHERE, 0.9), (B, 0.7)], 2 / 3),
        # false alarms behind the last hit change nothing
        ([(A, 0.9), (B, 0.8), (NOWHERE, 0.7)], 1.0),
        ([(A, 0.9), (NOWHERE, 0.1)], 0.5),
        # one score only
        ([(A, 0.5)], 0.5),
        ([(A, 0.5), (NOWHERE, 0.5), (B, 0.5)], 2 / 3),
        ([(NOWHERE, 0.5)], 0.0),
        ([], 0.0),
    ],
)
def test_two_faces(count, found, expected) -> None:
    assert count([Photograph([A, B], [True, True], found)]).average_precision() == pytest.approx(expected)


@BOTH
def test_faces_that_do_not_count_are_neither_found_nor_false(count) -> None:
    found = [(B, 0.9), (B, 0.85), (A, 0.8)]
    counts = count([Photograph([A, B], [True, False], found)])
    assert counts.average_precision() == 1
    assert counts.faces.sum() == 1


@BOTH
def test_a_detection_stands_for_the_face_it_overlaps_most_even_if_that_does_not_count(count) -> None:
    near = (0, 0, 10, 11)
    counts = count([Photograph([A, near], [True, False], [((0, 0, 10, 11), 0.9)])])
    assert counts.average_precision() == 0
    assert counts.false_alarms.sum() == 0


@BOTH
def test_scores_are_ranked_over_all_photographs(count) -> None:
    photographs = [Photograph([A], [True], [(A, 0.5)]), Photograph([A], [True], [(NOWHERE, 0.9), (A, 0.1)])]
    assert count(photographs).average_precision() == pytest.approx(2 / 3)


def test_a_photograph_without_faces_adds_false_alarms_except_in_wider_face() -> None:
    photographs = [Photograph([A], [True], [(A, 0.5)]), Photograph([], [], [(NOWHERE, 0.9)])]
    assert at_every_score(photographs).average_precision() == pytest.approx(1 / 2)
    assert as_wider_face(photographs).average_precision() == pytest.approx(1)


def test_one_pixel_more_in_wider_face() -> None:
    """4 of 9 pixels overlap; with the last ones counted 9 of 16."""
    photographs = [Photograph([(0, 0, 3, 3)], [True], [((0, 0, 2, 2), 0.5)])]
    assert at_every_score(photographs).average_precision() == 0
    assert as_wider_face(photographs).average_precision() == 1


def test_an_overlap_of_exactly_one_half_is_enough() -> None:
    assert at_every_score([Photograph([A], [True], [((0, 0, 10, 5), 0.5)])]).average_precision() == 1
    assert at_every_score([Photograph([A], [True], [((0, 0, 10, 4.99), 0.5)])]).average_precision() == 0


def test_a_thousand_thresholds_do_not_tell_near_scores_apart() -> None:
    found = [(NOWHERE, 0.5002), (A, 0.5001), (B, 1.0), (NOWHERE, 0.0)]
    photographs = [Photograph([A, B], [True, True], found)]
    assert as_wider_face(photographs).average_precision() == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    found[0], found[1] = (A, 0.5002), (NOWHERE, 0.5001)
    assert at_every_score(photographs).average_precision() == pytest.approx(1)
    assert as_wider_face(photographs).average_precision() == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)


@BOTH
def test_without_a_face_to_look_for_there_is_no_average_precision(count) -> None:
    for photographs in ([], [Photograph([], [], [(A, 0.5)])], [Photograph([A], [False], [(A, 0.5)])]):
        assert np.isnan(count(photographs).average_precision())


def test_the_curve_and_its_best_point() -> None:
    curve = at_every_score([Photograph([A, B, C], [True] * 3, [(A, 0.9), (NOWHERE, 0.8), (B, 0.7)])]).precision_recall()
    assert curve.thresholds == pytest.approx([0.9, 0.7])
    assert curve.precision == pytest.approx([1, 2 / 3])
    assert curve.recall == pytest.approx([1 / 3, 2 / 3])
    best = curve.best_f1()
    assert best is not None
    assert (best.threshold, best.f1) == pytest.approx((0.7, 2 / 3))


def test_the_curve_ends_with_all_detections() -> None:
    curve = at_every_score([Photograph([A], [True], [(A, 0.9), (NOWHERE, 0.1)])]).precision_recall()
    assert curve.precision == pytest.approx([1, 1 / 2])
    assert curve.recall == pytest.approx([1, 1])


@BOTH
def test_where_nothing_is_found_there_is_no_best_point(count) -> None:
    assert count([Photograph([A], [True], [(NOWHERE, 0.5)])]).precision_recall().best_f1() is None
    assert count([Photograph([A], [True], [])]).precision_recall().best_f1() is None


# ---- literal programs ------------------------------------------------------------------------------------------------

sides = st.integers(0, 6).map(float)
drawn_boxes = st.tuples(sides, sides, sides, sides).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))
# Few values, so that many are equal; those near a multiple of 1/1000 show how thresholds are compared.
drawn_scores = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, -2.0, 7.5]) | st.floats(0, 1, width=32)


@st.composite
def photographs_drawn(draw: st.DrawFn) -> list[Photograph]:
    photographs = []
    for _ in range(draw(st.integers(1, 4))):
        boxes = draw(st.lists(drawn_boxes, max_size=4))
        counted = draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes)))
        photographs.append(Photograph(boxes, counted, draw(st.lists(st.tuples(drawn_boxes, drawn_scores), max_size=6))))
    photographs.append(Photograph([A], [True], draw(st.lists(st.tuples(st.just(A), drawn_scores), max_size=1))))
    return photographs


@given(photographs_drawn())
def test_every_score_agrees_with_a_literal_program(photographs) -> None:
    assert at_every_score(photographs).average_precision() == pytest.approx(literal_at_every_score(photographs))


@settings(max_examples=30)
@given(photographs_drawn())
def test_wider_face_agrees_with_a_literal_program(photographs) -> None:
    assert as_wider_face(photographs).average_precision() == pytest.approx(literal_wider_face(photographs))


@settings(max_examples=50)
@given(photographs_drawn(), st.randoms(use_true_random=False))
def test_the_order_of_detections_and_photographs_does_not_matter(photographs, random) -> None:
    before = [count(photographs).average_precision() for count in (at_every_score, as_wider_face)]
    random.shuffle(photographs)
    for photograph in photographs:
        random.shuffle(photograph.found)
    after = [count(photographs).average_precision() for count in (at_every_score, as_wider_face)]
    assert after == pytest.approx(before)


@settings(max_examples=30)
@given(photographs_drawn())
def test_resampling_takes_photographs_as_often_as_they_are_drawn(photographs) -> None:
    resampled = at_every_score(photographs).resample(5, seed=3)
    generator = np.random.default_rng(3)
    for value in resampled:
        drawn = [photographs[number] for number in generator.integers(0, len(photographs), len(photographs))]
        expected = at_every_score(drawn).average_precision()
        assert value == pytest.approx(expected, nan_ok=True)


def test_many_resamples_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = at_every_score([Photograph([A, B], [True] * 2, [(A, 0.9), (NOWHERE, 0.8), (B, 0.7)])] * 5)
    whole = counts.resample(50, seed=0)
    monkeypatch.setattr("facejobs.evaluation.average_precision._MOST_AT_ONCE", 7)
    assert np.array_equal(counts.resample(50, seed=0), whole)


def test_the_interval_covers_the_spread_between_photographs() -> None:
    good, bad = Photograph([A], [True], [(A, 0.9)]), Photograph([A], [True], [(NOWHERE, 0.8)])
    low, high = interval_of(at_every_score([good, bad] * 20).resample(500, seed=0)) or (0, 0)
    assert 0.25 < low < 0.42
    assert 0.58 < high < 0.75
    assert interval_of(np.full(3, np.nan)) is None
