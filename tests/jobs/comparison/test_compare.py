"""Comparisons of versions in a store: what is credited, what is confounded, what is noise, what is not compared."""

import json
from types import SimpleNamespace

import pytest

from facejobs.jobs.comparison.as_json import as_json
from facejobs.jobs.comparison.changes import changes, same_value
from facejobs.jobs.comparison.comparison import Comparison, compare
from facejobs.jobs.comparison.reading import SeedGroups, read_run
from facejobs.jobs.comparison.run import Aspect, Fact, Run
from facejobs.jobs.comparison.verdict import Judgement
from facejobs.jobs.metric_history import parse_journal
from facejobs.jobs.status import State

OTHER_PAIRS = "lfw-pairs:10-fold:ffffffffffff:mirror-sum"


@pytest.fixture
def comparing(version_store):
    def run_compare(*folders) -> Comparison:
        return compare([read_run(folder) for folder in folders], SeedGroups(version_store, "cele").of)

    return run_compare


@pytest.fixture
def made() -> SimpleNamespace:
    """Helpers of conftest.py that are no fixtures cannot be imported here; these make the same files."""

    def scores(right: int, pairs: int = 600) -> dict:
        same = [number % 2 == 0 for number in range(pairs)]
        correct = [number < right for number in range(pairs)]
        protocol = "lfw-pairs:10-fold:c043e6726331:mirror-sum"
        distance = [0.5 if one else 1.5 for one in same]
        return {
            "format": 1, "protocol": protocol, "pairs": pairs, "distance": distance, "same": same, "correct": correct,
        }  # fmt: skip

    def journal(value: float, protocol: str | None, name: str = "lfw_accuracy") -> str:
        line = {"step": 10, "epoch": 0, "name": name, "value": value, "time": 1.0, "protocol": protocol}
        return json.dumps(line) + "\n"

    return SimpleNamespace(scores=scores, journal=journal)


def verdict(comparison: Comparison):
    (pair,) = comparison.pairs
    return pair.verdict


def test_one_change_is_credited(make_version, comparing) -> None:
    comparison = comparing(make_version(accuracies=[0.7, 0.8]), make_version({"lr": 0.2}, [0.75, 0.9]))
    told = verdict(comparison)
    assert told.judgement is Judgement.CREDITED
    assert told.sentence == (
        "V0002 is better than V0001: lfw_accuracy rises from 0.8000 to 0.9000 (+0.1000), "
        "credited to lr (0.1 → 0.2), the only thing that changed."
    )
    assert [experiment.command for experiment in told.experiments] == ["facejobs modify cele V0001 -p seed=2"]
    assert [str(fact) for fact in comparison.facts] == ["lr"]


def test_several_changes_are_confounded_and_the_telling_runs_are_named(make_version, comparing) -> None:
    first, other = make_version(accuracies=[0.8]), make_version({"lr": 0.2, "batch-size": 64}, [0.6])
    told = verdict(comparing(first, other))
    assert told.judgement is Judgement.CONFOUNDED
    assert "V0002 is worse than V0001" in told.sentence
    assert told.sentence.endswith("confounded by batch_size and lr.")
    assert [(item.command, item.shows) for item in told.experiments] == [
        ("facejobs modify cele V0001 -p batch-size=64", "against V0001 what batch_size did"),
        ("facejobs modify cele V0001 -p lr=0.2", "against V0001 what lr did"),
    ]


def test_where_code_changed_too_the_run_takes_the_parameters_back(make_version, comparing) -> None:
    told = verdict(comparing(make_version(), make_version({"lr": 0.2}, [0.9], commit="2" * 40)))
    assert told.judgement is Judgement.CONFOUNDED and "lr and code" in told.sentence
    (experiment,) = told.experiments
    assert experiment.command == "facejobs modify cele V0002 -p lr=0.1"
    assert experiment.shows == "against V0002 what lr did, against V0001 what code did"


