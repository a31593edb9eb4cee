"""The report as a file: whole, escaped, never in the place of another file. tests/integration opens it in a browser."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.errors import ExitCode
from facejobs.jobs.comparison.comparison import compare
from facejobs.jobs.comparison.reading import read_run
from facejobs.jobs.comparison.report import ReportError, check_replaceable, render, write_report
from facejobs.jobs.comparison.report_data import report_data, thinned
from facejobs.jobs.comparison.run import Run
from facejobs.jobs.metric_history import Point, parse_journal
from facejobs.jobs.status import State

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"


class Elements(HTMLParser):
    """The start tags of a document with their attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))


def comparison(**changes):
    line = json.dumps({"step": 1, "name": changes.get("metric", "loss"), "value": 1.0}).encode() + b"\n"
    runs = [
        Run(changes.get("job", "cele"), name, State.COMPLETED, {"lr": lr, **changes.get("parameters", {})}, {},
            history=parse_journal(line), description=changes.get("description", ""), by=changes.get("by", ""))
        for name, lr in (("V0001", changes.get("value", 1)), ("V0002", 2))
    ]  # fmt: skip
    return compare(runs)


def test_it_is_one_file_that_loads_nothing() -> None:
    elements = Elements(render(comparison()))
    assert not [attributes for tag, attributes in elements.tags if tag in ("link", "iframe", "img", "object", "base")]
    assert not [attributes for tag, attributes in elements.tags if tag == "script" and "src" in attributes]
    assert "url(" not in render(comparison()).split("</style>")[0]
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in elements.tags


def test_plotly_is_whole_in_it() -> None:
    packed = re.search(r'id="plotly">([^<]+)<', render(comparison()))[1]
    source = gzip.decompress(base64.b64decode(packed))
    assert b"MIT license" in source[:500] and len(source) > 4_000_000
    assert len(packed) < 2_200_000


@pytest.mark.parametrize("place", ["job", "description", "by", "metric", "value"])
def test_what_a_version_says_is_text(place: str) -> None:
    plain, attacked = Elements(render(comparison())), Elements(render(comparison(**{place: ATTACK})))
    scripts = [[tag for tag, _ in each.tags if tag in ("script", "img")] for each in (plain, attacked)]
    assert scripts[0] == scripts[1]
    assert not [name for _, attributes in attacked.tags for name in attributes if name.startswith("on")]


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_leaves_the_data_readable(text: str) -> None:
    document = render(comparison(description=text, metric=text or "x", value=text))
    data = json.loads(re.search(r'id="data">(.*?)</script>', document, re.DOTALL)[1])
    assert data["curves"][0]["name"] == (text or "x")


def test_a_report_replaces_a_report_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(comparison(), path)
    write_report(comparison(description="second"), path)
    assert "second" in path.read_text() and [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    thesis = tmp_path / "thesis.html"
    thesis.write_text("<h1>three years of work</h1>")
    with pytest.raises(ReportError, match=r"thesis.html is no report") as refusal:
        write_report(comparison(), thesis)
    assert refusal.value.exit_code == ExitCode.OUTPUT_REFUSED
    assert thesis.read_text() == "<h1>three years of work</h1>"


def test_folders_and_files_in_the_way_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="is a folder"):
        check_replaceable(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="is a file"):
        check_replaceable(tmp_path / "file" / "report.html")
    with pytest.raises(ReportError, match="is no report"):
        check_replaceable(tmp_path / "file")


def test_a_failed_write_leaves_the_earlier_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    write_report(comparison(), path)
    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_report(comparison(description="second"), path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_long_curves_keep_their_lows_and_highs() -> None:
    values = np.sin(np.arange(20_000) / 500)
    values[7_777] = 50.0
    points = [Point(step, float(value), None, None) for step, value in enumerate(values)]
    kept = thinned(points)
    assert len(kept) <= 1200 and Point(7_777, 50.0, None, None) in kept
    assert [point.step for point in kept] == sorted({point.step for point in kept})
    assert thinned(points[:5]) == points[:5]


def test_histogram_and_roc_are_those_of_the_scores(make_version) -> None:
    protocol, same = "lfw-pairs:p", [True, False] * 50
    distance = [0.4 + 0.001 * number if one else 1.0 + 0.01 * number for number, one in enumerate(same)]
    scores = {
        "format": 1, "protocol": protocol, "pairs": 100, "distance": distance, "same": same, "correct": [True] * 100,
    }  # fmt: skip
    folders = [make_version({"lr": lr}, pair_scores=scores) for lr in (0.1, 0.2)]
    (measured,) = report_data(compare([read_run(folder) for folder in folders]))["sets"]
    series = measured["series"][0]
    assert sum(series["genuine"]) == pytest.approx(1, abs=1e-4) and sum(series["impostor"]) == pytest.approx(
        1, abs=1e-4
    )
    # Every pair of one person is nearer than any of two people: all are accepted before the first false accept.
    assert max(tar for far, tar in zip(series["far"], series["tar"], strict=True) if far == 0) == 1
    assert (series["far"][-1], series["tar"][-1]) == (1, 1)
