"""Which verification sets a recognition run is measured on, and measuring on them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facejobs.data.model_description import Metric
from facejobs.data.pair_sets import sets_around
from facejobs.data.pairs import VerificationPairs, load_pairs, set_name
from facejobs.evaluation.pair_scores import write_pair_scores
from facejobs.evaluation.roc_picture import draw_roc
from facejobs.evaluation.verification import VerificationResult, evaluate_verification
from facejobs.training.evaluation_sets import as_it_began
from facejobs.training.progress import Progress


def choose_sets(
    data: Path, named: Sequence[str], began_with: Mapping[str, str] | None = None
) -> list[VerificationPairs]:
    """The sets that are `named`, or else those in and around the folder `data`.

    A run that goes on is measured as it began: `began_with` is the name and protocol of each of its sets, and others
    that lie around by now are left out. Raises DataError where a set cannot be read, has changed or is gone, or where
    two have one name.
    """
    paths = [Path(path) for path in named] or sets_around(data)
    if began_with is not None:
        paths = [path for path in paths if set_name(path) in began_with]
    return as_it_began([load_pairs(path) for path in paths], began_with, data)


class _Embedder(Protocol):
    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embeddings (N, E) float32 of uint8 RGB images (N, H, W, 3)."""


class MeasuredPairs:
    """One verification set, and how the newest net did on it."""

    def __init__(self, pairs: VerificationPairs) -> None:
        self.name = pairs.name
        self.protocol = pairs.protocol
        self._pairs = pairs
        self._result: VerificationResult | None = None

    @property
    def metrics(self) -> list[Metric] | None:
        """Accuracy first, where it can be given; names begin with the set's: `lfw_accuracy`."""
        if self._result is None:
            return None
        return [
            Metric(**{**metric, "name": f"{self.name}_{metric['name'].removeprefix('verification_')}"})
            for metric in self._result.metrics()
        ]

    def operating_points(self) -> list[dict[str, Any]]:
        """The set's part of the threshold table."""
        return self._result.operating_points() if self._result else []

    def measure(self, engine: _Embedder, check_stop: Callable[[], None], progress: Progress) -> None:
        """Embed and compare every pair."""

        def embed_or_stop(images: NDArray[np.uint8]) -> NDArray[np.float32]:
            check_stop()
            return engine.embed(images)

        with progress.measuring(self.name, len(self._pairs.images)) as show:
            self._result = evaluate_verification(self._pairs, embed_or_stop, progress=show)

    def write_papers(self, folder: Path) -> None:
        """Write the ROC curve and the score of every pair."""
        if self._result is not None:
            draw_roc(self._result, folder / f"roc-{self.name}.png")
            write_pair_scores(self._result, folder / "scores" / f"{self.name}.json")
