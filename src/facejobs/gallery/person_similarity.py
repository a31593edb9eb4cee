"""How similar a face is to each person of a gallery, for everybody and not only the nearest: what evaluation needs."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float32]


class Rule(StrEnum):
    """What the similarity to a person is."""

    MEAN = "mean"
    """The cosine to the mean, scaled to unit length, of the person's embeddings."""
    IMAGE = "image"
    """The highest cosine to any of the person's images."""


class PersonSimilarity:
    """Compares probes with every person; called with (P, D) unit embeddings it returns (P, N) cosines."""

    def __init__(self, embeddings: Embeddings, person_of_row: NDArray[np.integer], people: int, rule: Rule) -> None:
        """`embeddings` (R, D) have unit length, row r is of person `person_of_row[r]`, 0 <= that < `people`.

        A person without a row, or whose embeddings cancel out, has similarity -inf to everything.
        """
        order = np.argsort(person_of_row, kind="stable")
        self._known, self._starts = np.unique(person_of_row[order], return_index=True)
        self._people, self._rule = people, rule
        self._rows = embeddings[order]
        if rule is Rule.MEAN and len(order):
            sums = np.add.reduceat(self._rows, self._starts, axis=0)
            lengths = np.linalg.norm(sums, axis=1)
            self._known, sums, lengths = (part[lengths > 0] for part in (self._known, sums, lengths))
            self._rows = sums / lengths[:, None]

    def __call__(self, probes: Embeddings) -> NDArray[np.float32]:
        similarities = np.full((len(probes), self._people), -np.inf, np.float32)
        if len(self._known):
            cosines = probes @ self._rows.T
            if self._rule is Rule.IMAGE:
                cosines = np.maximum.reduceat(cosines, self._starts, axis=1)
            similarities[:, self._known] = cosines
        return similarities
