"""facejobs compare as it is typed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from facejobs.cli.main import main
from facejobs.errors import ExitCode
from facejobs.jobs.code_facts import CodeFacts
from facejobs.jobs.environment_facts import EnvironmentFacts
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, record
from facejobs.jobs.version_record import VersionRecord, version_name
from facejobs.jobs.versions import open_version_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two finished versions of `cele` that differ in lr, and one of another job."""
    versions = open_version_store(str(tmp_path / "store"))
    environment = EnvironmentFacts(host="h", platform="p", python="3.11", packages={}, cpu="c", cpus=1, memory=None)
    for job, lr, accuracy in (("cele", 0.1, 0.8), ("cele", 0.2, 0.9), ("other", 0.1, 0.5)):
        spec = JobSpec(name=job, command="train", outputs={"model": None}, parameters={"lr": lr})

        def make(number: int, job: str = job, spec: JobSpec = spec) -> VersionRecord:
            return VersionRecord(
                job=job, version=version_name(number), spec=spec, created=datetime.now(UTC), by="ada@h",
                code=CodeFacts(), environment=environment,
            )  # fmt: skip

        folder = versions.claim(job, make)
        record(folder.store, State.COMPLETED)
        line = {"step": 5, "epoch": 0, "name": "lfw_accuracy", "value": accuracy, "time": 1.0, "protocol": "p"}
        folder.store.write("metrics.jsonl", json.dumps(line).encode() + b"\n")
    return tmp_path / "store"


@pytest.fixture
def run_cli(monkeypatch, capsys, store: Path):
    def run_cli(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["facejobs", "compare", "--store", str(store), *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return run_cli


def test_the_table_fits_80_columns_and_has_no_control_codes(run_cli, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run_cli("cele", "V0001", "2")
    assert code == 0
    assert "credited to lr (0.1 → 0.2)" in " ".join(out.split()) and "+0.1000" in out
    assert max(map(len, out.splitlines())) <= 80 and "\x1b" not in out


@pytest.mark.parametrize(
    "words", [("cele", "1", "last"), ("cele", "1", "@last"), ("cele@last", "cele@1"), ("cele@2", "1")]
)
def test_references(run_cli, words) -> None:
    code, out, err = run_cli(*words, "--json")
    assert code == 0, err
    assert {version["version"] for version in json.loads(out)["versions"]} == {"V0001", "V0002"}


def test_best_by_a_metric_is_a_reference(run_cli) -> None:
    code, out, err = run_cli("cele", "1", "best:lfw_accuracy", "--json")
    assert code == 0, err
    assert [version["version"] for version in json.loads(out)["versions"]] == ["V0001", "V0002"]


def test_the_report_is_written_and_named(run_cli, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    code, _, err = run_cli("cele", "1", "2", "--html", report)
    assert code == 0 and str(report) in err
    assert report.read_text().startswith("<!doctype html>")


def test_a_file_in_the_way_is_left_alone(run_cli, tmp_path: Path) -> None:
    precious = tmp_path / "precious.html"
    precious.write_text("mine")
    code, out, err = run_cli("cele", "1", "2", "--html", precious)
    assert code == ExitCode.OUTPUT_REFUSED and precious.read_text() == "mine" and "name another file" in err
    assert out == ""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("cele", "1"), ExitCode.USAGE, "name two versions or more"),
        (("cele", "1", "1"), ExitCode.USAGE, "V0001 is named twice"),
        (("cele@1", "other@1"), ExitCode.USAGE, "versions of one job"),
        (("cele", "1", "9"), ExitCode.JOB, "has no version V0009"),
        (("nobody", "1", "2"), ExitCode.JOB, "holds no job nobody"),
        (("cele", "1", "newest"), ExitCode.USAGE, "names no version"),
    ],
)
def test_mistakes_are_named(run_cli, words, code, message) -> None:
    assert run_cli(*words)[0] == code
    assert message in run_cli(*words)[2]


@pytest.mark.parametrize("content", [b"", b'{"format": 1', b"\xff\x00"])
def test_a_damaged_version_is_named(run_cli, store: Path, content: bytes) -> None:
    (store / "jobs" / "cele" / "V0002" / "version.json").write_bytes(content)
    code, _, err = run_cli("cele", "1", "2")
    assert code == ExitCode.JOB and "V0002/version.json is damaged" in err


def test_versions_and_compare_choose_one_metric(run_cli, monkeypatch, capsys, store: Path) -> None:
    for number, accuracy in ((1, 0.25), (2, 0.75)):
        lines = [{"step": 5, "name": "val_loss", "value": 1.0}, {"step": 5, "name": "accuracy", "value": accuracy}]
        journal = store / "jobs" / "cele" / version_name(number) / "metrics.jsonl"
        journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    _, out, _ = run_cli("cele", "1", "2", "--json")
    assert json.loads(out)["comparisons"][0]["metric"] == "accuracy"
    monkeypatch.setattr("sys.argv", ["facejobs", "versions", "cele", "--store", str(store)])
    with pytest.raises(SystemExit):
        main()
    assert " ACCURACY " in capsys.readouterr().out
