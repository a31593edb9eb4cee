"""From photographs to embeddings: find the faces, align them, embed them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs.data.alignment import TEMPLATE_SIZE
from facejobs.data.detection.photograph_files import AT_ONCE
from facejobs.data.detection.photographs import Photograph, read_photograph
from facejobs.data.detection.test_scale import ORIGINAL, TestScale
from facejobs.data.errors import DataError, ModelError
from facejobs.data.model_folder import find_model_folder
from facejobs.inference.aligned_faces import AlignedFaces, find_aligned_faces
from facejobs.inference.detector import HAAR, PublishedDetector, open_published
from facejobs.inference.embedder import Embedder
from facejobs.inference.embedding_flow import embed_in_parallel, embed_together
from facejobs.inference.haar import HaarDetector
from facejobs.inference.model_identity import ModelIdentity, identity_of


@dataclass(frozen=True, slots=True, eq=False)
class DescribedFace:
    """A face in pixels of its upright photograph.

    `box` (4,) float32 is x1, y1, x2, y2; `landmarks` (5, 2) float32; `embedding` (D,) float32 of length 1; `aligned`
    the uint8 (112, 112, 3) RGB pixels that were embedded.
    """

    box: NDArray[np.float32]
    score: float
    landmarks: NDArray[np.float32]
    embedding: NDArray[np.float32]
    aligned: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class DescribedPhotograph:
    """The faces of a photograph of `width` x `height` pixels, the highest score first.

    `unaligned` counts detections that are not among them, because their landmarks are not laid out like a face.
    """

    width: int
    height: int
    faces: tuple[DescribedFace, ...]
    unaligned: int = 0


class FacePipeline:
    """A detector and a recogniser; `describe` and `embed_aligned` may be called from several threads at once."""

    def __init__(self, detector: PublishedDetector, recogniser: Embedder, workers: int = 1) -> None:
        """Join two opened models, each of which is used by up to `workers` threads at once.

        Raises ModelError where the detector gives no landmarks, or the recogniser takes faces of another size than
        those that alignment gives.
        """
        if detector.description.outputs.landmarks is None:
            raise _no_landmarks(f"the {detector.name} detector in {detector.folder}")
        tensor = recogniser.description.input
        if (tensor.height, tensor.width) != (TEMPLATE_SIZE, TEMPLATE_SIZE):
            raise ModelError(
                f"the recogniser in {recogniser.folder} takes faces of {tensor.width}x{tensor.height} pixels, but "
                f"faces are aligned to {TEMPLATE_SIZE}x{TEMPLATE_SIZE}; give a recogniser for faces of that size"
            )
        self.detector = detector
        self.recogniser = recogniser
        self._workers = workers
        self.detector_identity: ModelIdentity = identity_of(detector.description)
        self.recogniser_identity: ModelIdentity = identity_of(recogniser.description)

    @classmethod
    def open(
        cls,
        detector: str | Path,
        recogniser: Path,
        *,
        score_threshold: float | None = None,
        scale: TestScale = ORIGINAL,
        threads: int | None = None,
    ) -> "FacePipeline":
        """Open two published models, each given by its folder or by the output of the run that trained it.

        Faces score at least `score_threshold`, by default that of the detector, in photographs shown at `scale`. The
        models run on the CPU with `threads` (all allowed ones), half of them for each of two photographs at once.
        Raises ModelError.
        """
        if detector == HAAR:
            raise _no_landmarks("OpenCV's cascade, haar,")
        threads = threads or len(os.sched_getaffinity(0))
        workers = min(AT_ONCE, threads)
        each = threads // workers
        folder = find_model_folder(Path(detector))
        found = open_published(folder, scale, score_threshold, each)
        if isinstance(found, HaarDetector):
            raise _no_landmarks(f"the haar detector in {folder}")
        return cls(
            found,
            Embedder.load(find_model_folder(recogniser), each),
            workers,
        )

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return self.recogniser.embedding_size

    def describe(self, image: Photograph) -> DescribedPhotograph:
        """Return the faces of an upright photograph, uint8 (H, W, 3) RGB.

        Raises DataError for another array, and ModelError where a model's answer is not what its model.json says.
        """
        aligned = find_aligned_faces(self.detector, image)
        return _described(aligned, self.embed_aligned(aligned.crops))

    def describe_files(self, paths: Iterable[Path]) -> Iterator[tuple[Path, DescribedPhotograph | DataError]]:
        """Yield each path with its described photograph, in order, or with the error where it cannot be read.

        Photographs are read, searched and aligned ahead, and the faces of several are embedded together. Raises
        ModelError where a model's answer is not what its model.json says.
        """
        embed = self.recogniser.embed_both_ways
        for path, embedded in embed_together(paths, self._align_file, embed, self._workers):
            yield path, embedded if isinstance(embedded, DataError) else _described(*embedded)

    def embed_aligned(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the embeddings, float32 (N, D) of length 1, of aligned faces, uint8 (N, 112, 112, 3) RGB.

        As `evaluate verification` measures them: those of the image and of its mirror image added, then scaled. Raises
        ModelError for faces of another size, and where the model gives a face no direction.
        """
        return embed_in_parallel(crops, self.recogniser.embed_both_ways, self._workers)

    def _align_file(self, path: Path) -> AlignedFaces | DataError:
        try:
            image = read_photograph(path)
        except DataError as error:
            return error
        return find_aligned_faces(self.detector, image)


def _described(aligned: AlignedFaces, embeddings: NDArray[np.float32]) -> DescribedPhotograph:
    faces = zip(aligned.boxes, aligned.scores, aligned.landmarks, embeddings, aligned.crops, strict=True)
    return DescribedPhotograph(
        aligned.width,
        aligned.height,
        tuple(
            DescribedFace(box, float(score), landmarks, embedding, crop)
            for box, score, landmarks, embedding, crop in faces
        ),
        aligned.unaligned,
    )


def _no_landmarks(detector: str) -> ModelError:
    return ModelError(
        f"{detector} gives no landmarks, by which faces are aligned; give a detector that does: a retinaface or mtcnn "
        "trained here, or one that `facejobs model import` made of a RetinaFace or SCRFD"
    )
