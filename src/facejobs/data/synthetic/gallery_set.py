"""Synthetic photographs for a gallery: people to enrol, others of the same people, strangers, and groups."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import simplejpeg

from facejobs.data.errors import RequestError
from facejobs.data.fresh_output import fresh_directory
from facejobs.data.synthetic.gallery_scenes import draw_group, draw_single
from facejobs.data.synthetic.identity import draw_identity
from facejobs.data.synthetic.render import Sitter
from facejobs.data.synthetic.scenes import Scene
from facejobs.data.synthetic.seeding import Stream, generator
from facejobs.data.synthetic.workers import OrderedMap, Progress, ordered_workers, silent

UNKNOWN = "unknown"
FIRST_PERSON = 1_000_000
"""Number of the first person of a gallery; the people of training and verification sets are numbered from 0."""

_FIRST_STRANGER = 2_000_000
_FIRST_STRANGER_IN_GROUP = 3_000_000
_FIRST_QUERY_VIEW = 10_000
_GROUP_VIEW = 20_000
_MOST_KNOWN_IN_GROUP = 3
_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class GalleryCounts:
    """How much to draw: people, photographs of each to enrol and to query, strangers, and photographs of groups."""

    people: int = 10
    enrol_images: int = 5
    query_images: int = 5
    strangers: int = 60
    photographs: int = 6

    def check(self) -> None:
        """Raise RequestError for a count that makes no gallery, or more people than are numbered for one."""
        limits = {
            "identities": (self.people, 1, _FIRST_STRANGER - FIRST_PERSON),
            "images": (self.enrol_images, 1, _FIRST_QUERY_VIEW),
            "query-images": (self.query_images, 1, _GROUP_VIEW - _FIRST_QUERY_VIEW),
            "strangers": (self.strangers, 0, _FIRST_STRANGER_IN_GROUP - _FIRST_STRANGER),
            "photographs": (self.photographs, 0, _FIRST_STRANGER_IN_GROUP),
        }
        for option, (count, least, most) in limits.items():
            if not least <= count <= most:
                bound = f"at least {least} is needed" if count < least else f"at most {most:,} can be drawn"
                raise RequestError(f"--{option} is {count}, {bound}")


def write_synthetic_gallery(
    target: Path, counts: GalleryCounts, seed: int, processes: int, progress: Progress = silent
) -> None:
    """Draw photographs for a gallery into `target`, which appears whole or not at all.

    Writes `enrol/<person>/`, `query/<person>/` and `query/unknown/` (a photograph each of strangers) with one face in
    each photograph, and `photographs/` with known people beside a stranger, whom `people.txt` there names from left to
    right. Nobody is in the training, verification or detection sets of the same seed. The same counts and seed give
    the same bytes with any number of processes. Raises RequestError for impossible counts or a negative seed, and
    OutputExistsError where `target` exists and is not an empty folder.
    """
    counts.check()
    if seed < 0:
        raise RequestError(f"--seed is {seed}, it must not be negative")
    with fresh_directory(target) as work, ordered_workers(processes) as workers:
        _write_people(work, seed, counts, workers, progress)
        _write_strangers(work / "query" / UNKNOWN, seed, counts.strangers, workers, progress)
        _write_groups(work / "photographs", seed, counts, workers, progress)


def _write_people(work: Path, seed: int, counts: GalleryCounts, workers: OrderedMap, progress: Progress) -> None:
    drawn = workers(partial(_draw_person, seed, counts.enrol_images, counts.query_images), range(counts.people))
    for person, pictures in enumerate(drawn):
        name = _label(person, counts.people)
        _write_pictures(work / "enrol" / name, pictures[: counts.enrol_images])
        _write_pictures(work / "query" / name, pictures[counts.enrol_images :])
        progress("people", person + 1, counts.people)


def _write_strangers(folder: Path, seed: int, count: int, workers: OrderedMap, progress: Progress) -> None:
    if count:
        _write_pictures(folder, _counted(workers(partial(_draw_stranger, seed), range(count)), count, progress))


def _counted(pictures: Iterator[bytes], count: int, progress: Progress) -> Iterator[bytes]:
    for done, picture in enumerate(pictures, 1):
        yield picture
        progress("strangers", done, count)


def _write_groups(folder: Path, seed: int, counts: GalleryCounts, workers: OrderedMap, progress: Progress) -> None:
    folder.mkdir()
    lines = []
    drawn = workers(partial(_draw_group, seed, counts.people), range(counts.photographs))
    for number, picture in enumerate(drawn):
        name = _file_name(number, counts.photographs)
        (folder / name).write_bytes(picture)
        shown = [_label(person, counts.people) for person in _group(seed, counts.people, number)]
        lines.append(f"{name}\t{' '.join(shown)}\n")
        progress("groups", number + 1, counts.photographs)
    (folder / "people.txt").write_text("".join(lines), encoding="utf-8", newline="\n")


def _write_pictures(folder: Path, pictures: Iterable[bytes]) -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        (folder / _file_name(number, 0)).write_bytes(picture)


def _file_name(number: int, count: int) -> str:
    return f"{number + 1:0{max(3, len(str(count)))}}.jpg"


def _label(person: int, people: int) -> str:
    return f"person-{person + 1:0{max(2, len(str(people)))}}" if person < people else UNKNOWN


def _draw_person(seed: int, enrol_images: int, query_images: int, person: int) -> list[bytes]:
    sitter = Sitter(draw_identity(seed, FIRST_PERSON + person))
    views = [*range(enrol_images), *range(_FIRST_QUERY_VIEW, _FIRST_QUERY_VIEW + query_images)]
    return [_encode(draw_single(seed, sitter, view)) for view in views]


def _draw_stranger(seed: int, number: int) -> bytes:
    return _encode(draw_single(seed, Sitter(draw_identity(seed, _FIRST_STRANGER + number)), 0))


def _group(seed: int, people: int, number: int) -> list[int]:
    """Up to three people and one stranger, as numbers from 0; the stranger's is `people`."""
    rng = generator(seed, Stream.GROUP, number, people)
    known = min(people, int(rng.integers(2, _MOST_KNOWN_IN_GROUP + 1)))
    chosen = [int(person) for person in rng.choice(people, known, replace=False)]
    chosen.insert(int(rng.integers(0, known + 1)), people)
    return chosen


def _draw_group(seed: int, people: int, number: int) -> bytes:
    stranger = _FIRST_STRANGER_IN_GROUP + number
    shown = [FIRST_PERSON + person if person < people else stranger for person in _group(seed, people, number)]
    return _encode(draw_group(seed, number, shown, _GROUP_VIEW + number))


def _encode(scene: Scene) -> bytes:
    encoded: bytes = simplejpeg.encode_jpeg(scene.image, _JPEG_QUALITY, "RGB", "420")
    return encoded
