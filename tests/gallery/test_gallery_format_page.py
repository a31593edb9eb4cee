"""The examples of docs/reference/gallery-format.md work as they stand."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facejobs.gallery.cells import APPROXIMATE_FROM
from facejobs.gallery.generation import _LARGE
from facejobs.gallery.rows import ROW

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "gallery-format.md"


def test_both_examples_find_who_it_is(
    enrol: Callable[..., Any],
    make_gallery: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_gallery([enrol("Zoë\u2028"), enrol("Bo"), enrol("Bo", 1)])
    monkeypatch.chdir(tmp_path)
    without, with_facejobs = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(without, names)
    assert names["nearest"](enrol("Zoë\u2028").embedding) == ("Zoë\u2028", pytest.approx(1))
    assert names["nearest"](enrol("Bo", 1).embedding)[0] == "Bo"
    exec(with_facejobs, {})
    first, second = capsys.readouterr().out.strip().split("\n")
    assert first.startswith("Zoë\u2028 ")
    assert second.startswith("Bo ")


def test_the_page_has_the_numbers_of_the_code() -> None:
    page = PAGE.read_text()
    assert f"N records of {ROW.itemsize} bytes" in page
    assert f"From {APPROXIMATE_FROM:,} on" in page
    assert f"above {_LARGE // 2**20} MiB" in page
    assert f"{_LARGE // (512 * np.dtype(np.float32).itemsize):,} embeddings of 512 values" in page
