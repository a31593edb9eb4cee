"""The pipeline finds, aligns and embeds what is in the photographs, in order, alone or many at once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from foreign_models import LANDMARKS, spots, write_embedder

from facejobs.data.alignment import align_face
from facejobs.data.errors import DataError, ModelError
from facejobs.data.model_description import ModelInput, ModelOutput, RecognitionDescription
from facejobs.data.model_folder import describe_files, write_description
from facejobs.inference.embedder import Embedder
from facejobs.inference.face_pipeline import DescribedPhotograph, FacePipeline

Publish = Callable[..., Path]


def publish_recogniser(folder: Path, side: int = 112, **of_input: Any) -> Path:
    write_embedder(folder / "model.onnx", side)
    write_description(
        folder,
        RecognitionDescription(
            input=ModelInput(name="input.1", height=side, width=side, **of_input),
            output=ModelOutput(name="683", embedding_size=3 * (side // 16) ** 2),
            backbone="means",
            files=describe_files(folder, ["model.onnx"]),
        ),
    )
    return folder


@pytest.fixture
def models(publish_spot_detector: Publish, tmp_path: Path) -> tuple[Path, Path]:
    return publish_spot_detector(tmp_path / "detector"), publish_recogniser(tmp_path / "recogniser")


@pytest.fixture
def pipeline(models: tuple[Path, Path]) -> FacePipeline:
    return FacePipeline.open(*models, threads=2)


def with_background(photograph: np.ndarray, seed: int) -> np.ndarray:
    """Dark noise, too dark for a face, that makes embeddings differ."""
    noise = np.random.default_rng(seed).integers(1, 60, photograph.shape).astype(np.uint8)
    return np.where(photograph > 0, photograph, noise)


def save(folder: Path, count: int, faces: Callable[[int], int]) -> list[Path]:
    folder.mkdir()
    paths = []
    for number in range(count):
        corners = [(16 + 24 * (face // 8), 16 + 24 * (face % 8)) for face in range(faces(number))]
        paths.append(folder / f"{number:02}.png")
        cv2.imwrite(str(paths[-1]), with_background(spots(96, 224, *corners), number))
    return paths


def test_a_face_is_described(pipeline: FacePipeline) -> None:
    image = with_background(spots(64, 96, (24, 40)), 1)
    described = pipeline.describe(image)
    (face,) = described.faces
    assert (described.width, described.height, described.unaligned) == (96, 64, 0)
    assert face.box == pytest.approx([36, 20, 52, 36], abs=1e-3)
    assert face.score == pytest.approx(0.99995, abs=1e-4)
    assert face.landmarks == pytest.approx(LANDMARKS + np.array([40, 24]), abs=1e-3)
    assert np.array_equal(face.aligned, align_face(image, face.landmarks))
    assert (face.box.dtype, face.landmarks.dtype, face.embedding.dtype) == (np.float32,) * 3


def test_an_embedding_is_the_unit_sum_over_both_ways(pipeline: FacePipeline, models: tuple[Path, Path]) -> None:
    (face,) = pipeline.describe(with_background(spots(64, 96, (24, 40)), 2)).faces
    # The recogniser's values are means of 7 x 7 fields.
    values = (face.aligned.astype(float) - 127.5) / 128
    fields = values.reshape(7, 16, 7, 16, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    both = (fields + fields[:, :, ::-1]).ravel()
    assert face.embedding == pytest.approx(both / np.linalg.norm(both), abs=1e-5)
    assert np.array_equal(pipeline.embed_aligned(face.aligned[None])[0], face.embedding)
    alone = Embedder.load(models[1]).embed_both_ways(face.aligned[None])
    assert alone[0] == pytest.approx(face.embedding, abs=1e-6)


def test_faces_come_with_the_highest_score_first(pipeline: FacePipeline) -> None:
    image = spots(64, 96, (8, 8), colour=(220, 220, 220)) | spots(64, 96, (24, 40))
    scores = [face.score for face in pipeline.describe(image).faces]
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)


def test_a_photograph_without_a_face(pipeline: FacePipeline) -> None:
    assert pipeline.describe(np.zeros((50, 40, 3), np.uint8)).faces == ()


@pytest.mark.parametrize(
    ("count", "faces"),
    [(21, lambda number: number % 4), (40, lambda number: 0), (3, lambda number: 24)],
    ids=["some", "none", "crowds"],
)
def test_many_photographs_are_described_as_each_is(
    pipeline: FacePipeline, tmp_path: Path, count: int, faces: Callable[[int], int]
) -> None:
    paths = save(tmp_path / "photographs", count, faces)
    together = list(pipeline.describe_files(iter(paths)))
    assert [path for path, _ in together] == paths
    for number, (path, described) in enumerate(together):
        assert isinstance(described, DescribedPhotograph)
        assert len(described.faces) == faces(number)
        alone = pipeline.describe(cv2.imread(str(path))[..., ::-1])
        for one, other in zip(described.faces, alone.faces, strict=True):
            assert np.array_equal(one.aligned, other.aligned)
            assert np.array_equal(one.landmarks, other.landmarks)
            assert one.embedding == pytest.approx(other.embedding, abs=1e-6)


def test_what_cannot_be_read_is_told_in_its_place(pipeline: FacePipeline, tmp_path: Path) -> None:
    paths = save(tmp_path / "photographs", 5, lambda number: 1)
    paths[1].write_bytes(paths[1].read_bytes()[:-200])
    paths[2].write_text("no photograph")
    paths[4].unlink()
    described = dict(pipeline.describe_files(paths))
    assert [isinstance(described[path], DataError) for path in paths] == [False, True, True, False, True]
    assert all(str(path) in str(described[path]) for path in (paths[1], paths[2], paths[4]))


def test_no_photographs(pipeline: FacePipeline) -> None:
    assert list(pipeline.describe_files([])) == []
    assert pipeline.embed_aligned(np.empty((0, 112, 112, 3), np.uint8)).shape == (0, 147)


def test_paths_are_taken_only_as_they_are_needed(pipeline: FacePipeline, tmp_path: Path) -> None:
    paths, taken = save(tmp_path / "photographs", 30, lambda number: 16), []

    def one_by_one() -> Iterator[Path]:
        for path in paths:
            taken.append(path)
            yield path

    described = pipeline.describe_files(one_by_one())
    next(described)
    described.close()
    assert len(taken) < 20


def test_an_orientation_in_exif_is_applied(pipeline: FacePipeline, tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(spots(64, 96, (24, 40))).save(path, quality=95, exif=exif)
    ((_, described),) = pipeline.describe_files([path])
    assert isinstance(described, DescribedPhotograph)
    assert (described.width, described.height) == (64, 96)
    assert described.faces[0].box == pytest.approx([28, 36, 44, 52], abs=1e-3)


def test_many_aligned_faces_are_embedded_as_each_is(pipeline: FacePipeline) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (40, 112, 112, 3)).astype(np.uint8)
    embeddings = pipeline.embed_aligned(crops)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(40), abs=1e-6)
    assert embeddings == pytest.approx(np.concatenate([pipeline.embed_aligned(crop[None]) for crop in crops]), abs=1e-6)


def test_landmarks_that_are_no_face_are_counted(publish_spot_detector: Publish, tmp_path: Path) -> None:
    detector = publish_spot_detector(tmp_path / "detector", points=[0.5] * 10)
    pipeline = FacePipeline.open(detector, publish_recogniser(tmp_path / "recogniser"))
    described = pipeline.describe(spots(64, 96, (24, 40)))
    assert (described.faces, described.unaligned) == ((), 1)


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)],
    ids=lambda i: str(i.shape),
)
def test_what_is_no_photograph_is_refused(pipeline: FacePipeline, image: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"a photograph is uint8 \(height, width, 3\) RGB, not"):
        pipeline.describe(image)


def test_a_detector_without_landmarks_is_refused(publish_spot_detector: Publish, tmp_path: Path) -> None:
    recogniser = publish_recogniser(tmp_path / "recogniser")
    with pytest.raises(ModelError, match=r"haar, gives no landmarks.*give a detector that does: a retinaface or mtcnn"):
        FacePipeline.open("haar", recogniser)
    blind = publish_spot_detector(tmp_path / "ssh", landmarks=False, detector="ssh")
    with pytest.raises(ModelError, match=r"the ssh detector in .* gives no landmarks"):
        FacePipeline.open(blind, recogniser)


def test_a_folder_called_haar_is_a_folder(publish_spot_detector: Publish, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    publish_spot_detector(tmp_path / "haar")
    publish_recogniser(tmp_path / "recogniser")
    assert FacePipeline.open(Path("haar"), Path("recogniser")).embedding_size == 147


def test_models_that_are_not_for_this_are_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    detector, recogniser = models
    with pytest.raises(ModelError, match="holds a detector, where a recogniser is needed"):
        FacePipeline.open(detector, detector)
    with pytest.raises(ModelError, match="holds a recogniser, where a detector is needed"):
        FacePipeline.open(recogniser, recogniser)
    with pytest.raises(ModelError, match="does not exist"):
        FacePipeline.open(tmp_path / "absent", recogniser)
    small = publish_recogniser(tmp_path / "small", side=96)
    with pytest.raises(ModelError, match=r"takes faces of 96x96 pixels, but faces are aligned to 112x112"):
        FacePipeline.open(detector, small)


def test_a_recogniser_that_gives_no_direction_is_an_error(models: tuple[Path, Path]) -> None:
    pipeline = FacePipeline.open(*models)
    with pytest.raises(ModelError, match="gave an embedding that is zero or not finite"):
        publish_recogniser(models[1], mean=255.0, scale=1.0)
        FacePipeline.open(*models).embed_aligned(np.full((1, 112, 112, 3), 255, np.uint8))
    assert pipeline.embedding_size == 147


def test_a_copy_is_the_same_model_and_a_changed_one_is_not(models: tuple[Path, Path], tmp_path: Path) -> None:
    detector, recogniser = models
    pipeline = FacePipeline.open(detector, recogniser)
    copies = shutil.copytree(detector, tmp_path / "a"), shutil.copytree(recogniser, tmp_path / "b")
    same = FacePipeline.open(*copies, score_threshold=0.1)
    assert same.detector_identity == pipeline.detector_identity
    assert same.recogniser_identity == pipeline.recogniser_identity
    other = FacePipeline.open(detector, publish_recogniser(tmp_path / "c", mean=127.0))
    assert other.recogniser_identity.sha256 != pipeline.recogniser_identity.sha256
    assert pipeline.detector_identity.name == "retinaface spots"
