"""How versions are named, and which one is the best."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_records import a_record, a_spec

from facejobs.jobs.errors import SpecError, VersionNotFoundError
from facejobs.jobs.references import Reference, parse_reference
from facejobs.jobs.status import State, record
from facejobs.jobs.versions import VersionStore, open_version_store


@pytest.mark.parametrize(
    ("job", "version", "expected"),
    [
        ("J", "3", Reference("J", number=3)),
        ("J", "V3", Reference("J", number=3)),
        ("J", "v0003", Reference("J", number=3)),
        ("J", "V10000", Reference("J", number=10000)),
        ("J@3", None, Reference("J", number=3)),
        ("J@last", None, Reference("J", last=True)),
        ("J", "last", Reference("J", last=True)),
        ("J@best:lfw_accuracy", None, Reference("J", best="lfw_accuracy")),
        ("J", "best:tar_at_far_1e-4", Reference("J", best="tar_at_far_1e-4")),
    ],
)
def test_references(job: str, version: str | None, expected: Reference) -> None:
    assert parse_reference(job, version) == expected


@pytest.mark.parametrize(
    ("job", "version", "said"),
    [
        ("J", None, "which version of J?"),
        ("J@", None, "which version of J?"),
        ("J", "0", "'0' names no version"),
        ("J", "V", "names no version"),
        ("J", "-1", "names no version"),
        ("J", "٣", "names no version"),
        ("J", "best:", "names no version"),
        ("J@last", "3", "names a version already"),
        ("a/b", "3", "is no name of a job"),
        ("../x", "3", "is no name of a job"),
        ("", "3", "is no name of a job"),
    ],
)
def test_what_names_nothing(job: str, version: str | None, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_reference(job, version)
    assert said in str(caught.value)


@given(st.text(max_size=20), st.none() | st.text(max_size=12))
def test_any_text_is_a_reference_or_a_spec_error(job: str, version: str | None) -> None:
    try:
        reference = parse_reference(job, version)
    except SpecError:
        return
    assert sum((reference.number is not None, reference.last, reference.best is not None)) == 1


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    store = open_version_store(str(tmp_path))
    runs = [
        (State.COMPLETED, {"lfw_accuracy": [0.6, 0.8, 0.7], "loss": [3.0, 1.0], "lr": [0.1]}),
        (State.COMPLETED, {"lfw_accuracy": [0.8], "loss": [0.5], "lr": [0.2]}),
        (State.FAILED, {"lfw_accuracy": [0.99], "loss": [0.01]}),
        (State.COMPLETED, {}),
    ]
    for state, metrics in runs:
        version = store.claim("job", lambda number: a_record(number, a_spec()))
        lines = [
            {"step": step, "epoch": 0, "name": name, "value": value, "time": 1}
            for name, values in metrics.items()
            for step, value in enumerate(values)
        ]
        version.store.write("metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
        record(version.store, state)
    return store


@pytest.mark.parametrize(("metric", "number"), [("lfw_accuracy", 1), ("loss", 2), ("lr", 2)])
def test_best_is_of_completed_versions_the_earliest_of_equals(store: VersionStore, metric: str, number: int) -> None:
    assert store.find(f"job@best:{metric}").number == number


def test_last_is_the_newest_whatever_its_state(store: VersionStore) -> None:
    assert store.find("job@last").number == 4


def test_a_misspelt_metric_is_told(store: VersionStore) -> None:
    with pytest.raises(VersionNotFoundError, match="did you mean lfw_accuracy"):
        store.find("job@best:lfw_acuracy")
    with pytest.raises(VersionNotFoundError, match="there is lfw_accuracy, loss, lr"):
        store.find("job@best:zzz")
    with pytest.raises(VersionNotFoundError, match="holds no job other"):
        store.find("other@best:loss")