def test_another_input_is_given_by_its_url_and_the_store_is_named() -> None:
    def run(version: str, lr: float, url: str) -> Run:
        facts = {Fact(Aspect.INPUT, "data"): {"url": url}}
        history = parse_journal(b'{"step":1,"name":"x_accuracy","value":%f,"protocol":"p"}\n' % lr)
        inputs = {"data": url}
        return Run("j", version, State.COMPLETED, {"lr": lr}, facts, history=history, inputs=inputs, store="/my store")

    told = verdict(compare([run("V0001", 0.1, "/one"), run("V0002", 0.2, "s3://bucket/two")]))
    assert [item.command for item in told.experiments] == [
        "facejobs modify j V0001 -p lr=0.2 --store '/my store'",
        "facejobs modify j V0001 -i data=s3://bucket/two --store '/my store'",
    ]


def test_a_parameter_that_is_no_longer_given_is_taken_back_from_the_other_side(make_version, comparing) -> None:
    first = make_version({"extra": 1, "lr": 0.3}, resolved=False)
    told = verdict(comparing(first, make_version(accuracies=[0.9], resolved=False)))
    assert [item.command for item in told.experiments] == [
        "facejobs modify cele V0002 -p extra=1",
        "facejobs modify cele V0001 -p lr=0.1",
    ]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"data": "b" * 64}, "input data"),
        ({"commit": "2" * 40}, "code"),
        ({"packages": {"numpy": "2"}}, "package numpy"),
    ],
)
def test_inputs_code_and_packages_are_causes_too(make_version, comparing, change, name) -> None:
    told = verdict(comparing(make_version(), make_version(accuracies=[0.9], **change)))
    assert told.judgement is Judgement.CREDITED and f"credited to {name}" in told.sentence


def test_another_machine_is_shown_and_is_no_cause(make_version, comparing) -> None:
    comparison = comparing(make_version(), make_version({"lr": 0.2}, [0.9], host="there"))
    assert verdict(comparison).judgement is Judgement.CREDITED
    assert [str(fact) for fact in comparison.facts] == ["lr", "machine host"]


def test_seed_alone_is_noise(make_version, comparing) -> None:
    told = verdict(comparing(make_version(accuracies=[0.8]), make_version({"seed": 2}, [0.82])))
    assert told.judgement is Judgement.NOISE and "the seed alone" in told.sentence


def test_a_difference_inside_the_band_of_seeds_is_noise(make_version, comparing) -> None:
    first = make_version(accuracies=[0.80])
    make_version({"seed": 2}, [0.83])
    make_version({"seed": 3}, [0.81])
    make_version({"seed": 4}, [0.99], state=State.FAILED)
    make_version({"seed": 5, "loss": "arcface"}, [0.2])
    inside, outside = make_version({"lr": 0.2}, [0.82]), make_version({"lr": 0.4}, [0.84])
    told = verdict(comparing(first, inside))
    assert told.judgement is Judgement.NOISE
    assert "+0.0200 in lfw_accuracy lies inside the band of 0.0300 that the seed alone makes (3 runs)" in told.sentence
    told = verdict(comparing(first, outside))
    assert told.judgement is Judgement.CREDITED
    assert any("outside this band" in detail for detail in told.details)


def test_of_many_seeds_a_few_are_named(make_version, comparing) -> None:
    first = make_version(accuracies=[0.80])
    for seed in range(2, 10):
        make_version({"seed": seed}, [0.80 + seed / 1000])
    (line, *_) = verdict(comparing(first, make_version({"lr": 0.2}, [0.9]))).details
    assert line.startswith(
        "The seed alone moves lfw_accuracy by 0.0090 (9 runs: V0001 V0002 V0003 V0004 V0005 V0006 and 3 more)"
    )


def test_the_band_of_the_other_side_counts_too(make_version, comparing) -> None:
    first, other = make_version(accuracies=[0.80]), make_version({"lr": 0.2}, [0.84])
    make_version({"lr": 0.2, "seed": 9}, [0.79])
    assert verdict(comparing(first, other)).judgement is Judgement.NOISE


