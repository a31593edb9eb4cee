import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.jobs.backends.kubernetes_log import beyond


@pytest.mark.parametrize(
    ("lines", "before", "position"),
    [
        (["a", "b", "c"], ["x", "a", "b"], 2),
        (["a", "b"], ["x", "a", "b"], 2),
        (["a", "b"], ["x"], None),
        (["a", "b"], [], None),
        ([], ["a"], None),
        # The node has dropped the beginning of its copy.
        (["c", "d", "e"], ["a", "b", "c", "d"], 2),
        # A line that comes twice: what comes before it tells which one is meant.
        (["s", "a", "s", "b"], ["s", "a", "s"], 3),
    ],
)
def test_where_one_copy_goes_on_in_the_other(lines: list[str], before: list[str], position: int | None) -> None:
    assert beyond(lines, before) == position


@given(st.lists(st.uuids().map(str), min_size=1, max_size=60, unique=True), st.data())
def test_any_cut_of_a_log_is_found_again(log: list[str], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(log)))
    begin = data.draw(st.integers(0, cut - 1))
    earlier = data.draw(st.lists(st.just("an earlier attempt"), max_size=3))
    assert beyond(log[begin:], [*earlier, *log[:cut]]) == cut - begin
