"""What is drawn: repeatable, with true landmarks, and not to be told apart by colour."""

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import simplejpeg

from facejobs.data.alignment import TEMPLATE, align_face
from facejobs.data.synthetic.identity import HAIR_STYLES, draw_identity
from facejobs.data.synthetic.portrait import draw_portraits
from facejobs.data.synthetic.render import DrawnFace, Sitter
from facejobs.data.synthetic.scenes import SCENE_HEIGHT, SCENE_WIDTH, draw_scene
from facejobs.data.synthetic.surface import rotation
from facejobs.data.synthetic.surroundings import Frame
from facejobs.data.synthetic.view import Camera, Expression, Pose, View, draw_view

PEOPLE, TRAINING, HELD_OUT = 12, 7, 3


def plain_view(pose: Pose) -> View:
    view = draw_view(0, 0, 0)
    light = replace(view.light, direction=(0.0, -0.3, 0.95), strength=0.7, ambient=0.5)
    return replace(view, pose=pose, light=light, expression=Expression(0, 0, 0, 1, 0, 0, 0, 0), glasses=None)


def draw(sitter: Sitter, view: View, pixels: int = 256) -> DrawnFace:
    frame = Frame(pixels, pixels / 2.9, (0.0, 0.1))
    return sitter.draw(view, np.full((pixels, pixels, 3), 90, np.uint8), frame, sitter.landmarks(view))


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    bare = draw_identity(3, 1)
    return Sitter(replace(bare, hair=replace(bare.hair, style="short"), beard="none"))


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Aligned crops (people, images, 112, 112, 3)."""
    every = [draw_portraits(5, TRAINING + HELD_OUT, person) for person in range(PEOPLE)]
    return np.array([[simplejpeg.decode_jpeg(image) for image in images] for images in every])


def split(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    people = np.arange(PEOPLE)
    known, new = features[:, :TRAINING], features[:, TRAINING:]
    return (
        known.reshape(-1, features.shape[-1]),
        np.repeat(people, TRAINING),
        new.reshape(-1, features.shape[-1]),
        np.repeat(people, HELD_OUT),
    )


def nearest_neighbour_rank_1(features: np.ndarray) -> float:
    known, labels, new, truth = split(features)
    distances = ((new[:, None] - known[None]) ** 2).sum(axis=-1)
    return float((labels[distances.argmin(axis=1)] == truth).mean())


def discriminant_rank_1(features: np.ndarray, components: int = 50) -> float:
    """Nearest class mean after principal components and whitening of the within-class scatter."""
    known, labels, new, truth = split(features)
    middle = known.mean(axis=0)
    basis = np.linalg.svd(known - middle, full_matrices=False)[2][:components].T
    known, new = (known - middle) @ basis, (new - middle) @ basis
    means = np.array([known[labels == person].mean(axis=0) for person in range(PEOPLE)])
    scatter = np.cov((known - means[labels]).T)
    inverse = np.linalg.inv(scatter + 0.1 * np.trace(scatter) / components * np.eye(components))
    gaps = new[:, None] - means[None]
    return float((np.einsum("npi,ij,npj->np", gaps, inverse, gaps).argmin(axis=1) == truth).mean())


def test_colour_does_not_identify_but_geometry_does(crops: np.ndarray) -> None:
    chance = 1 / PEOPLE
    mean_colour = crops.astype(float).mean(axis=(2, 3))
    histograms = np.array(
        [
            [
                np.concatenate([np.histogram(image[..., channel], 16, (0, 256))[0] for channel in range(3)]) ** 0.5
                for image in images
            ]
            for images in crops
        ]
    )
    greys = np.array(
        [
            [
                cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (28, 28), interpolation=cv2.INTER_AREA).ravel()
                for image in images
            ]
            for images in crops
        ]
    ).astype(float)
    greys = (greys - greys.mean(axis=-1, keepdims=True)) / greys.std(axis=-1, keepdims=True)
    assert nearest_neighbour_rank_1(mean_colour) < 4 * chance
    assert nearest_neighbour_rank_1(histograms) < 5 * chance
    assert discriminant_rank_1(greys) > 8 * chance


def test_a_picture_depends_on_its_numbers_only(crops: np.ndarray) -> None:
    alone = draw_portraits(5, 1, 2)
    assert (simplejpeg.decode_jpeg(alone[0]) == crops[2, 0]).all()
    assert draw_portraits(5, 2, 3) == draw_portraits(5, 2, 3)
    assert draw_portraits(6, 1, 2) != alone


def test_pictures_and_people_differ(crops: np.ndarray) -> None:
    digests = {hashlib.sha256(image.tobytes()).hexdigest() for images in crops for image in images}
    assert len(digests) == PEOPLE * (TRAINING + HELD_OUT)
    assert len({draw_identity(0, number).eyes for number in range(50)}) == 50


def test_every_hair_style_can_be_drawn() -> None:
    person = draw_identity(0, 0)
    for style in HAIR_STYLES:
        styled = Sitter(replace(person, hair=replace(person.hair, style=style)))
        for yaw in (-0.6, 0.0, 0.6):
            face = draw(styled, plain_view(Pose(yaw, 0.1, -0.2)), 128)
            assert face.coverage[64, 64] == 255
            assert np.isfinite(face.landmarks).all()


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(0.5, 0, 0), Pose(-0.5, 0.2, 0.3), Pose(0.2, -0.25, -0.4)])
def test_eye_landmarks_are_where_the_eyes_are(sitter: Sitter, pose: Pose) -> None:
    """Irises painted in a colour that occurs nowhere else are found at the two eye landmarks."""
    marked = Sitter(replace(sitter.identity, eyes=replace(sitter.identity.eyes, iris_colour=(0.0, 1.0, 0.0))))
    face = draw(marked, plain_view(pose))
    red, green, blue = (face.image[..., channel].astype(int) for channel in range(3))
    rows, columns = np.nonzero((green > red + 50) & (green > blue + 50))
    found = np.column_stack([columns, rows])
    nearest = np.linalg.norm(found[:, None] - face.landmarks[None, :2], axis=2)
    assert nearest.min(axis=1).max() < 7
    for eye in range(2):
        centre = found[nearest.argmin(axis=1) == eye].mean(axis=0)
        assert np.linalg.norm(centre - face.landmarks[eye]) < 3.0


def test_landmarks_are_ordered_as_seen_in_the_image(sitter: Sitter) -> None:
    for yaw in (-0.5, 0.0, 0.5):
        left_eye, right_eye, nose, left_mouth, right_mouth = draw(sitter, plain_view(Pose(yaw, 0, 0))).landmarks
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_turning_moves_near_points_further(sitter: Sitter) -> None:
    straight = sitter.landmarks(plain_view(Pose(0, 0, 0)))
    turned = sitter.landmarks(plain_view(Pose(0.4, 0, 0)))
    moved = turned[:, 0] - straight[:, 0]
    assert moved[2] > moved[0] + 0.04
    assert moved[2] > moved[1] + 0.04
    np.testing.assert_allclose(turned, straight @ rotation(Pose(0.4, 0, 0)).T, atol=1e-5)


def test_an_open_mouth_lowers_the_chin_of_the_box(sitter: Sitter) -> None:
    view = plain_view(Pose(0, 0, 0))
    closed = draw(sitter, view).box
    opened = draw(sitter, replace(view, expression=replace(view.expression, mouth_open=1.0))).box
    assert opened[1] + opened[3] > closed[1] + closed[3] + 3


@pytest.mark.parametrize("yaw", [-0.5, 0.0, 0.5])
def test_box_holds_the_face_and_little_else(sitter: Sitter, yaw: float) -> None:
    face = draw(sitter, plain_view(Pose(yaw, 0, 0)))
    x, y, width, height = face.box
    assert (face.landmarks >= (x, y)).all()
    assert (face.landmarks <= (x + width, y + height)).all()
    inside = face.coverage[round(y) : round(y + height), round(x) : round(x + width)] > 0
    assert inside.mean() > 0.85
    eyes_to_mouth = face.landmarks[3:, 1].mean() - face.landmarks[:2, 1].mean()
    assert 2.0 * eyes_to_mouth < height < 3.2 * eyes_to_mouth


def test_a_drawn_face_aligns_to_the_template(sitter: Sitter) -> None:
    face = draw(sitter, plain_view(Pose(0.1, 0, 0.3)))
    aligned = align_face(face.image, face.landmarks)
    darkness = 255 - cv2.GaussianBlur(cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY), (0, 0), 1).astype(float)
    for x, y in TEMPLATE[:2]:
        eye = darkness[round(y) - 3 : round(y) + 4, round(x) - 4 : round(x) + 5].max()
        cheek = darkness[round(y) + 17 : round(y) + 24, round(x) - 4 : round(x) + 5].mean()
        assert eye > cheek + 25


def test_scene_faces_lie_inside_and_apart() -> None:
    seen = 0
    for number in range(4):
        scene = draw_scene(2, number, 10)
        assert scene.image.shape == (SCENE_HEIGHT, SCENE_WIDTH, 3)
        for index, face in enumerate(scene.faces):
            x, y, width, height = face.box
            assert x >= 0 and y >= 0 and x + width < SCENE_WIDTH and y + height < SCENE_HEIGHT
            assert (face.landmarks >= (x, y)).all() and (face.landmarks <= (x + width, y + height)).all()
            for other in scene.faces[:index]:
                ox, oy, other_width, other_height = other.box
                across = min(x + width, ox + other_width) - max(x, ox)
                down = min(y + height, oy + other_height) - max(y, oy)
                assert max(across, 0) * max(down, 0) < 0.05 * other_width * other_height
        seen += len(scene.faces)
    assert seen >= 6


@pytest.mark.parametrize("number", [8, 16])
def test_bright_scenes_keep_their_outlines(number: int) -> None:
    assert (draw_scene(0, number, 120).image > 250).any(axis=2).mean() < 0.03


def test_scenes_repeat() -> None:
    first, second = draw_scene(2, 1, 10), draw_scene(2, 1, 10)
    assert (first.image == second.image).all()
    assert [face.box for face in first.faces] == [face.box for face in second.faces]


def test_views_stay_within_a_camera() -> None:
    for image in range(200):
        camera: Camera = draw_view(1, 2, image).camera
        assert 40 <= camera.pixels <= 80
        assert 50 <= camera.jpeg_quality <= 100