def test_another_seed_confounds_until_its_band_is_known(make_version, comparing) -> None:
    first, other = make_version(accuracies=[0.80]), make_version({"lr": 0.2, "seed": 2}, [0.9])
    told = verdict(comparing(first, other))
    assert told.judgement is Judgement.CONFOUNDED and "lr and seed" in told.sentence
    assert [item.command for item in told.experiments] == ["facejobs modify cele V0002 -p seed=1"]
    make_version({"seed": 3}, [0.81])
    told = verdict(comparing(first, other))
    assert told.judgement is Judgement.CREDITED and "besides the seed" in told.sentence


def test_pair_scores_tell_a_real_difference_from_chance(make_version, comparing, made) -> None:
    first = make_version(accuracies=[0.80], pair_scores=made.scores(480))
    chance = make_version({"lr": 0.2}, [0.8033], pair_scores=made.scores(482))
    real = make_version({"lr": 0.4}, [0.9], pair_scores=made.scores(540))
    told = verdict(comparing(first, chance))
    assert told.judgement is Judgement.NOT_DISTINGUISHABLE and "cannot be told apart" in told.sentence
    told = verdict(comparing(first, real))
    assert told.judgement is Judgement.CREDITED
    assert any("is real: +0.1000" in detail and "600 pairs of lfw" in detail for detail in told.details)


def test_other_protocols_are_not_compared_and_it_says_why(make_version, comparing, made) -> None:
    first = make_version(metrics=made.journal(0.8, "lfw-pairs:10-fold:c043e6726331:mirror-sum"))
    told = comparing(first, make_version({"lr": 0.2}, metrics=made.journal(0.9, OTHER_PAIRS)))
    assert verdict(told).judgement is Judgement.NOT_COMPARABLE
    assert "other pairs or images" in told.rows[0].cells[1].not_compared
    assert told.rows[0].cells[1].best_difference is None
    folds = make_version({"lr": 0.2}, metrics=made.journal(0.9, "lfw-pairs:5-fold:c043e6726331:mirror-sum"))
    assert "another number of folds" in comparing(first, folds).rows[0].cells[1].not_compared
    own = [make_version(metrics=made.journal(0.8, protocol)) for protocol in ("ours", "theirs")]
    told = comparing(*own).rows[0].cells[1].not_compared
    assert told == "measured under different protocols: ours and theirs"
    plain = make_version({"lr": 0.2}, metrics=made.journal(0.9, None))
    assert "unstated" in comparing(first, plain).rows[0].cells[1].not_compared


def test_training_metrics_of_other_data_are_not_compared(make_version, comparing, made) -> None:
    text = made.journal(0.5, None, "loss")
    comparison = comparing(make_version(metrics=text), make_version(metrics=text, data="b" * 64))
    assert "training data itself" in comparison.rows[0].cells[1].not_compared
    comparison = comparing(make_version(metrics=text), make_version({"loss": "arcface"}, metrics=text))
    assert "another quantity" in comparison.rows[0].cells[1].not_compared


@pytest.mark.parametrize("state", [State.STOPPED, State.FAILED, State.RUNNING, State.PENDING])
def test_an_unfinished_version_is_shown_and_not_judged(make_version, comparing, state) -> None:
    comparison = comparing(make_version(), make_version({"lr": 0.2}, [0.9], state=state))
    told = verdict(comparison)
    assert told.judgement is Judgement.UNFINISHED and str(state) in told.sentence
    assert any("what it has so far" in note for note in comparison.notes)
    assert [item.command for item in told.experiments] == (["facejobs resume cele V0002"] if state.ended else [])


def test_versions_without_anything_are_no_error(make_version, comparing) -> None:
    empty = make_version(metrics="", resolved=False, state=State.PENDING)
    comparison = comparing(empty, make_version({"lr": 0.2}, metrics="", resolved=False, state=State.PENDING))
    assert verdict(comparison).judgement is Judgement.NOT_COMPARABLE
    assert [str(fact) for fact in comparison.facts] == ["lr"]


def test_nothing_changed_says_so(make_version, comparing) -> None:
    assert verdict(comparing(make_version(), make_version(accuracies=[0.81]))).judgement is Judgement.UNCHANGED


