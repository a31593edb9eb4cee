"""Journals: whatever the lines are, what can be read is read and nothing raises."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.jobs.metric_history import Direction, direction_of, metric_rank, parse_journal


def line(**changes) -> str:
    return json.dumps({"step": 10, "epoch": 0, "name": "loss", "value": 2.5, "time": 100.0, **changes}) + "\n"


def test_final_and_best_follow_the_metric() -> None:
    history = parse_journal("".join(line(step=s, value=v) for s, v in ((1, 3.0), (2, 1.0), (3, 2.0))).encode())
    curve = history.curves["loss"]
    assert (curve.final.step, curve.final.value) == (3, 2.0)
    assert (curve.best.step, curve.best.value) == (2, 1.0)
    history = parse_journal("".join(line(name="lfw_accuracy", step=s, value=s / 9) for s in (1, 2)).encode())
    assert history.curves["lfw_accuracy"].best.step == 2
    assert parse_journal(line(name="lr").encode()).curves["lr"].best is None


def test_a_step_made_again_counts_once_and_last() -> None:
    history = parse_journal((line(step=5, value=1.0) + line(step=6, value=2.0) + line(step=5, value=9.0)).encode())
    assert [(point.step, point.value) for point in history.curves["loss"].points] == [(5, 9.0), (6, 2.0)]
    assert history.last_step == 6 and history.epochs == 1


def test_a_curve_is_of_one_protocol() -> None:
    text = line(step=1, protocol="old") + line(step=2, protocol="new") + line(step=3, protocol="new")
    curve = parse_journal(text.encode()).curves["loss"]
    assert curve.protocol == "new" and [point.step for point in curve.points] == [2, 3]


def test_a_torn_last_line_is_no_fault() -> None:
    history = parse_journal((line() + line(step=20))[:-25].encode())
    assert history.unreadable_lines == 0 and history.last_step == 10
    assert parse_journal((line() + line(step=20).rstrip()).encode()).last_step == 20


@pytest.mark.parametrize(
    "bad",
    ["nonsense", "[]", "1", '{"step": 1}', line(value="high"), line(value=True), line(step=1.5), line(name=3),
     '{"step":1,"name":"x","value":NaN}', '{"step":1,"name":"x","value":1e999}',
     '{"step":1,"name":"x","value":' + "9" * 400 + "}", "[" * 100_000],
)  # fmt: skip
def test_what_is_no_metric_is_counted_and_passed_over(bad: str) -> None:
    history = parse_journal((line() + bad.rstrip("\n") + "\n" + line(step=20)).encode())
    assert history.unreadable_lines == 1
    assert [point.step for point in history.curves["loss"].points] == [10, 20]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["step", "epoch", "name", "value", "time", "protocol"])


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40) | st.dictionaries(keys, values).map(lambda d: json.dumps(d).encode())))
def test_no_line_ever_raises(lines: list[bytes]) -> None:
    history = parse_journal(b"\n".join(lines))
    for curve in history.curves.values():
        steps = [point.step for point in curve.points]
        assert steps and steps == sorted(set(steps))


@settings(deadline=None)
@given(st.integers(0, 400))
def test_cut_anywhere_the_whole_lines_remain(length: int) -> None:
    text = "".join(line(step=step) for step in range(5)).encode()
    history = parse_journal(text[:length])
    assert history.unreadable_lines == 0
    steps = [point.step for curve in history.curves.values() for point in curve.points]
    whole = text[:length].count(b"\n")
    assert steps in (list(range(whole)), list(range(whole + 1)))


def test_directions() -> None:
    names = {
        "lfw_accuracy": Direction.HIGHER, "lfw_tar_at_far_1e-2": Direction.HIGHER, "loss": Direction.LOWER,
        "box_loss": Direction.LOWER, "lfw_accuracy_deviation": Direction.NEITHER, "lr": Direction.NEITHER,
        "gradient_norm": Direction.NEITHER, "ap_easy": Direction.HIGHER, "images_per_second": Direction.NEITHER,
        "lfw_tar_at_far_1e-2_deviation": Direction.NEITHER, "val_ap_20px_original": Direction.HIGHER,
        "val_recall_20px_short-640": Direction.HIGHER, "landmark_error_multi": Direction.LOWER,
        "val_landmark_error_original": Direction.LOWER, "landmark_error_left_eye_multi": Direction.LOWER,
        "short-640": Direction.NEITHER, "fnir_at_fpir_1e-2": Direction.LOWER, "rank1_accuracy": Direction.HIGHER,
    }  # fmt: skip
    assert {name: direction_of(name) for name in names} == names


def test_what_says_most_of_a_model_comes_first() -> None:
    ordered = [
        ("lfw_accuracy", "p"), ("lfw_tar_at_far_1e-2", "p"), ("accuracy", None), ("recall", None), ("val_loss", None),
        ("lfw_accuracy_deviation", "p"),
    ]  # fmt: skip
    ranks = [metric_rank(*metric) for metric in ordered]
    assert ranks == sorted(set(ranks))
    assert metric_rank("fnir_at_fpir_1e-2", "p") == metric_rank("rank1_accuracy", "p") == ranks[0]
