"""Who is missed and who attracts strangers, and what an identification leaves in its folder."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.evaluation.identification import IdentificationResult, evaluate_identification
from facejobs.evaluation.identification_results import MeasuredPair, save_results, to_json
from facejobs.evaluation.person_outcomes import most_attractive, most_missed, person_outcomes
from facejobs.evaluation.searches import NOBODY, search

PEOPLE = ["Ann", "Bo\n", "Çelik, İ."]


@pytest.fixture
def result() -> IdentificationResult:
    """Ann is found twice, Bo once of three and once taken for Ann; strangers are near Çelik."""
    mates = [0, 0, 1, 1, 1, *[NOBODY] * 20]
    rows = [[0.9, 0.1, 0.1], [0.8, 0.2, 0.1], [0.1, 0.7, 0.1], [0.85, 0.3, 0.1], [0, 0, 0]]
    rows += [[0.0, 0.0, 0.3 + number / 100] for number in range(18)] + [[0.0, 0.0, 0.95], [0, 0, 0]]
    searched = np.ones(25, bool)
    searched[[4, 24]] = False
    searches = search(np.array(rows), np.array(mates), searched)
    return evaluate_identification(searches, np.array([0, 0, 1, 1, 1, *range(2, 22)]), "identification:x", 50)


@pytest.fixture
def measured(result: IdentificationResult) -> MeasuredPair:
    probes = [f"probe {number}.jpg" for number in range(25)]
    return MeasuredPair(PEOPLE, probes, {"recogniser": {"name": "r", "sha256": "0"}}, {"rule": "mean"})


def test_who_is_missed_and_who_attracts(result: IdentificationResult) -> None:
    # Two of twenty strangers may be named: those at 0.95 and at 0.47.
    assert result.headline and result.headline.fpir == 0.1 and 0.46 < result.threshold <= 0.47
    outcomes = person_outcomes(result.searches, result.threshold)
    ann, bo, celik = outcomes
    assert (ann.probes, ann.missed, ann.others, ann.strangers) == (2, 0, 1, 0)
    assert (bo.probes, bo.missed, bo.without_face, bo.misnamed, bo.confused_with) == (3, 2, 1, 1, 0)
    assert (celik.probes, celik.strangers, celik.nearest_to_strangers, celik.confused_with) == (0, 2, 19, NOBODY)
    assert [one.person for one in most_missed(outcomes)] == [1]
    assert [one.person for one in most_attractive(outcomes)] == [2, 0]


def test_without_a_threshold_everybody_gets_a_name(result: IdentificationResult) -> None:
    outcomes = {one.person: one for one in person_outcomes(result.searches, -np.inf)}
    assert outcomes[2].strangers == outcomes[2].nearest_to_strangers == 19
    assert outcomes[1].missed == 2


@given(st.integers(0, 2**16), st.integers(1, 5), st.integers(1, 30), st.sampled_from([-np.inf, 0.0, 0.5, 2.0]))
def test_outcomes_equal_a_count_search_by_search(seed: int, people: int, probes: int, threshold: float) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.integers(-4, 5, (probes, people)) / 4
    mates, searched = generator.integers(-1, people, probes), generator.random(probes) < 0.8
    outcomes = {one.person: one for one in person_outcomes(search(rows, mates, searched), threshold)}
    for person in range(people):
        missed = misnamed = strangers = others = nearest = 0
        for row, mate, has_face in zip(rows, mates, searched, strict=True):
            best = [other for other in range(people) if row[other] == max(row)] if has_face else []
            rivals = [other for other in best if other != mate]
            top = rivals[0] if rivals else (best[0] if best else None)
            named = top if top is not None and max(row) >= threshold else None
            missed += mate == person and named != person
            misnamed += mate == person and named not in (None, person)
            strangers += mate == NOBODY and named == person
            others += mate not in (NOBODY, person) and named == person
            nearest += mate == NOBODY and top == person
        own = (mates == person).sum()
        if person not in outcomes:
            assert not (own or strangers or others or nearest)
            continue
        one = outcomes[person]
        assert (one.probes, one.missed, one.misnamed) == (own, missed, misnamed)
        assert (one.strangers, one.others, one.nearest_to_strangers) == (strangers, others, nearest)
        assert one.without_face == ((mates == person) & ~searched).sum()


def test_the_folder_holds_everything(result: IdentificationResult, measured: MeasuredPair, tmp_path: Path) -> None:
    assert save_results(tmp_path, measured, result) == ["cmc.png", "det.png"]
    written = json.loads((tmp_path / "results.json").read_text())
    assert written == json.loads(json.dumps(to_json(measured, result)))
    numbers = written["identification"]
    assert numbers["mated"] == {"probes": 5, "people": 2, "without_face": 1}
    assert numbers["strangers"] == {"probes": 20, "people": 20, "without_face": 1}
    assert numbers["headline"] == "fnir_at_fpir_1e-1"
    assert numbers["per_person"][1]["confused_with"] == "Ann"
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["fnir_at_fpir_1e-1", "rank1_accuracy"]
    assert lines[0]["value"] == pytest.approx(0.4) and lines[0]["step"] == 0 and lines[0]["protocol"]
    with (tmp_path / "people.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["person"] for row in rows] == PEOPLE and rows[1]["missed"] == "2"
    for name in ("cmc.png", "det.png"):
        assert cv2.imread(str(tmp_path / name)).shape == (600, 840, 3)


def test_searches_are_kept_probe_by_probe(result: IdentificationResult, measured: MeasuredPair, tmp_path: Path) -> None:
    save_results(tmp_path, measured, result)
    kept = json.loads((tmp_path / "searches.json").read_text())
    assert kept["person"][:6] == ["Ann", "Ann", "Bo\n", "Bo\n", "Bo\n", None]
    assert kept["rank"][:6] == [1, 1, 1, 2, 0, 0]
    assert kept["rival"][3:5] == ["Ann", None] and kept["mate_similarity"][3:6] == [0.3, None, None]
    assert kept["searched"][4] is False and kept["subject"][0] == kept["subject"][1]
    point = kept["open_set"][0]
    assert (point["metric"], point["fpir"], point["value"]) == ("fnir_at_fpir_1e-1", 0.1, 0.4)
    assert point["threshold"] == result.threshold


def test_without_strangers_there_is_no_det_curve(tmp_path: Path) -> None:
    searches = search(np.eye(2), np.array([0, 1]), np.ones(2, bool))
    result = evaluate_identification(searches, np.arange(2), "p", 5)
    measured = MeasuredPair(["Ann", "Bo"], ["1.jpg", "2.jpg"], {}, {})
    assert save_results(tmp_path, measured, result) == ["cmc.png"]
    assert json.loads((tmp_path / "results.json").read_text())["identification"]["headline"] is None


def test_of_strangers_alone_there_is_no_picture(tmp_path: Path) -> None:
    searches = search(np.eye(2), np.array([NOBODY, NOBODY]), np.ones(2, bool))
    result = evaluate_identification(searches, np.arange(2), "p", 5)
    assert save_results(tmp_path, MeasuredPair(["Ann", "Bo"], ["1", "2"], {}, {}), result) == []
    assert (tmp_path / "metrics.jsonl").read_text() == ""
