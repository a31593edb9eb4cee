"""Two recognisers on the same probes: the bootstrap over people against a literal one, and who got better and worse."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.jobs.comparison.as_json import as_json
from facejobs.jobs.comparison.comparison import Comparison, compare
from facejobs.jobs.comparison.identification_significance import changed_people, compare_searches
from facejobs.jobs.comparison.reading import SeedGroups, read_run
from facejobs.jobs.comparison.report import render
from facejobs.jobs.comparison.search_record import SearchRecord, parse_search_record
from facejobs.jobs.comparison.verdict import Judgement

PROTOCOL = "identification:mean:photographs:aaaaaaaaaaaa:bbbbbbbbbbbb:mirror-sum"
FNIR = "fnir_at_fpir_1e-1"


def threshold_of(strangers: np.ndarray, fpir: float) -> float:
    """Just above the first stranger who may not be named."""
    ordered = np.sort(strangers)[::-1]
    return float(np.nextafter(ordered[int(fpir * len(ordered))], np.inf))


def searches_file(right: Any, strangers: Any, people: int = 10, fpir: float = 0.1) -> dict[str, Any]:
    """Probes of `people` people in turn with these similarities to their mate (NaN: another person is nearer)."""
    right, strangers = np.array(right, float), np.array(strangers, float)
    persons = [f"person {number % people}" for number in range(len(right))]
    found = ~np.isnan(right)
    threshold = threshold_of(strangers, fpir) if len(strangers) and len(right) else None
    points = []
    if threshold is not None:
        fnir = float(np.mean(~(found & (np.nan_to_num(right, nan=-9) >= threshold))))
        points = [{"metric": FNIR, "fpir": fpir, "value": fnir, "threshold": threshold}]
    rivals = [0.99 if not has else 0.0 for has in found] + strangers.tolist()
    return {
        "format": 1,
        "protocol": PROTOCOL,
        "people": people,
        "probe": [f"{number}.jpg" for number in range(len(right) + len(strangers))],
        "subject": [number % people for number in range(len(right))] + [people + n for n in range(len(strangers))],
        "person": persons + [None] * len(strangers),
        "searched": [True] * (len(right) + len(strangers)),
        "rank": [1 if has else 2 for has in found] + [0] * len(strangers),
        "mate_similarity": [float(value) if not np.isnan(value) else 0.1 for value in right] + [None] * len(strangers),
        "rival": ["person 0"] * (len(right) + len(strangers)),
        "rival_similarity": rivals,
        "open_set": points,
    }


def record(*args: Any, **options: Any) -> SearchRecord:
    parsed = parse_search_record(json.dumps(searches_file(*args, **options)).encode())
    assert parsed is not None
    return parsed


def two_recognisers(seed: int, gain: float) -> tuple[SearchRecord, SearchRecord]:
    generator = np.random.default_rng(seed)
    easy, hard = generator.normal(0.35, 0.1, 10), generator.normal(0, 0.1, 100)
    right = easy[np.arange(100) % 10] + hard
    strangers = generator.normal(0.2, 0.1, 200)
    noise = generator.normal(0, 0.03, 300)
    right_other = np.where(generator.random(100) < 0.05, np.nan, right + gain + noise[:100])
    return record(right, strangers), record(right_other, strangers + noise[100:])


def test_the_interval_equals_a_literal_bootstrap_over_people() -> None:
    first, other = two_recognisers(3, 0.05)
    fnir, rank1 = compare_searches(first, other)
    assert (fnir.metric, fnir.units, fnir.count) == (FNIR, "people", 210)
    assert (fnir.first, fnir.other) == (first.points[0].value, other.points[0].value)
    generator = np.random.default_rng(11)
    mated = first.mated
    drawn, drawn_rank1 = [], []
    for _ in range(2000):
        photographs = np.concatenate([np.arange(100)[np.arange(100) % 10 == p] for p in generator.integers(0, 10, 10)])
        strangers = 100 + generator.integers(0, 200, 200)
        rates = []
        for recogniser in (first, other):
            limit = np.sort(recogniser.wrong[strangers])[::-1][20]
            rates.append(np.mean(recogniser.right[photographs] <= limit))
        drawn.append(rates[1] - rates[0])
        found = [np.mean(recogniser.right[photographs] > -np.inf) for recogniser in (first, other)]
        drawn_rank1.append(found[1] - found[0])
    assert mated.sum() == 100
    assert (fnir.low, fnir.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.015)
    assert (rank1.low, rank1.high) == pytest.approx(np.quantile(drawn_rank1, [0.025, 0.975]), abs=0.021)


def test_fnir_without_resampling_is_the_journals() -> None:
    # Drawn once each, the people are those that were measured.
    from facejobs.jobs.comparison.identification_significance import _FnirAt

    for seed in range(20):
        for recogniser in two_recognisers(seed, 0.02):
            ones = np.ones((1, 100), int), np.ones((1, 200), int)
            assert _FnirAt(0.1)(recogniser, *ones)[0] == pytest.approx(recogniser.points[0].value)


def test_a_large_gain_is_real_and_none_is_not() -> None:
    (gained, _), (same, rank1) = (compare_searches(*two_recognisers(1, gain)) for gain in (0.3, 0.0))
    assert gained.real and gained.difference < 0 and gained.p < 0.01
    assert not same.real
    first, _ = two_recognisers(1, 0)
    for bootstrap in compare_searches(first, first):
        assert (bootstrap.difference, bootstrap.low, bootstrap.high, bootstrap.p) == (0, 0, 0, 1)
    assert rank1.told == "rank-1 accuracy"


def test_many_probes_are_drawn_in_parts_like_few(monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = two_recognisers(2, 0.05)
    whole = compare_searches(first, other, resamples=500)
    monkeypatch.setattr("facejobs.jobs.comparison.identification_significance._MOST_AT_ONCE", 300 * 100)
    parts = compare_searches(first, other, resamples=500)
    assert (whole[0].low, whole[0].high) == pytest.approx((parts[0].low, parts[0].high), abs=0.03)


def test_who_got_better_and_who_got_worse() -> None:
    strangers = [0.3, *[0.1] * 9]
    # Persons 0, 1, 2 in turn; the threshold is just above 0.1.
    first = record([0.5, 0.5, 0.05, 0.5, 0.5, 0.05], strangers, people=3)
    other = record([0.5, 0.05, 0.5, 0.5, np.nan, 0.5], strangers, people=3)
    people = changed_people(first, other)
    assert people is not None and people.fpir == 0.1 and people.unchanged == 1
    assert [(one.person, one.probes, one.first, one.other) for one in people.better] == [("person 2", 2, 0, 2)]
    assert [(one.person, one.probes, one.first, one.other) for one in people.worse] == [("person 1", 2, 2, 0)]


def test_without_strangers_the_nearest_person_is_named() -> None:
    first, other = record([0.5, np.nan], [], people=2), record([0.01, 0.02], [], people=2)
    people = changed_people(first, other)
    assert people is not None and people.fpir is None
    assert [one.person for one in people.better] == ["person 1"]
    (rank1,) = compare_searches(first, other)
    assert (rank1.first, rank1.other) == (0.5, 1)


def test_strangers_alone_and_other_probes_are_not_compared() -> None:
    alone = record([], [0.1] * 10)
    assert compare_searches(alone, alone) == [] and changed_people(alone, alone) is None
    first, other = record([0.5] * 10, [0.1] * 10), record([0.5] * 20, [0.1] * 10)
    assert compare_searches(first, other) == [] and changed_people(first, other) is None
    foreign = parse_search_record(json.dumps({**searches_file([0.5], [0.1]), "protocol": "q"}).encode())
    with pytest.raises(ValueError, match="other probes"):
        compare_searches(first, foreign)


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"protocol": 3}, {"probe": ["one"]}, {"probe": 7}, {"rank": ["first"] * 20}, {"person": [1] * 20},
     {"subject": [0.5, "x"] * 10}, {"mate_similarity": ["high"] * 20}, {"rival_similarity": [float("nan")] * 20},
     {"open_set": [{"metric": "m", "fpir": 0, "value": 0, "threshold": 0}]}, {"open_set": [{}]}, {"open_set": 1},
     {"open_set": [{"metric": "m", "fpir": 0.1, "value": 0, "threshold": float("inf")}]}],
)  # fmt: skip
def test_damaged_searches_are_none(change: dict) -> None:
    whole = searches_file([0.5] * 10, [0.1] * 10)
    assert parse_search_record(json.dumps(whole).encode()) is not None
    assert parse_search_record(json.dumps({**whole, **change}).encode()) is None


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    assert parse_search_record(data) is None


def comparison_of(version_store, make_version, files: list[dict[str, Any]]) -> Comparison:
    folders = []
    for number, file in enumerate(files):
        line = {"step": 0, "time": 1.0, "name": FNIR, "value": file["open_set"][0]["value"], "protocol": PROTOCOL}
        folder = make_version({"lr": 0.1 + number}, metrics=json.dumps(line) + "\n")
        folder.store.write("searches.json", json.dumps(file).encode())
        folders.append(folder)
    return compare([read_run(folder) for folder in folders], SeedGroups(version_store, "cele").of)


def test_versions_are_judged_by_people_and_name_them(version_store, make_version) -> None:
    strangers = [0.3, *[0.1] * 99]
    worse, better = [0.5 if n % 10 else 0.05 for n in range(50)], [0.5] * 50
    worse[1::10] = [0.05] * 5
    comparison = comparison_of(
        version_store, make_version, [searches_file(worse, strangers), searches_file(better, strangers)]
    )
    (pair,) = comparison.pairs
    assert pair.verdict.metric == FNIR and pair.verdict.judgement in (Judgement.CREDITED, Judgement.NOT_DISTINGUISHABLE)
    assert "falls from 0.2000 to 0.0000" in pair.verdict.sentence or "cannot be told apart" in pair.verdict.sentence
    told = "\n".join(pair.verdict.details)
    assert "the difference in FNIR at FPIR 0.1 on the 110 people of query" in told
    assert "Found more often by V0002 at FPIR 0.1: person 0 0 → 5 of 5 and person 1 0 → 5 of 5." in told
    assert "8 of 10 people are found as often at FPIR 0.1 by both." in told
    written = as_json(comparison)["comparisons"][0]
    assert written["people"]["better"][0] == {"person": "person 0", "probes": 5, "first": 0, "other": 5}
    assert [bootstrap["metric"] for bootstrap in written["bootstraps"]] == [FNIR, "rank1_accuracy"]
    json.dumps(written, allow_nan=False)
    section = render(comparison).partition('id="people"')[2].partition("</section>")[0]
    assert '<th scope="row">person 0</th><td>0</td><td>5</td><td>5</td>' in section
    assert "8 more are found as often by both." in section


def test_recognisers_that_cannot_be_told_apart_are_not_ranked(version_store, make_version) -> None:
    strangers = [0.3, *[0.1] * 99]
    first = [0.5] * 50
    other = list(first)
    other[3] = 0.05
    comparison = comparison_of(
        version_store, make_version, [searches_file(first, strangers), searches_file(other, strangers)]
    )
    (pair,) = comparison.pairs
    assert pair.verdict.judgement is Judgement.NOT_DISTINGUISHABLE
    assert "where other people would give" in pair.verdict.sentence


def test_damaged_searches_are_noted(make_version) -> None:
    folder = make_version()
    folder.store.write("searches.json", b"{")
    run = read_run(folder)
    assert run.searches is None and "searches.json cannot be read" in run.notes
