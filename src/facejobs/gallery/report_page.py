"""The report of a gallery as an HTML page."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facejobs import __version__
from facejobs.gallery.build import ChosenFace
from facejobs.gallery.mix_ups import NEAR_IDENTICAL, MixUps
from facejobs.gallery.store import Gallery

GENERATOR = '<meta name="generator" content="facejobs gallery report">'

_MOST_PEOPLE = 1_000
_MOST_FINDINGS = 200
_PICTURES_OF_PERSON = 12
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
td { overflow-wrap: anywhere; min-width: 5rem; }
th { font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { display: inline-block; margin: 0 .5rem .5rem 0; vertical-align: top; width: 112px; }
img { display: block; max-width: 160px; }
figcaption { font-size: .75rem; overflow-wrap: anywhere; }
p.note { color: #888; }
@media (max-width: 45rem) { table { display: block; overflow-x: auto; } }
footer { margin-top: 3rem; font-size: .8rem; color: #888; }
"""


@dataclass(frozen=True, slots=True)
class RefusedPicture:
    """A photograph or folder that was not enrolled, with a small picture of it, an encoded JPEG, if there is one."""

    person: str | None
    path: Path
    reason: str
    picture: bytes | None


@dataclass(frozen=True, slots=True)
class ReportContent:
    """What the page shows."""

    gallery: Gallery
    mix_ups: MixUps | None
    refused: Sequence[RefusedPicture]
    without_image: Sequence[str]
    chosen: Sequence[ChosenFace]


