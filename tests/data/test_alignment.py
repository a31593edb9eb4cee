"""Alignment against a direct least-squares solve, and its refusals."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facejobs.data.alignment import TEMPLATE, align_face, estimate_similarity
from facejobs.data.errors import DataError

coordinates = arrays(np.float64, (5, 2), elements=st.floats(-1000, 1000, width=32))


def solve_directly(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares over (a, b, tx, ty) of x' = a x - b y + tx, y' = b x + a y + ty."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        values += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    return np.array([[a, -b, tx], [b, a, ty]])


def similarity(angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


@given(coordinates)
def test_equals_direct_least_squares(points: np.ndarray) -> None:
    centred = points - points.mean(axis=0)
    assume(np.sqrt((centred**2).sum()) > 1.0)
    try:
        matrix = estimate_similarity(points, TEMPLATE)
    except DataError:
        expected = solve_directly(points, TEMPLATE)
        assert np.hypot(expected[0, 0], expected[1, 0]) < 1e-6
        return
    mapped, expected = apply(matrix, points), apply(solve_directly(points, TEMPLATE), points)
    np.testing.assert_allclose(mapped, expected, atol=1e-6)


@given(
    st.floats(-np.pi, np.pi),
    st.floats(0.05, 20),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_recovers_a_similarity_exactly(angle: float, scale: float, shift: tuple[float, float]) -> None:
    truth = similarity(angle, scale, shift)
    np.testing.assert_allclose(estimate_similarity(TEMPLATE, apply(truth, TEMPLATE)), truth, atol=1e-6)


@given(coordinates)
def test_never_reflects(points: np.ndarray) -> None:
    mirrored = TEMPLATE * [-1, 1] + 0.01 * points
    assert np.linalg.det(estimate_similarity(mirrored, TEMPLATE)[:, :2]) > 0


def test_mirrored_face_gets_the_least_squares_rotation() -> None:
    mirrored = TEMPLATE * [-1, 1] + [112, 0]
    np.testing.assert_allclose(estimate_similarity(mirrored, TEMPLATE), solve_directly(mirrored, TEMPLATE), atol=1e-6)


@given(
    coordinates,
    st.floats(-np.pi, np.pi),
    st.floats(0.05, 20),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    st.booleans(),
)
def test_faces_that_are_turned_scaled_and_mirrored_equal_direct_least_squares(
    noise: np.ndarray, angle: float, scale: float, shift: tuple[float, float], mirrored: bool
) -> None:
    face = (TEMPLATE - 56) * [-1 if mirrored else 1, 1] + 0.003 * noise
    landmarks = apply(similarity(angle, scale, shift), face)
    np.testing.assert_allclose(
        estimate_similarity(landmarks, TEMPLATE), solve_directly(landmarks, TEMPLATE), rtol=1e-6, atol=1e-6
    )


@given(st.floats(-np.pi, np.pi), st.floats(0.05, 20), st.tuples(st.floats(-500, 500), st.floats(-500, 500)))
def test_a_mirrored_face_is_refused(angle: float, scale: float, shift: tuple[float, float]) -> None:
    landmarks = apply(similarity(angle, scale, shift), (TEMPLATE - 56) * [-1, 1])
    with pytest.raises(DataError, match="landmarks are mirrored"):
        align_face(np.zeros((9, 9, 3), np.uint8), landmarks)


@given(st.floats(-80, 80), st.floats(-30, 30))
def test_a_head_in_profile_is_aligned(yaw: float, pitch: float) -> None:
    # A face as deep as a face is wide: the nose stands out, the eyes lie behind the mouth.
    depth = np.array([-12.0, -12.0, 18.0, -4.0, -4.0])
    head = np.column_stack([TEMPLATE - TEMPLATE.mean(axis=0), depth])
    turn, nod = np.radians(yaw), np.radians(pitch)
    about_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]])
    seen = (head @ about_y.T @ about_x.T)[:, :2] + 56
    assert align_face(np.zeros((112, 112, 3), np.uint8), seen).shape == (112, 112, 3)


@given(st.floats(-1000, 1000), st.floats(-1000, 1000), st.floats(0, 1e-8))
def test_landmarks_in_one_place_are_refused(x: float, y: float, spread: float) -> None:
    points = np.array([x, y]) + spread * 1e-6 * (TEMPLATE - 56)
    try:
        matrix = estimate_similarity(points, TEMPLATE)
    except DataError as error:
        assert "landmarks coincide" in str(error)
    else:
        assert np.isfinite(matrix).all()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((5, 2), 31.7), "coincide"),
        (np.full((5, 2), 0.0), "coincide"),
        (np.full((5, 2), np.nan), "finite"),
        (np.where(np.arange(10).reshape(5, 2) == 3, np.inf, TEMPLATE), "finite"),
        (TEMPLATE * 1e300, "too large"),
        (TEMPLATE[:4], "five landmarks"),
        (TEMPLATE.ravel(), "five landmarks"),
        (np.column_stack([TEMPLATE, TEMPLATE[:, 0]]), "five landmarks"),
        ([["a", "b"]] * 5, "numbers"),
    ],
)
def test_refuses_points_that_are_no_face(points: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        align_face(np.zeros((112, 112, 3), np.uint8), points)  # type: ignore[arg-type]


def test_refuses_points_without_a_best_rotation() -> None:
    square = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    reflected = square * [1, -1]
    with pytest.raises(DataError, match="no rotation"):
        estimate_similarity(square, reflected)


@pytest.mark.parametrize("image", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 3)), np.zeros(7, np.uint8)])
def test_refuses_what_is_no_image(image: np.ndarray) -> None:
    with pytest.raises(DataError, match="cannot align"):
        align_face(image, TEMPLATE)


@pytest.mark.parametrize("size", [112, 56, 224])
def test_landmarks_land_on_the_template(size: int) -> None:
    truth = similarity(0.4, 2.3, (60, 30))
    landmarks = apply(truth, TEMPLATE)
    image = np.zeros((400, 400, 3), np.uint8)
    for channel, (x, y) in zip((0, 1, 2), landmarks[:3], strict=True):
        rows, columns = np.mgrid[0:400, 0:400]
        image[..., channel] = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 9.0**2))
    aligned = align_face(image, landmarks, size)
    assert aligned.shape == (size, size, 3)
    for channel in range(3):
        weights = aligned[..., channel].astype(float) ** 2
        rows, columns = np.mgrid[0:size, 0:size]
        centre = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
        np.testing.assert_allclose(centre, TEMPLATE[channel] * size / 112, atol=0.25 * size / 112)


@pytest.mark.parametrize("shrink", [1.0, 1.9, 2.0, 2.5, 7.3, 31.0])
def test_the_grain_of_a_large_face_is_averaged(shrink: float) -> None:
    landmarks = apply(similarity(0.2, shrink, (3, 40)), TEMPLATE)
    side = int(150 * shrink)
    grain = np.indices((side, side)).sum(axis=0) % 2 * 200
    aligned = align_face(np.repeat(grain[..., None], 3, axis=2).astype(np.uint8), landmarks)
    middle = aligned[20:-20, 20:-20].astype(float)
    assert middle.mean() == pytest.approx(100, abs=4)
    if shrink > 2.1:
        assert middle.std() < 30
    if shrink > 7:
        assert middle.std() < 8


@pytest.mark.parametrize("shrink", [2.0, 3.7, 8.0])
def test_averaging_moves_nothing(shrink: float) -> None:
    truth = similarity(-0.3, shrink, (20, 90))
    rows, columns = np.mgrid[0 : int(160 * shrink), 0 : int(150 * shrink)]
    smooth = np.stack([rows, columns, (rows + columns) / 2], axis=2) * (255 / (160 * shrink))
    aligned = align_face(smooth.astype(np.uint8), apply(truth, TEMPLATE))
    x, y = (apply(truth, np.stack(np.meshgrid(np.arange(112), np.arange(112)), axis=2).reshape(-1, 2))).T
    expected = np.stack([y, x, (x + y) / 2], axis=1).reshape(112, 112, 3) * (255 / (160 * shrink))
    edge = 2 * shrink
    inside = ((x > edge) & (y > edge) & (x < 148 * shrink) & (y < 158 * shrink)).reshape(112, 112)
    assert inside.mean() > 0.7
    assert np.abs(aligned[inside] - expected[inside]).max() < 2


@given(coordinates, st.integers(1, 400), st.integers(1, 400))
def test_any_landmarks_give_a_face_or_an_error(points: np.ndarray, height: int, width: int) -> None:
    try:
        aligned = align_face(np.full((height, width, 3), 9, np.uint8), points)
    except DataError:
        return
    assert aligned.shape == (112, 112, 3)


def test_outside_of_the_image_is_black() -> None:
    aligned = align_face(np.full((60, 112, 3), 200, np.uint8), TEMPLATE)
    assert (aligned[:58] == 200).all()
    assert (aligned[62:] == 0).all()


def test_grey_images_stay_grey() -> None:
    assert align_face(np.full((112, 112), 9, np.uint8), TEMPLATE).shape == (112, 112)
