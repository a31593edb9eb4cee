"""docs/reference/backends.md is what the backends themselves say."""

import os
from pathlib import Path

import pytest

from facejobs.jobs.backends.base import Plan
from facejobs.jobs.backends.opening import missing_for, options_type
from facejobs.jobs.backends.table import answers, backend_table, fields
from facejobs.jobs.spec import BACKENDS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "backends.md"


@pytest.fixture(scope="module")
def table() -> str:
    missing = [missing_for(name) for name in BACKENDS if missing_for(name)]
    if missing:
        pytest.skip(f"a backend needs {missing[0]}")
    return backend_table()


def test_the_page_is_what_the_code_generates(table) -> None:
    assert PAGE.read_text() == table, "`facejobs backends --table > docs/reference/backends.md` brings it up to date"


def test_every_backend_answers_for_every_field(table) -> None:
    assert {"image", "secrets", "resources.nodes", "time_limit"} <= set(fields())
    assert "not said" not in table
    assert all(f"| `{field}`" in table for field in fields() if field != "resources.nodes")


def test_every_option_is_described(table) -> None:
    for name in BACKENDS:
        for option, field in options_type(name).model_fields.items():
            assert field.description and f"| `{option}` |" in table


def test_the_page_does_not_depend_on_the_machine(table, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEJOBS_GPUS", "0")
    monkeypatch.setenv("S3_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    before = dict(os.environ)
    assert backend_table() == table
    assert dict(os.environ) == before


def test_answers_are_those_to_the_field_and_no_other() -> None:
    plan = Plan(
        "x",
        [],
        {},
        "/",
        honoured=["inputs", "inputsmore: no"],
        emulated=["inputs, outputs: both"],
        impossible=["inputs.data: a: b"],
    )
    assert answers(plan, "inputs") == [("impossible", "a: b"), ("emulated", "both"), ("honoured", "")]
    assert answers(plan, "outputs") == []