def render(content: ReportContent) -> str:
    """The whole page. Whatever comes from folders and files is escaped: a name cannot run a script."""
    gallery = content.gallery
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{GENERATOR}
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gallery of {len(gallery.people):,} people</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Gallery of {len(gallery.people):,} people</h1>
{_facts(content)}
{_mix_ups(content)}
{_missing(content.without_image)}
{_refused(content.refused)}
{_chosen(content)}
{_people(gallery)}
<footer>Made by facejobs {escape(__version__)}. This file is complete: it loads nothing. It shows people: keep it as you
keep the gallery.</footer>
</body>
</html>
"""


def _facts(content: ReportContent) -> str:
    gallery = content.gallery
    facts = [
        ("People", f"{len(gallery.people):,}"),
        ("Enrolled images", f"{len(gallery.embeddings):,}"),
        ("Detector", f"{gallery.detector.name} ({gallery.detector.sha256[:12]})"),
        ("Recogniser", f"{gallery.recogniser.name} ({gallery.recogniser.sha256[:12]})"),
    ]
    if content.refused:
        facts.insert(2, ("Not enrolled", f"{len(content.refused):,}"))
    return _table((), ((f"<th>{name}</th>", f"<td>{_text(value)}</td>") for name, value in facts))


def _mix_ups(content: ReportContent) -> str:
    mix_ups = content.mix_ups
    if mix_ups is None:
        return (
            "<h2>Likely mix-ups</h2>\n<p>Not looked for: this gallery is too large to compare each image with each.</p>"
        )
    if not (mix_ups.strays or mix_ups.alike or mix_ups.same):
        return "<h2>Likely mix-ups</h2>\n<p>None found.</p>"
    intro = "<p>They are enrolled all the same: look at each, and remove or replace what is wrong.</p>"
    return "\n".join(
        ["<h2>Likely mix-ups</h2>", intro, _strays(content.gallery, mix_ups), _alike(content.gallery, mix_ups),
         _same(content.gallery, mix_ups)]
    )  # fmt: skip


def _strays(gallery: Gallery, mix_ups: MixUps) -> str:
    first, last = _first_rows(gallery), _last_rows(gallery)
    rows = []
    for stray in mix_ups.strays[:_MOST_FINDINGS]:
        person = int(gallery.person_of_row[stray.row])
        another = first[person] if first[person] != stray.row else last[person]
        rows.append(
            (
                f"<td>{_figure(gallery, stray.row)}</td>",
                f"<td>{_figure(gallery, int(another))}</td>",
                f"<td>{_text(gallery.people[person])}</td>",
                f'<td class="number">{stray.own:.2f}</td>',
                f"<td>{_figure(gallery, int(first[stray.other_person]))}</td>",
                f"<td>{_text(gallery.people[stray.other_person])}</td>",
                f'<td class="number">{stray.other:.2f}</td>',
            )
        )
    headers = ("Image", "Enrolled with", "as", "Similarity", "Most like", "", "Similarity")
    return _section("Images unlike the others of their person", headers, rows, len(mix_ups.strays))


def _alike(gallery: Gallery, mix_ups: MixUps) -> str:
    first = _first_rows(gallery)
    rows = (
        (
            f"<td>{_figure(gallery, int(first[pair.first]))}</td>",
            f"<td>{_text(gallery.people[pair.first])}</td>",
            f"<td>{_figure(gallery, int(first[pair.second]))}</td>",
            f"<td>{_text(gallery.people[pair.second])}</td>",
            f'<td class="number">{pair.similarity:.2f}</td>',
        )
        for pair in mix_ups.alike[:_MOST_FINDINGS]
    )
    headers = ("Person", "", "Person", "", "Mean similarity")
    return _section("People as alike as one person", headers, rows, len(mix_ups.alike))


def _same(gallery: Gallery, mix_ups: MixUps) -> str:
    rows = (
        (
            f"<td>{_figure(gallery, pair.first)}</td>",
            f"<td>{_text(_name(gallery, pair.first))}</td>",
            f"<td>{_figure(gallery, pair.second)}</td>",
            f"<td>{_text(_name(gallery, pair.second))}</td>",
            f'<td class="number">{pair.similarity:.3f}</td>',
        )
        for pair in mix_ups.same[:_MOST_FINDINGS]
    )
    title = f"Nearly the same image (similarity {NEAR_IDENTICAL} or more)"
    return _section(title, ("Image", "Person", "Image", "Person", "Similarity"), rows, len(mix_ups.same))


def _missing(people: Sequence[str]) -> str:
    if not people:
        return ""
    names = "".join(f"<li>{_text(person)}</li>" for person in people)
    return f"<h2>Without an image</h2>\n<p>None of their photographs was enrolled.</p>\n<ul>{names}</ul>"


def _refused(refused: Sequence[RefusedPicture]) -> str:
    if not refused:
        return ""
    rows = (
        (
            f"<td>{_image(one.picture)}</td>",
            f"<td>{'' if one.person is None else _text(one.person)}</td>",
            f"<td>{_text(one.path.name)}</td>",
            f"<td>{_text(one.reason)}</td>",
        )
        for one in refused
    )
    return "<h2>Not enrolled</h2>\n" + _table(("Photograph", "Person", "File", "Reason"), rows)


def _chosen(content: ReportContent) -> str:
    if not content.chosen:
        return ""
    gallery = content.gallery
    rows = []
    for one in content.chosen[:_MOST_FINDINGS]:
        if gallery.people.find(one.person) is None:
            continue
        mine = [int(row) for row in gallery.rows_of(one.person) if gallery.photographs[int(row)] == one.path.name]
        figures = "".join(_figure(gallery, row) for row in mine)
        rows.append((f"<td>{figures}</td>", f"<td>{_text(one.person)}</td>", f'<td class="number">{one.faces}</td>'))
    intro = "<p>The largest was enrolled: see whether it is the person's.</p>"
    table = _table(("Image", "Person", "Faces in the photograph"), rows)
    return f"<h2>Chosen among several faces</h2>\n{intro}\n{table}{_rest(len(content.chosen))}"


def _people(gallery: Gallery) -> str:
    order = np.argsort(gallery.person_of_row, kind="stable")
    ends = np.cumsum(gallery.image_counts)
    shown = min(len(gallery.people), _MOST_PEOPLE)
    rows = []
    for person in range(shown):
        mine = order[ends[person] - gallery.image_counts[person] : ends[person]]
        figures = "".join(_figure(gallery, int(row)) for row in mine[:_PICTURES_OF_PERSON])
        more = len(mine) - _PICTURES_OF_PERSON
        figures += f" and {more:,} more" if more > 0 else ""
        rows.append(
            (
                f"<td>{_text(gallery.people[person])}</td>",
                f'<td class="number">{len(mine):,}</td>',
                f"<td>{figures}</td>",
            )
        )
    rest = len(gallery.people) - shown
    note = f'\n<p class="note">{rest:,} more people are not shown.</p>' if rest else ""
    return "<h2>People</h2>\n" + _table(("Name", "Images", "with their quality, 0 to 1"), rows) + note


def _section(title: str, headers: Sequence[str], rows: Iterable[Sequence[str]], count: int) -> str:
    if not count:
        return ""
    return f"<h3>{title}</h3>\n{_table(headers, rows)}{_rest(count)}"


def _rest(count: int) -> str:
    rest = count - _MOST_FINDINGS
    return f'\n<p class="note">{rest:,} more are not shown.</p>' if rest > 0 else ""


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = f"<tr>{''.join(f'<th>{header}</th>' for header in headers)}</tr>\n" if headers else ""
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>\n{head}{body}\n</table>"


def _first_rows(gallery: Gallery) -> NDArray[np.int64]:
    """Of each person the row of one image."""
    return np.unique(gallery.person_of_row, return_index=True)[1]


def _last_rows(gallery: Gallery) -> NDArray[np.int64]:
    """Of each person the row of another image, where there are several."""
    rows: NDArray[np.int64] = (
        len(gallery.person_of_row) - 1 - np.unique(gallery.person_of_row[::-1], return_index=True)[1]
    )
    return rows


def _name(gallery: Gallery, row: int) -> str:
    return gallery.people[int(gallery.person_of_row[row])]


def _figure(gallery: Gallery, row: int) -> str:
    image = gallery.image(row)
    caption = f"{_text(image.photograph)} ({image.quality:.2f})"
    return f"<figure>{_image(image.picture)}<figcaption>{caption}</figcaption></figure>"


def _image(picture: bytes | None) -> str:
    if picture is None:
        return ""
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(picture).decode("ascii")}">'


def _text(text: str) -> str:
    """Text for the page: escaped, with what cannot be seen, such as a line end, made visible."""
    return escape("".join(character if character.isprintable() else repr(character)[1:-1] for character in text))
