"""The commands that the documentation shows work in the order in which they stand."""

import re
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
_STARTS = re.compile(r"^facejobs (submit|modify) ")
_WAITS = re.compile(r"^facejobs wait ")
_COMPARES = re.compile(r"^facejobs compare ")


def compared_too_early(page: str) -> list[str]:
    """The comparisons that would find a version of the same block that still runs."""
    early = []
    for block in re.findall(r"^```\w*\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        running = False
        for line in block.splitlines():
            if _COMPARES.match(line) and running:
                early.append(line)
            running = bool(_STARTS.match(line)) or (running and not _WAITS.match(line))
    return early


@pytest.mark.parametrize("page", sorted(HOW_TO.rglob("*.md")), ids=lambda page: page.stem)
def test_what_is_compared_has_been_waited_for(page: Path) -> None:
    assert compared_too_early(page.read_text(encoding="utf-8")) == []


def test_a_comparison_without_waiting_is_found() -> None:
    block = "```\nfacejobs submit a.yaml\nfacejobs compare a 1 2\nfacejobs wait a last\nfacejobs compare a 1 2\n```\n"
    assert compared_too_early(block) == ["facejobs compare a 1 2"]
