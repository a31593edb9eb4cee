"""Boxes for property tests."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy


@st.composite
def _box_table(draw: DrawFn, most: int, reach: int, smallest: int) -> np.ndarray:
    """Boxes (N, 4) x1 y1 x2 y2 with corners at half pixels, so that areas are exact, some of them alike."""
    corner, side = st.integers(-20, 2 * reach), st.integers(smallest, 2 * reach)
    rows = draw(st.lists(st.tuples(corner, corner, side, side), max_size=most))
    table = np.array(rows, np.float32).reshape(-1, 4)
    table[:, 2:] += table[:, :2]
    return table / 2


def box_tables(most: int, reach: int = 128, smallest: int = 0) -> SearchStrategy[np.ndarray]:
    """Up to `most` boxes with sides of `smallest` half pixels up to `reach` pixels."""
    return _box_table(most, reach, smallest)