def test_fewer_steps_are_said(make_version, comparing, made) -> None:
    line = json.dumps({"step": 7, "epoch": 0, "name": "loss", "value": 1.0, "time": 1.0}) + "\n"
    told = verdict(comparing(make_version(), make_version({"lr": 0.2}, metrics=line)))
    assert any("V0002 made 7 steps (1 epoch), V0001 made 100 steps (2 epochs)" in detail for detail in told.details)


def test_damaged_files_are_notes(make_version, comparing) -> None:
    first, other = make_version(), make_version({"lr": 0.2})
    other.store.write("params.json", b"{")
    other.store.write("scores/lfw.json", b"[1")
    other.store.write("metrics.jsonl", b"garbage\n" + first.store.read("metrics.jsonl"))
    notes = "\n".join(comparing(first, other).notes)
    assert "V0002: params.json cannot be read" in notes and "scores/lfw.json cannot be read" in notes
    assert "V0002: 1 line of metrics.jsonl cannot be read" in notes


def test_defaults_that_other_code_changed_follow_from_it() -> None:
    one = Run("j", "V0001", State.COMPLETED, {"lr": 1}, {}, {"lr": 1, "shift": 4, "eval_data": ["/w1/in/lfw"]})
    two = Run("j", "V0002", State.COMPLETED, {"lr": 2}, {}, {"lr": 2, "shift": 6, "eval_data": ["/w2/in/lfw"]})
    assert [(str(change.fact), change.follows) for change in changes(one, two)] == [("lr", False), ("shift", True)]
    told = verdict(compare([one, two]))
    assert told.causes[0].name == "lr" and len(told.causes) == 1


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [(1, 1.0, True), ("0.10", 0.1, True), (True, 1, False), (True, "true", True), (None, 0, False), ("a", "a", True),
     ("nan", "nan", True), ([1], [1], True), ([1], [2], False)],
)  # fmt: skip
def test_values_mean_the_same_as_on_a_command_line(left, right, same) -> None:
    assert same_value(left, right) is same


def test_several_versions_each_against_the_first(make_version, comparing) -> None:
    first = make_version()
    comparison = comparing(first, make_version({"lr": 0.2}, [0.9]), make_version({"lr": 0.3, "seed": 4}, [0.7]))
    assert [pair.verdict.judgement for pair in comparison.pairs] == [Judgement.CREDITED, Judgement.CONFOUNDED]
    assert comparison.headline == (
        "Against V0001: V0002 +0.1000 in lfw_accuracy, credited to lr; "
        "V0003 -0.1000 in lfw_accuracy, confounded by lr and seed."
    )


def test_json_is_whole_and_plain(make_version, comparing, made) -> None:
    first = make_version(pair_scores=made.scores(480))
    comparison = comparing(first, make_version({"lr": 0.2, "extra": "x"}, [0.9], pair_scores=made.scores(540)))
    document = json.loads(json.dumps(as_json(comparison), allow_nan=False))
    assert document["versions"][1]["version"] == "V0002" and document["job"] == "cele"
    extra = next(item for item in document["differences"] if item["name"] == "extra")
    assert extra["values"] == {"V0002": "x"}
    (pair,) = document["comparisons"]
    assert pair["verdict"] == "confounded" and pair["causes"] == ["extra", "lr"]
    assert pair["bootstraps"][0]["difference"] == pytest.approx(0.1) and pair["bootstraps"][0]["real"] is True
    accuracy = document["metrics"][0]["versions"]["V0002"]
    assert accuracy["best"] == {"value": 0.9, "step": 100} and accuracy["best_difference"] == pytest.approx(0.1)


def test_any_journal_can_be_compared() -> None:
    one = Run("j", "V0001", State.COMPLETED, {}, {}, history=parse_journal(b'{"step":1,"name":"loss","value":1}\nx\n'))
    two = Run("j", "V0002", State.COMPLETED, {}, {}, history=parse_journal(b"\x00\xff"))
    assert verdict(compare([one, two])).judgement is Judgement.NOT_COMPARABLE


