"""The report of a gallery: complete, escaped, and never longer-lived than the people it shows."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.data.errors import OutputExistsError
from facejobs.gallery.build import Enroller, build_gallery
from facejobs.gallery.changes import REPORT_NAME, changing
from facejobs.gallery.enrolment import Refusal, find_enrolment
from facejobs.gallery.report import examine, write_report
from facejobs.gallery.report_page import _text
from facejobs.gallery.store import Gallery

HOSTILE = '<img src=x onerror=alert(1)> & "co"\n\u202e'


class Page(HTMLParser):
    """What a browser would see: the tags, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def gallery(people: Path, tmp_path: Path, enroller: Enroller) -> Gallery:
    (people / "Bo").rename(people / HOSTILE)
    return build_gallery(find_enrolment(people), tmp_path / "gallery", enroller).gallery


def test_people_and_refusals_are_shown_and_nothing_is_loaded_or_run(gallery: Gallery, people: Path) -> None:
    photograph = next((people / HOSTILE).iterdir())
    refusals = (
        Refusal(HOSTILE, photograph, "blurred: <b>"),
        Refusal("Dee", people / "Dee", "no photograph in this folder"),
        Refusal(None, people / "torn.jpg", "damaged"),
    )
    target = gallery.folder / REPORT_NAME
    write_report(examine(gallery, refusals), target)
    page = Page(target.read_text())
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags and "b" not in tags
    shown = '<img src=x onerror=alert(1)> & "co"\\n\\u202e'
    assert page.text.count(shown) >= 2  # in the list of people, and of refused photographs
    assert "blurred: <b>" in page.text and "Ann Lee" in page.text and "Without an image" in page.text
    pictures = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 6 + 1 and all(source.startswith("data:image/jpeg;base64,/9j/") for source in pictures)
    assert not re.search(r"(?:src|href)=\"(?!data:)", target.read_text())


def test_a_gallery_too_large_to_compare_says_so(gallery: Gallery) -> None:
    target = gallery.folder / REPORT_NAME
    write_report(replace(examine(gallery), mix_ups=None), target)
    assert "too large to compare" in target.read_text()


def test_a_report_is_replaced_and_another_file_is_not(gallery: Gallery, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    for _ in range(2):
        write_report(examine(gallery), target)
    target.write_text("mine")
    with pytest.raises(OutputExistsError, match="no report of facejobs"):
        write_report(examine(gallery), target)
    assert target.read_text() == "mine"
    with pytest.raises(OutputExistsError, match="not a file"):
        write_report(examine(gallery), tmp_path)


def test_a_report_goes_before_the_people_it_shows(gallery: Gallery) -> None:
    write_report(examine(gallery), gallery.folder / REPORT_NAME)
    with changing(gallery.folder) as change:
        change.set_calibration({"threshold": 0.5})
    assert (gallery.folder / REPORT_NAME).exists()
    with changing(gallery.folder) as change:
        change.remove("Ann Lee")
    assert not (gallery.folder / REPORT_NAME).exists()


def test_a_gallery_without_pictures_has_a_report_too(people: Path, tmp_path: Path, enroller: Enroller) -> None:
    enrolled = build_gallery(find_enrolment(people), tmp_path / "gallery", replace(enroller, pictures=False))
    write_report(examine(enrolled.gallery), tmp_path / "page.html")
    assert "<img" not in (tmp_path / "page.html").read_text()


@given(text=st.text())
def test_any_text_stays_text(text: str) -> None:
    escaped = _text(text)
    assert Page(f"<p>{escaped}</p>").tags == [("p", {})]
    assert html.unescape(escaped).isprintable()
