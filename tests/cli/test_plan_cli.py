"""facejobs plan names what the next submit to the same store really uses."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from facejobs.cli.main import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("FACEJOBS_STORE", raising=False)
    (tmp_path / "toy.yaml").write_text("name: toy\ncommand: 'true'\noutputs: {model: }\n")
    return tmp_path


@pytest.mark.parametrize("store", [(), ("--store", "elsewhere")])
def test_the_work_folder_is_that_of_the_next_version(place: Path, monkeypatch, capsys, store: tuple[str, ...]) -> None:
    def answer(*arguments: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["facejobs", *arguments, *store])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        out = capsys.readouterr().out
        return json.loads(out) if "--json" in arguments else {}

    for version in ("V0001", "V0002"):
        planned = answer("plan", "toy.yaml", "--json")
        submitted = answer("submit", "toy.yaml", "--json")
        assert submitted["version"] == version
        assert planned["environment"]["FACEJOBS_VERSION_URL"] == str(Path(submitted["url"]).resolve())
        assert planned["environment"]["FACEJOBS_WORK"] == planned["folder"]
        assert (Path(planned["folder"]) / "supervisor.log").is_file()
        answer("wait", "toy", version)
