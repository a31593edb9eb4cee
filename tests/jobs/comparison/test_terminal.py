"""A comparison printed in terminals of any width: no number and no name is cut off."""

import io
import json
import re

import pytest
from rich.console import Console

from facejobs.jobs.comparison.comparison import compare
from facejobs.jobs.comparison.reading import read_run
from facejobs.jobs.comparison.terminal import print_comparison


def values(**metrics: float) -> str:
    return "".join(
        json.dumps({"step": 12_345_678, "epoch": 0, "name": name, "value": value}) + "\n"
        for name, value in metrics.items()
    )


@pytest.mark.parametrize("width", [40, 52, 66, 72, 80, 120])
@pytest.mark.parametrize("versions", [2, 4])
def test_nothing_is_cut_off_or_torn_apart(make_version, width: int, versions: int) -> None:
    folders = [
        make_version(
            {"lr": 0.1 * number, "note": "a long remark " * 3},
            metrics=values(lfw_accuracy=0.7 + number / 100, loss=7.9312, lr=-1.2345e-5 * number, odd=123.4567),
        )
        for number in range(1, versions + 1)
    ]
    printed = io.StringIO()
    print_comparison(compare([read_run(folder) for folder in folders]), Console(file=printed, width=width))
    text = printed.getvalue()
    table = text[text.index("What differs") :]
    assert "…" not in table
    # A command is on one line however long, so that it can be copied; everything else keeps the width.
    assert max(len(line) for line in table.splitlines()) <= width
    names = {f"V{number:04}" for number in range(1, versions + 1)}
    assert names == set(re.findall(r"\bV\d+\b", table))
    numbers = {"0.7100", "0.7200", "+0.0100", "7.9312", "-1.234e-05", "123.4567", "better", "not compared"}
    assert {number for number in numbers if number not in table} == set()
