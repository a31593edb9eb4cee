"""Exported ModelArts V1 jobs become versions: with parents, typed parameters, times, metrics, and no secret."""

import copy
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facejobs.cli.main import main
from facejobs.jobs.backends.native import read_native
from facejobs.jobs.backends.opening import missing_for
from facejobs.jobs.deletion import delete_version
from facejobs.jobs.metric_summary import read_metrics
from facejobs.jobs.modelarts_export import ExportError, read_exports
from facejobs.jobs.modelarts_import import FACTS, Imported, import_versions
from facejobs.jobs.modelarts_spec import typed
from facejobs.jobs.spec import parameter_text
from facejobs.jobs.status import State, read_status
from facejobs.jobs.versions import VersionStore, open_version_store

CREATED = 1524189990635
METRICS = {"total_metric": {"total_metric_values": {"recall": 0.5, "id": 0, "precision": 0.25, "accuracy": 0.75}}}


def a_version(id: int, name: str, before: int | None = None, **fields: Any) -> dict[str, Any]:
    """A version as the list of versions writes it."""
    return {
        "version_id": id,
        "version_name": name,
        "pre_version_id": before,
        "status": 10,
        "create_time": CREATED + id * 1000,
        "start_time": CREATED + id * 1000 + 500,
        "duration": 60_000,
        "parameter": [{"label": "learning_rate", "value": 0.01}, {"label": "batch_size", "value": "32"}],
        "app_url": "/bucket/app/",
        "boot_file_url": "/bucket/app/src/train.py",
        "engine_name": "MXNet",
        "engine_version": "MXNet-1.2.1-python3.6",
        "engine_id": 4,
        "data_url": "/bucket/faces/",
        "train_url": "/bucket/out/",
        "log_url": "/bucket/log/",
        "spec_id": 3,
        "worker_server_num": 1,
        "core": "8",
        "cpu": "64",
        "gpu_num": 1,
        "gpu_type": "V100",
        "model_metric_list": json.dumps(METRICS),
        **fields,
    }


