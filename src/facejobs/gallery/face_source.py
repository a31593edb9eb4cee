"""Where the embeddings of an evaluation come from: whole photographs, or faces that are aligned already."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facejobs.data.alignment import TEMPLATE_SIZE
from facejobs.data.detection.photograph_files import work_ahead
from facejobs.data.detection.photographs import Photograph, read_photograph
from facejobs.data.errors import DataError
from facejobs.gallery.face_choice import choose_face, most_prominent_face
from facejobs.gallery.face_quality import QualityLimits, measure_quality
from facejobs.inference.embedder import Embedder
from facejobs.inference.face_pipeline import DescribedPhotograph, FacePipeline
from facejobs.inference.model_identity import ModelIdentity

Embedding = NDArray[np.float32]
_BATCH = 64


class FaceSource(Protocol):
    """Gives an embedding (D,) of unit length, or None, for each path, in order; `kind` names it in protocols.

    `of_probes` tries to find somebody on every photograph and raises DataError for one that cannot be read;
    `of_enrolled` takes only those that a gallery would.
    """

    kind: str
    embedding_size: int

    @property
    def models(self) -> Mapping[str, ModelIdentity]:
        """What identifies the `recogniser`, and the `detector` where there is one."""

    def of_probes(self, paths: Sequence[Path]) -> Iterator[Embedding | None]:
        """Embeddings to search with."""

    def of_enrolled(self, paths: Sequence[Path]) -> Iterator[Embedding | None]:
        """Embeddings to be found."""


class Photographs:
    """Finds, aligns and embeds faces: of probes the most prominent one, of the enrolled as `gallery build` does."""

    kind = "photographs"

    def __init__(self, pipeline: FacePipeline, limits: QualityLimits | None = None) -> None:
        """`limits` are what the enrolled must reach, by default those of `gallery build`."""
        self._pipeline = pipeline
        self._limits = limits or QualityLimits()
        self.embedding_size = pipeline.embedding_size
        self.models = {"detector": pipeline.detector_identity, "recogniser": pipeline.recogniser_identity}

    def of_probes(self, paths: Sequence[Path]) -> Iterator[Embedding | None]:
        for _, photograph in self._pipeline.describe_files(paths):
            if isinstance(photograph, DataError):
                raise photograph
            face = most_prominent_face(photograph, self._limits.least_score)
            yield None if face is None else face.embedding

    def of_enrolled(self, paths: Sequence[Path]) -> Iterator[Embedding | None]:
        for _, photograph in self._pipeline.describe_files(paths):
            yield None if isinstance(photograph, DataError) else self._enrolled(photograph)

    def _enrolled(self, photograph: DescribedPhotograph) -> Embedding | None:
        face = choose_face(photograph, self._limits.least_score)
        if isinstance(face, str) or measure_quality(face).refusal(self._limits) is not None:
            return None
        return face.embedding


class AlignedFaces:
    """Embeds images that are faces aligned to 112x112 pixels already, without looking for any."""

    kind = "aligned"

    def __init__(self, embedder: Embedder, identity: ModelIdentity) -> None:
        self._embedder = embedder
        self.embedding_size = embedder.embedding_size
        self.models = {"recogniser": identity}

    def of_probes(self, paths: Sequence[Path]) -> Iterator[Embedding | None]:
        waiting: list[Photograph] = []
        for path, image in work_ahead(read_photograph, paths):
            if image.shape[:2] != (TEMPLATE_SIZE, TEMPLATE_SIZE):
                raise DataError(
                    f"{path}: {image.shape[1]}x{image.shape[0]} pixels, where faces aligned to {TEMPLATE_SIZE}x"
                    f"{TEMPLATE_SIZE} are needed; leave --aligned out to have faces found and aligned"
                )
            waiting.append(image)
            if len(waiting) == _BATCH:
                yield from self._embedder.embed_both_ways(np.stack(waiting))
                waiting = []
        if waiting:
            yield from self._embedder.embed_both_ways(np.stack(waiting))

    of_enrolled = of_probes
