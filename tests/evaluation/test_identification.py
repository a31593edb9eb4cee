"""Identification equals hand-computed cases and a slow, literal computation of its rates."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.errors import ExitCode
from facejobs.evaluation.errors import EvaluationError
from facejobs.evaluation.identification import FPIRS, evaluate_identification, fnir_name
from facejobs.evaluation.searches import NOBODY, joined, search

# Probes of persons 0, 0, 1 and 2, and of two strangers, among three people.
SIMILARITIES = np.array(
    [
        [0.9, 0.1, 0.2],
        [0.3, 0.5, 0.1],  # named 1 instead of 0
        [0.1, 0.7, 0.6],
        [0.2, 0.3, 0.4],
        [0.45, 0.1, 0.2],
        [0.1, 0.2, 0.35],
    ]
)
MATES = np.array([0, 0, 1, 2, NOBODY, NOBODY])


def evaluated(similarities, mates, searched=None, subjects=None, **options):
    mates = np.array(mates)
    searched = np.ones(len(mates), bool) if searched is None else np.array(searched)
    subjects = np.arange(len(mates)) if subjects is None else np.array(subjects)
    searches = search(np.array(similarities, np.float64), mates, searched)
    return evaluate_identification(searches, subjects, "protocol", **{"resamples": 20, **options})


def many_strangers(scores, genuine=((0.9, 0.1),)):
    """A gallery of two; probes of person 0 with the given similarities, strangers nearest to person 1."""
    rows = [*genuine, *((-1.0, score) for score in scores)]
    return evaluated(rows, [0] * len(genuine) + [NOBODY] * len(scores))


def literal(similarities, mates, searched, threshold):
    """FNIR and FPIR at a threshold, search by search."""
    missed, named, mated, strangers = 0, 0, 0, 0
    for row, mate, has_face in zip(similarities, mates, searched, strict=True):
        candidates = [person for person in range(len(row)) if has_face and row[person] >= threshold]
        if mate == NOBODY:
            strangers += 1
            named += bool(candidates)
            continue
        mated += 1
        alone_on_top = has_face and all(row[mate] > row[person] for person in range(len(row)) if person != mate)
        missed += not (mate in candidates and alone_on_top)
    return missed / mated if mated else None, named / strangers if strangers else None


def literal_rank(row, mate):
    return 1 + sum(1 for person, value in enumerate(row) if person != mate and value >= row[mate])


def literal_fnir_at(similarities, mates, searched, fpir):
    """The lowest FNIR at any threshold, of all that decide differently, whose FPIR is at most `fpir`."""
    values = sorted({value for row in similarities for value in row})
    limits = [values[0] - 1, *((a + b) / 2 for a, b in itertools.pairwise(values)), *values, values[-1] + 1]
    rates = [literal(similarities, mates, searched, limit) for limit in limits]
    return min(missed for missed, named in rates if named <= fpir)


def test_hand_computed_ranks_and_rates() -> None:
    result = evaluated(SIMILARITIES, MATES)
    assert result.searches.ranks.tolist() == [1, 2, 1, 1, 0, 0]
    assert result.searches.returned.tolist() == [0, 1, 1, 2, 0, 2]
    assert [(point.rank, point.value) for point in result.ranks] == [(1, 0.75)]
    assert result.cmc.tolist() == [0.75, 1, 1]
    # No stranger named: above 0.45, where person 2 (0.4) is missed too. One of two: above 0.35.
    assert dict(zip(result.fpir, result.fnir, strict=True)) == {0: 0.5, 0.5: 0.25, 1: 0.25}
    assert {missing.name: missing.reason for missing in result.not_measured} == {
        "rank5_accuracy": "among 3 people a rank of 5 says nothing",
        "fnir_at_fpir_1e-1": "2 photographs of strangers, 10 needed",
        "fnir_at_fpir_1e-2": "2 photographs of strangers, 100 needed",
        "fnir_at_fpir_1e-3": "2 photographs of strangers, 1,000 needed",
    }
    assert result.headline is None and result.threshold == -np.inf


def test_the_threshold_lets_a_tenth_of_strangers_pass_and_no_more() -> None:
    result = many_strangers([0.1, 0.9, 0.5, 0.4, 0.3, 0.2, 0.15, 0.12, 0.11, 0.13], genuine=[(0.6, 0.1), (0.5, 0.1)])
    (point,) = result.open_set
    assert (point.name, point.fpir, point.reached, point.fnir) == ("fnir_at_fpir_1e-1", 0.1, 0.1, 0.5)
    # Between the second stranger, 0.5, and the first person, 0.6: the person at 0.5 is as similar as a stranger.
    assert point.threshold == pytest.approx(0.55)
    assert point.rough and result.headline is point and result.threshold == point.threshold
    assert result.metrics()[0] == {
        "name": "fnir_at_fpir_1e-1", "value": 0.5, "protocol": "protocol", "interval": list(point.interval),
    }  # fmt: skip


def test_strangers_that_are_all_alike_pass_together_or_not_at_all() -> None:
    (point,) = many_strangers([0.5] * 20, genuine=[(0.6, 0), (0.5, 0)]).open_set
    assert (point.reached, point.fnir) == (0, 0.5)
    (point,) = many_strangers([0.7] * 20, genuine=[(0.6, 0), (0.5, 0)]).open_set
    assert (point.reached, point.fnir, point.threshold > 0.7) == (0, 1, True)


def test_one_per_cent_of_150_strangers_is_one_of_them() -> None:
    point = {point.fpir: point for point in many_strangers(np.linspace(0.0, 0.8, 150)).open_set}[0.01]
    assert point.reached == pytest.approx(1 / 150)
    assert point.reached_interval == pytest.approx((0.00118, 0.0368), abs=1e-4)


def test_a_tie_counts_against_the_mate() -> None:
    result = evaluated([[0.5, 0.5], [0.5, 0.5], [0.5, 0.2]], [0, 1, 0])
    assert result.searches.ranks.tolist() == [2, 2, 1]
    assert result.searches.returned.tolist() == [1, 0, 0]
    assert result.ranks[0].value == pytest.approx(1 / 3)


def test_a_probe_without_a_face_is_missed_at_every_rank_and_names_no_one() -> None:
    searched = [True, True, True, False, False, True]
    result = evaluated(SIMILARITIES, MATES, searched)
    assert result.searches.ranks.tolist() == [1, 2, 1, 0, 0, 0]
    assert result.cmc.tolist() == [0.5, 0.75, 0.75]
    # The stranger without a face is never named, so FPIR 0.5 is where everybody gets a name.
    assert dict(zip(result.fpir, result.fnir, strict=True)) == {0: 0.5, 0.5: 0.5, 1: 0.5}
    assert result.searches.returned.tolist() == [0, 1, 1, NOBODY, NOBODY, 2]


def test_where_no_stranger_has_a_face_everybody_is_named() -> None:
    similarities = [[0.1, 0.0], [0.9, 0.2], *[[0.95, 0.9]] * 10]
    result = evaluated(similarities, [0, 0] + [NOBODY] * 10, [True] * 2 + [False] * 10)
    (point,) = result.open_set
    assert (point.fnir, point.reached) == (0, 0) and -2 < point.threshold <= 0.1 and math.isfinite(point.threshold)


def test_somebody_who_could_not_be_enrolled_is_missed_and_never_named() -> None:
    result = evaluated([[-np.inf, 0.3], [-np.inf, -np.inf]], [0, 0])
    assert result.searches.ranks.tolist() == [2, 2]
    assert result.searches.rivals.tolist() == [1, NOBODY]
    assert result.ranks[0].value == 0


def test_without_strangers_there_is_no_open_set() -> None:
    result = evaluated(SIMILARITIES[:4], MATES[:4])
    assert (result.open_set, len(result.fpir), result.ranks[0].value) == ((), 0, 0.75)
    assert [missing.reason for missing in result.not_measured][1:] == ["there are no strangers"] * 3


def test_of_strangers_alone_nothing_can_be_measured() -> None:
    result = evaluated(SIMILARITIES, [NOBODY] * 6)
    assert (result.ranks, result.open_set, len(result.cmc), result.metrics()) == ((), (), 0, [])
    assert {missing.reason for missing in result.not_measured} == {"there are no probes of enrolled people"}


def test_an_empty_gallery_makes_everybody_a_stranger() -> None:
    searches = search(np.empty((2, 0)), np.array([NOBODY, NOBODY]), np.array([True, True]))
    assert searches.rivals.tolist() == [NOBODY, NOBODY]
    assert evaluate_identification(searches, np.arange(2), "p").metrics() == []


def test_a_gallery_of_one_has_no_rivals() -> None:
    result = evaluated([[0.4], [0.2], [0.3]], [0, 0, NOBODY])
    assert result.searches.rivals.tolist() == [NOBODY, NOBODY, 0]
    assert (result.cmc.tolist(), result.fnir.tolist()) == ([1], [0.5, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_similarities_that_are_no_numbers_are_the_models_fault(bad: float) -> None:
    similarities = np.array([[0.1, bad]])
    with pytest.raises(EvaluationError, match="not finite") as caught:
        search(similarities, np.array([0]), np.array([True]))
    assert caught.value.exit_code == ExitCode.BAD_MODEL
    assert search(similarities, np.array([0]), np.array([False])).ranks.tolist() == [0]


@pytest.mark.parametrize(("mates", "searched"), [([2], [True]), ([-2], [True]), ([0, 1], [True]), ([0], [True] * 2)])
def test_arrays_that_do_not_fit_are_refused(mates: list[int], searched: list[bool]) -> None:
    with pytest.raises(ValueError, match="similarities"):
        search(np.array([[0.1, 0.2]]), np.array(mates), np.array(searched))


def test_the_interval_draws_people_and_not_photographs() -> None:
    # Ten photographs of each of four people, of whom one is never found: drawing people, all may be that one.
    mates, subjects = np.repeat(np.arange(4), 10), np.repeat(np.arange(4), 10)
    similarities = np.eye(4)[mates]
    similarities[mates == 3] = [1, 0, 0, 0.5]
    of_people = evaluated(similarities, mates, subjects=subjects, resamples=500).ranks[0]
    of_photographs = evaluated(similarities, mates, subjects=np.arange(40), resamples=500).ranks[0]
    assert of_people.value == of_photographs.value == 0.75
    width = np.diff(of_people.interval)[0]
    assert width > 1.5 * np.diff(of_photographs.interval)[0] and of_people.interval[0] == pytest.approx(0.25)


def test_a_threshold_that_was_chosen_before_is_held_to_its_word() -> None:
    rates = evaluated(SIMILARITIES, MATES, threshold=0.4).at_threshold
    assert rates is not None
    # At 0.4 the last person is still named, one of the two strangers too.
    assert (rates.threshold, rates.fnir, rates.fpir) == (0.4, 0.25, 0.5)
    assert rates.fnir_interval[0] < 0.25 < rates.fnir_interval[1] and rates.fpir_interval[0] < 0.5
    assert [name for name, *_ in rates.metrics()] == ["calibrated_fnir", "calibrated_fpir"]
    strangers = evaluated(SIMILARITIES[4:], MATES[4:], threshold=0.4)
    assert (strangers.at_threshold.fnir, strangers.at_threshold.fpir) == (None, 0.5)
    assert [metric["name"] for metric in strangers.metrics()] == ["calibrated_fpir"]
    assert evaluated(SIMILARITIES[:4], MATES[:4], threshold=0.4).at_threshold.fpir is None
    assert evaluated(SIMILARITIES, MATES).at_threshold is None


def test_a_perfect_score_keeps_a_doubt() -> None:
    result = evaluated(np.eye(4)[[0, 1, 2, 3]], [0, 1, 2, 3])
    low, high = result.ranks[0].interval
    assert low < 0.6 and high == 1


def test_the_interval_of_fnir_is_that_of_a_literal_bootstrap() -> None:
    rng = np.random.default_rng(5)
    mates = np.concatenate([np.repeat(np.arange(10), 6), np.full(200, NOBODY)])
    similarities = rng.normal(0, 0.2, (260, 10))
    similarities[np.arange(60), mates[:60]] += rng.normal(0.6, 0.2, 10)[mates[:60]]
    subjects = np.concatenate([mates[:60], 100 + np.arange(200)])
    result = evaluated(similarities, mates, subjects=subjects, resamples=1000)
    point = next(point for point in result.open_set if point.fpir == 0.1)
    right = np.where(similarities[:60].argmax(axis=1) == mates[:60], similarities[np.arange(60), mates[:60]], -9)
    strangers = similarities[60:].max(axis=1)
    drawn = []
    for _ in range(1000):
        photographs = np.concatenate([np.flatnonzero(mates[:60] == person) for person in rng.integers(0, 10, 10)])
        limit = np.sort(rng.choice(strangers, 200))[-21]  # 20 of 200 may be higher
        drawn.append(np.mean(right[photographs] <= limit))
    assert point.interval == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.05)


def test_the_same_searches_give_the_same_numbers() -> None:
    assert evaluated(SIMILARITIES, MATES).metrics() == evaluated(SIMILARITIES, MATES).metrics()


def test_parts_of_the_probes_searched_one_after_the_other_are_the_whole() -> None:
    searched = np.array([True, False, True, True, True, False])
    whole = search(SIMILARITIES, MATES, searched)
    parts = joined([search(SIMILARITIES[rows], MATES[rows], searched[rows]) for rows in (slice(0, 1), slice(1, 6))])
    for name in ("mates", "searched", "ranks", "mate_similarity", "rivals", "rival_similarity"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))


def test_names_of_metrics() -> None:
    assert [fnir_name(fpir) for fpir in FPIRS] == ["fnir_at_fpir_1e-1", "fnir_at_fpir_1e-2", "fnir_at_fpir_1e-3"]


@st.composite
def searches_of_all_kinds(draw):
    """Few distinct similarities, so that ties abound; any mix of mates, strangers, and probes without a face."""
    people = draw(st.integers(1, 7))
    probes = draw(st.integers(1, 40))
    values = st.sampled_from([-0.5, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0])
    rows = draw(st.lists(st.lists(values, min_size=people, max_size=people), min_size=probes, max_size=probes))
    mates = draw(st.lists(st.integers(-1, people - 1), min_size=probes, max_size=probes))
    searched = draw(st.lists(st.booleans(), min_size=probes, max_size=probes))
    return rows, mates, searched


@given(searches_of_all_kinds())
def test_rates_equal_a_literal_computation(case) -> None:
    rows, mates, searched = case
    result = evaluated(rows, mates, searched, resamples=2)
    mated = [number for number, mate in enumerate(mates) if mate != NOBODY]
    for number in mated:
        expected = literal_rank(rows[number], mates[number]) if searched[number] else 0
        assert result.searches.ranks[number] == expected
    for rank, share in enumerate(result.cmc, 1):
        found = [n for n in mated if searched[n] and literal_rank(rows[n], mates[n]) <= rank]
        assert share == pytest.approx(len(found) / len(mated))
    for point in result.open_set:
        assert point.fnir == pytest.approx(literal_fnir_at(rows, mates, searched, point.fpir))
        assert literal(rows, mates, searched, point.threshold) == pytest.approx((point.fnir, point.reached))
        assert point.reached <= point.fpir
        assert point.interval[0] <= point.fnir <= point.interval[1]
    for fpir, fnir in zip(result.fpir, result.fnir, strict=True):
        assert fnir == pytest.approx(literal_fnir_at(rows, mates, searched, fpir + 1e-9))
    rates = evaluated(rows, mates, searched, resamples=2, threshold=0.2).at_threshold
    assert (rates.fnir, rates.fpir) == literal(rows, mates, searched, 0.2)


@given(searches_of_all_kinds(), st.randoms(use_true_random=False))
def test_the_order_of_probes_does_not_matter(case, random) -> None:
    rows, mates, searched = case
    order = list(range(len(rows)))
    random.shuffle(order)
    first = evaluated(rows, mates, searched, resamples=1)
    other = evaluated([rows[n] for n in order], [mates[n] for n in order], [searched[n] for n in order], resamples=1)
    assert [point.value for point in first.ranks] == [point.value for point in other.ranks]
    assert [(point.fnir, point.threshold) for point in first.open_set] == [
        (point.fnir, point.threshold) for point in other.open_set
    ]
