"""`facejobs …` in this process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from facejobs.cli.main import main


@dataclass
class Finished:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def facejobs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    """Runs `facejobs …` in this process, through the same `main` as the console script."""

    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["facejobs", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        output = capsys.readouterr()
        return Finished(int(caught.value.code or 0), output.out, output.err)

    return run


@pytest.fixture
def data(facejobs: Callable[..., Finished]) -> Callable[..., Finished]:
    """Runs `facejobs data …`."""
    return partial(facejobs, "data")