def a_job(*versions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The answer to a request for the versions of a job."""
    head = {"is_success": True, "job_id": 10, "job_name": "faces", "job_desc": "cele", "version_count": len(versions)}
    return {**head, "versions": list(versions), **fields}


@pytest.fixture
def store(tmp_path: Path) -> VersionStore:
    return open_version_store(str(tmp_path / "store"))


def take(store: VersionStore, *exports: Any) -> list[Imported]:
    """Import values, each from a file of its own."""
    folder = Path(store.url).parent
    paths = []
    for number, value in enumerate(exports):
        paths.append(folder / f"export-{number}.json")
        paths[-1].write_text(value if isinstance(value, str) else json.dumps(value))
    return list(import_versions(read_exports(paths), store))


def contents(store: VersionStore) -> dict[str, bytes]:
    return {info.key: store.store.read(info.key) for info in store.store.list()}


def test_a_job_with_its_versions(store: VersionStore) -> None:
    done = take(store, a_job(a_version(11, "V0002", 10), a_version(10, "V0001", 0), a_version(15, "V0004", 11)))
    assert [(item.native_name, item.version, item.new) for item in done] == [
        ("V0001", "V0001", True),
        ("V0002", "V0002", True),
        ("V0004", "V0004", True),
    ]
    assert store.versions("faces") == [1, 2, 4]
    version = store.get("faces", 4)
    record, spec = version.record, version.record.spec
    assert (record.parent, store.get("faces", 2).record.parent, store.get("faces", 1).record.parent) == (
        "V0002",
        "V0001",
        None,
    )
    assert record.created == datetime.fromtimestamp((CREATED + 15_000) / 1000, UTC)
    assert record.by == "ModelArts job 10 version 15"
    assert (record.backend.name, record.backend.options) == ("modelarts", {"api": "v1", "flavor": "3"})
    assert spec.parameters == {"learning_rate": 0.01, "batch_size": 32} and type(spec.parameters["batch_size"]) is int
    assert spec.inputs == {"data": "obs://bucket/faces"} and spec.outputs == {"model": None}
    assert spec.command == "python src/train.py --data_url {inputs.data} --train_url {outputs.model}"
    assert spec.environment == {"DLS_APP_URL": "obs://bucket/app"} and spec.description == "cele"
    resources = spec.resources
    assert (resources.nodes, resources.gpus, resources.gpu_type, resources.cpus) == (1, 1, "V100", 8)
    native = read_native(version.store)
    assert native is not None and (native.backend, native.id) == ("modelarts", "10/15")
    facts = json.loads(version.store.read(FACTS))
    assert (facts["train_url"], facts["version_name"], facts["spec_id"]) == ("/bucket/out/", "V0004", 3)


def test_its_history_and_metrics(store: VersionStore) -> None:
    take(store, a_job(a_version(10, "V0001")))
    version = store.get("faces", 1)
    status = read_status(version.store)
    assert [item.state for item in status.transitions] == [State.PENDING, State.RUNNING, State.COMPLETED]
    assert status.started is not None and status.ended == status.started + timedelta(minutes=1)
    assert "ModelArts says COMPLETED" in status.reason and "not checked" in status.reason
    metrics = read_metrics(version.store)
    assert {name: item.last for name, item in metrics.items()} == {"recall": 0.5, "precision": 0.25, "accuracy": 0.75}


@pytest.mark.parametrize(
    ("status", "state", "said"),
    [
        (10, State.COMPLETED, "COMPLETED"),
        ("11", State.FAILED, "FAILED"),
        (3, State.FAILED, "IMAGE_FAILED: the image could not be prepared"),
        (12, State.STOPPED, "KILLED"),
        (13, State.STOPPED, "CANCELED"),
        (14, State.FAILED, "LOST"),
        (0, State.FAILED, "UNKNOWN"),
        (99, State.FAILED, "no such status"),
    ],
)
def test_statuses_in_our_states(store: VersionStore, status: Any, state: State, said: str) -> None:
    take(store, a_job(a_version(10, "V0001", status=status, start_time=0, duration=0)))
    written = read_status(store.get("faces", 1).store)
    assert written.state is state and said in written.reason
    assert [item.state for item in written.transitions] == [State.PENDING, state]


@pytest.mark.parametrize("status", [1, 2, 4, 7, 8, 9, 15, 18, 19, 20])
def test_what_had_not_ended_waits_for_another_import(store: VersionStore, status: int) -> None:
    running = a_job(a_version(10, "V0001"), a_version(11, "V0002", 10, status=status))
    _, second = take(store, running)
    assert (second.version, second.new) == (None, False) and "export it again" in second.notes[0]
    assert store.versions("faces") == [1]
    running["versions"][1]["status"] = 10
    assert [(item.version, item.new) for item in take(store, running)] == [("V0001", False), ("V0002", True)]
    assert store.get("faces", 2).record.parent == "V0001"


def test_a_second_import_adds_nothing(store: VersionStore) -> None:
    export = a_job(a_version(10, "V0001"), a_version(11, "other name", 10))
    first = take(store, export)
    before = contents(store)
    again = take(store, export)
    assert contents(store) == before
    assert [(item.version, item.new) for item in again] == [(item.version, False) for item in first]


def test_an_import_that_was_cut_off_is_completed(store: VersionStore) -> None:
    export = a_job(a_version(10, "V0001"))
    take(store, export)
    before = contents(store)
    folder = store.get("faces", 1).store
    folder.delete(["status.json", "backend.json", "metrics.jsonl", FACTS])
    take(store, export)
    assert contents(store) == before


def test_numbers_that_are_taken_or_none_are_told(store: VersionStore) -> None:
    take(store, a_job(a_version(10, "V0001"), a_version(11, "V0002", 10)))
    delete_version(store, store.get("faces", 2))
    other = a_job(a_version(1, "V0001"), a_version(2, "V0002", 1), a_version(3, "jobVersion", 2), a_version(9, "V0009"))
    other["job_id"] = 77
    done = take(store, other)
    assert [(item.native_name, item.version) for item in done] == [
        ("V0001", "V0010"),
        ("V0002", "V0011"),
        ("jobVersion", "V0012"),
        ("V0009", "V0009"),
    ]
    assert ["became" in " ".join(item.notes) for item in done] == [True, True, True, False]
    # Versions of another job of that name are no parents.
    assert [store.get("faces", number).record.parent for number in (10, 11, 12)] == [None, "V0010", "V0011"]


def test_a_parent_that_is_not_there_is_told(store: VersionStore) -> None:
    (done,) = take(store, a_job(a_version(11, "V0002", 5)))
    assert "version 5" in " ".join(done.notes) and store.get("faces", 2).record.parent is None


def test_versions_that_name_each_other_as_parents_end(store: VersionStore) -> None:
    done = take(store, a_job(a_version(10, "V0001", 11), a_version(11, "V0002", 10), a_version(12, "V0003", 12)))
    assert sorted(str(item.version) for item in done) == ["V0001", "V0002", "V0003"]


def test_a_parent_stands_before_its_child_whatever_the_clock_said(store: VersionStore) -> None:
    early = a_version(11, "V0002", 10, create_time=CREATED)
    take(store, a_job(early, a_version(10, "V0001", create_time=CREATED + 9_000_000)))
    assert store.get("faces", 2).record.parent == "V0001"


def test_an_image_with_a_command(store: VersionStore) -> None:
    image = {
        "user_image_url": "100.125.5.235:20202/jobmng/custom-cpu-base:1.0",
        "user_command": "bash -x /home/work/run_train.sh python /home/work/app/train.py --data_url '/a b'",
        "app_url": "",
        "boot_file_url": None,
        "engine_name": "",
    }
    (done,) = take(store, a_job(a_version(10, "V0001", **image)))
    spec = store.get("faces", 1).record.spec
    assert spec.command == "python /home/work/app/train.py --data_url '/a b'"
    assert spec.image == image["user_image_url"] and spec.environment == {}
    assert "appended" in " ".join(done.notes)


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("cd /x && sh run.sh", "sh -c 'cd /x && sh run.sh'"),
        ("A=1 python x.py", "sh -c 'A=1 python x.py'"),
        ("python 'unclosed", "sh -c 'python '\"'\"'unclosed'"),
        ("bash /home/work/run_train.sh python t.py $X", "sh -c 'python t.py $X'"),
        ("python t.py {inputs.none}", "python t.py '{ inputs.none}'"),
        ("python t.py --password hunter2 --lr 1", "python t.py --password REMOVED --lr 1"),
        ("python t.py --api_key=hunter2", "python t.py --api_key=REMOVED"),
        ("export TOKEN=hunter2; python t.py", "sh -c REMOVED"),
        ("python t.py https://user:hunter2@host/x", "python t.py https://host/x"),
    ],
)
def test_commands(store: VersionStore, command: str, kept: str) -> None:
    (done,) = take(store, a_job(a_version(10, "V0001", user_command=command, user_image_url="i")))
    assert store.get("faces", 1).record.spec.command == kept
    assert ("secret" in " ".join(done.notes)) is ("hunter2" in command)
    assert not any(b"hunter2" in data for data in contents(store).values())


def test_secrets_in_parameters_are_left_out_and_told(store: VersionStore) -> None:
    parameters = [
        {"label": "db_password", "value": "hunter2"},
        {"label": "AWS_SECRET_ACCESS_KEY", "value": "hunter2"},
        {"label": "server", "value": "https://u:hunter2@host"},
        {"label": "lr", "value": "0.1"},
        {"label": "bad label!", "value": "1"},
        {"label": "", "value": "1"},
    ]
    (done,) = take(store, a_job(a_version(10, "V0001", parameter=parameters, app_url="https://u:hunter2@host")))
    assert store.get("faces", 1).record.spec.parameters == {"lr": 0.1}
    notes = " ".join(done.notes)
    assert all(name in notes for name in ("db_password", "AWS_SECRET_ACCESS_KEY", "server", "bad label!", "app_url"))
    assert "hunter2" not in notes


def test_no_file_holds_credentials_of_a_url(store: VersionStore) -> None:
    place = "https://u:hunter2@host"
    take(store, a_job(a_version(10, "V0001", app_url=place, data_url=place, train_url=place, job_desc=place)))
    assert not any(b"hunter2" in data for data in contents(store).values())


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("0.01", 0.01), ("32", 32), ("1e-3", "1e-3"), ("0.010", "0.010"), ("007", "007"), ("true", True),
        ("True", "True"), ("", ""), (None, ""), (5, 5), (0.5, 0.5), (True, True), ([1], "[1]"), (10**20, str(10**20)),
        (1e-7, 1e-7), (float("nan"), "NaN"), ("-0", "-0"), ("1_000", "1_000"), ("٣", "٣"),
    ],
)  # fmt: skip
def test_values_get_types_without_being_changed(value: Any, kept: Any) -> None:
    assert typed(value) == kept and type(typed(value)) is type(kept)


@given(st.text(max_size=20) | st.integers().map(str) | st.floats(allow_nan=False).map(str))
def test_a_value_is_given_to_a_command_as_it_was_written(text: str) -> None:
    assert parameter_text(typed(text)) == text


def test_details_and_lists_together(store: VersionStore) -> None:
    jobs = {
        "is_success": True,
        "job_total_count": 2,
        "jobs": [
            {"job_id": id, "job_name": name, "version_id": 1, "status": 10, "create_time": CREATED, "version_count": 3}
            for id, name in ((10, "faces"), (11, "other"))
        ],
    }
    details = {"is_success": True, "job_id": 10, "job_name": "faces", "job_desc": None, **a_version(10, "V0001")}
    paths = []
    for name, value in (("a", jobs), ("b", [details, a_job(a_version(11, "V0002", 10))])):
        paths.append(Path(store.url).parent / name)
        paths[-1].write_text(json.dumps(value))
    export = read_exports(paths)
    assert export.only_named == ("other",) and sorted(export.versions) == ["10/10", "10/11"]
    assert export.lacking == {"faces": 1}


def test_a_page_of_several_is_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    first.write_text(json.dumps(a_job(a_version(10, "V0001"), a_version(11, "V0002"), version_count=3)))
    second.write_text(json.dumps(a_job(a_version(12, "V0003"), version_count=3)))
    assert read_exports([first]).lacking == {"faces": 1}
    assert read_exports([first, second]).lacking == {}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("3", "expected an object"),
        ("[]", "no training job"),
        ("{}", "job_id: is missing"),
        (a_job(), "no training job"),
        (a_job(a_version(10, "V0001"), versions={}), "versions: expected a list"),
        ({"is_success": False, "error_code": "ModelArts.0105", "error_message": "gone"}, "ModelArts.0105 gone"),
        (
            [a_job(a_version(10, "V0001"), {**a_version(11, "V0002"), "create_time": "x"})],
            r"\[0\].versions\[1\]: create_time",
        ),
        (a_job({"version_id": 1}), r"versions\[0\]: status: is missing"),
        (a_job(a_version(10, "V0001"), "x"), r"versions\[1\]: expected an object"),
        (a_job(a_version(10, "V0001", parameter=[3])), r"versions\[0\]: parameter.0"),
        (a_job(a_version(10, "V0001", create_time=10**17)), "create_time"),
        (a_job(a_version(10, "V0001", duration=10**17)), "duration"),
        (a_job(a_version(10, "V0001"), job_name="-x"), "name: expected 1 to 64"),
        (a_job(a_version(10, "V0001", worker_server_num=99999)), "resources.nodes"),
    ],
)
def test_what_is_no_export_is_told_with_its_place(store: VersionStore, value: Any, said: str) -> None:
    with pytest.raises(ExportError, match=said):
        take(store, value)
    assert contents(store) == {}


def test_files_that_are_not_there(store: VersionStore, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is not there"):
        read_exports([tmp_path / "none.json"])
    with pytest.raises(ExportError, match="is a folder"):
        read_exports([tmp_path])


WHOLE = a_job(a_version(10, "V0001"), a_version(11, "V0002", 10))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*sorted(WHOLE["versions"][0]), "job_id", "job_name", "versions"]), _JSON)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_export_is_imported_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    export = copy.deepcopy(WHOLE)
    (export if name in export else export["versions"][1])[name] = value
    store = open_version_store(str(tmp_path_factory.mktemp("damaged") / "store"))
    try:
        take(store, export)
    except ExportError:
        assert contents(store) == {}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["facejobs", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_by_command_they_show_and_compare_and_are_modified(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    complete = {"user_image_url": "r.example.com/x:1", "user_command": "true", "data_url": None, "app_url": None}
    Path("x.json").write_text(
        json.dumps(a_job(a_version(10, "V0001", **complete, gpu_num=0), a_version(11, "V0002", 10, gpu_num=0)))
    )
    assert run(monkeypatch, "import", "modelarts", "x.json", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["version"] for row in told["versions"]] == ["V0001", "V0002"] and told["jobs_without_versions"] == []
    assert run(monkeypatch, "import", "modelarts", "x.json") == 0
    assert "0 versions imported" in capsys.readouterr().out
    assert run(monkeypatch, "versions", "faces") == 0
    listed = capsys.readouterr().out
    assert "COMPLETED" in listed and "0.7500" in listed
    assert run(monkeypatch, "show", "faces", "1") == 0
    assert "ModelArts job 10 version 10" in capsys.readouterr().out
    assert run(monkeypatch, "compare", "faces", "1", "2") == 0
    capsys.readouterr()
    if missing_for("modelarts") is None:
        assert run(monkeypatch, "modify", "faces", "1", "-p", "learning_rate=0.5") == 11
        assert "name a bucket with --store" in capsys.readouterr().err
    assert run(monkeypatch, "import", "modelarts", "y.json") == 3
    assert "y.json is not there" in capsys.readouterr().err