def test_what_changes_no_result_is_listed_apart_and_is_no_cause(make_version, comparing) -> None:
    def make(parameters, accuracy, **more):
        folder = make_version(parameters, [accuracy], **more)
        written = json.loads(folder.store.read("params.json"))
        written["without_influence"] = ["checkpoint_every", "threads"]
        folder.store.write("params.json", json.dumps(written).encode())
        return folder

    first = make({"threads": 2, "checkpoint-every": 10}, 0.8)
    faster = {"threads": 8, "checkpoint-every": 50}
    make({**faster, "seed": 7}, 0.82)
    comparison = comparing(first, make({**faster, "lr": 0.2}, 0.9, host="there"))
    assert verdict(comparison).judgement is Judgement.CREDITED
    assert [str(fact) for fact in comparison.influential] == ["lr"]
    assert [str(fact) for fact in comparison.uninfluential] == ["checkpoint_every", "threads", "machine host"]
    band = comparison.rows[0].cells[1].band
    assert band is not None and band.size == pytest.approx(0.02)
    marked = {item["name"]: item["without_influence"] for item in as_json(comparison)["differences"]}
    assert marked == {"lr": False, "checkpoint_every": True, "threads": True, "host": True}


def test_where_one_run_does_not_say_it_a_parameter_counts(make_version, comparing) -> None:
    first, other = make_version({"threads": 2}), make_version({"threads": 8, "lr": 0.2}, [0.9])
    written = json.loads(other.store.read("params.json"))
    other.store.write("params.json", json.dumps({**written, "without_influence": ["threads"]}).encode())
    assert [fact.name for fact in verdict(comparing(first, other)).causes] == ["lr", "threads"]


@pytest.mark.parametrize("damaged", [7, "threads", [None, {}], {"threads": 1}])
def test_a_strange_list_of_such_parameters_is_passed_over(make_version, damaged) -> None:
    folder = make_version()
    folder.store.write("params.json", json.dumps({"parameters": {}, "without_influence": damaged}).encode())
    assert read_run(folder).without_influence == frozenset()


@pytest.mark.parametrize("names", [("margin",), ("scale",), ("margin_ramp",), ("loss", "margin")])
def test_a_loss_with_other_loss_parameters_is_another_quantity(make_version, comparing, names) -> None:
    first = make_version(dict.fromkeys(names, "1"))
    comparison = comparing(first, make_version(dict.fromkeys(names, "2"), [0.9]))
    cells = {row.name: row.cells[1] for row in comparison.rows}
    assert all(name in cells["loss"].not_compared for name in names)
    assert cells["loss"].best_difference is None and cells["lfw_accuracy"].best_difference is not None


def lines(**values: float) -> str:
    return "".join(json.dumps({"step": 9, "name": name, "value": value}) + "\n" for name, value in values.items())


def test_an_accuracy_decides_before_a_loss_and_speed_is_not_judged(make_version, comparing) -> None:
    first = make_version(metrics=lines(images_per_second=50, lr=0.1, x_deviation=0.1, val_loss=1.0, val_accuracy=0.5))
    second = lines(images_per_second=10, lr=0.1, x_deviation=0.1, val_loss=1.0, val_accuracy=0.6)
    comparison = comparing(first, make_version({"batch": 2}, metrics=second))
    assert verdict(comparison).metric == "val_accuracy"
    names = [row.name for row in comparison.rows]
    assert names == ["val_accuracy", "val_loss", "images_per_second", "lr", "x_deviation"]
    speed = comparison.rows[2].cells[1]
    assert speed.final_difference == -40 and speed.best_difference is None


def test_parameters_given_on_one_side_only_are_a_note(make_version, comparing) -> None:
    resolved, given = make_version(), make_version({"lr": 0.2}, resolved=False)
    notes = comparing(resolved, given).notes
    assert any(note.startswith("V0002 wrote no params.json") and "given in the specs" in note for note in notes)
    other = make_version({"lr": 0.3}, resolved=False)
    assert not any("params.json" in note for note in comparing(given, other).notes)
