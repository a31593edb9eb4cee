"""How similar a face is to each person of a gallery, to everybody and not the nearest only: what evaluation needs."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facejobs.gallery.person_means import person_means

Embeddings = NDArray[np.float32]
SimilarityRule = Literal["mean", "image"]


class PersonSimilarity:
    """Compares probes with every person; called with (P, D) unit embeddings it returns (P, N) cosines."""

    def __init__(
        self, embeddings: Embeddings, person_of_row: NDArray[np.int64], people: int, rule: SimilarityRule
    ) -> None:
        """`embeddings` (R, D) have unit length, row r is of person `person_of_row[r]`, 0 <= that < `people`.

        The similarity to a person is, by the rule `mean`, the cosine to the mean of their embeddings; by `image`, the
        highest cosine to one of them. A person without a row has similarity -inf to everything.
        """
        self.people = people
        self._rule = rule
        self._known, place = np.unique(person_of_row, return_inverse=True)
        if rule == "mean":
            means = person_means(embeddings, place.astype(np.int64), len(self._known))
            self._rows = np.concatenate([*means, np.empty((0, embeddings.shape[1]), np.float32)])
        else:
            order = np.argsort(place, kind="stable")
            self._rows = embeddings[order]
            self._starts = np.searchsorted(place[order], np.arange(len(self._known)))

    def __call__(self, probes: Embeddings) -> NDArray[np.float32]:
        similarities = np.full((len(probes), self.people), -np.inf, np.float32)
        if len(self._known):
            cosines = probes @ self._rows.T
            if self._rule == "image":
                cosines = np.maximum.reduceat(cosines, self._starts, axis=1)
            similarities[:, self._known] = cosines
        return similarities
