"""Programs of a test's own in place of docker, buildah and skopeo: they answer as told and note their arguments."""

import json
import os
import sys
from pathlib import Path

import pytest

_PROGRAM = """#!{python}
import json, sys
with open({calls!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
for needle, code, out, error in json.load(open({answers!r})):
    if all(word in " ".join(sys.argv[1:]) for word in needle.split()):
        sys.stdout.write(out)
        sys.stderr.write(error)
        sys.exit(code)
sys.exit(0)
"""


class FakeProgram:
    """An executable in `folder`; the first answer of which all words are among the arguments is given."""

    def __init__(self, folder: Path, name: str) -> None:
        self._answers, self._calls = folder / f".{name}.json", folder / f".{name}.calls"
        self._said: list[tuple[str, int, str, str]] = []
        self._answers.write_text("[]")
        path = folder / name
        path.write_text(_PROGRAM.format(python=sys.executable, calls=str(self._calls), answers=str(self._answers)))
        path.chmod(0o755)

    def say(self, words: str, out: object = "", error: str = "", code: int = 0) -> "FakeProgram":
        text = out if isinstance(out, str) else json.dumps(out)
        self._said.append((words, code, text, error))
        self._answers.write_text(json.dumps(self._said))
        return self

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()] if self._calls.exists() else []


def empty_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is searched for programs."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", str(programs) + os.pathsep)
    return programs
