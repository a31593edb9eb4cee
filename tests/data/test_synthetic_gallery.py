"""Drawn photographs for a gallery: who is in them, what is refused, and that nobody else's people are used."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from facejobs.data.errors import OutputExistsError, RequestError
from facejobs.data.synthetic import gallery_set
from facejobs.data.synthetic.gallery_scenes import draw_group, draw_single
from facejobs.data.synthetic.gallery_set import FIRST_PERSON, GalleryCounts, write_synthetic_gallery
from facejobs.data.synthetic.identity import Identity, draw_identity
from facejobs.data.synthetic.render import Sitter
from facejobs.data.synthetic.scenes import SCENE_HEIGHT, SCENE_WIDTH, Scene

COUNTS = GalleryCounts(people=2, enrol_images=2, query_images=1, strangers=1, photographs=1)
NAMES = ["enrol/person-01/001.jpg", "enrol/person-01/002.jpg", "enrol/person-02/001.jpg", "enrol/person-02/002.jpg"]
NAMES += ["photographs/001.jpg", "photographs/people.txt"]
NAMES += ["query/person-01/001.jpg", "query/person-02/001.jpg", "query/unknown/001.jpg"]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("drawn") / "gallery"
    write_synthetic_gallery(target, COUNTS, seed=4, processes=1)
    return target


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Who is drawn, as (person, view) or (group, view, people…), without the minutes that drawing takes."""
    shown: list[tuple[int, ...]] = []
    blank = Scene(np.zeros((16, 16, 3), np.uint8), ())

    class Name:
        def __init__(self, identity: Identity) -> None:
            self.identity = identity

    def single(seed: int, sitter: Name, image: int) -> Scene:
        shown.append((sitter.identity.number, image))
        return blank

    def group(seed: int, number: int, people: Sequence[int], image: int) -> Scene:
        shown.append((number, image, *people))
        return blank

    monkeypatch.setattr(gallery_set, "Sitter", Name)
    monkeypatch.setattr(gallery_set, "draw_single", single)
    monkeypatch.setattr(gallery_set, "draw_group", group)
    return shown


def test_writes_photographs_of_the_people_it_names(drawn: Path) -> None:
    files = content(drawn)
    assert sorted(files) == NAMES
    pictures = [data for name, data in files.items() if name.endswith(".jpg")]
    assert len(set(pictures)) == len(pictures)
    assert all(simplejpeg.decode_jpeg(data).shape == (SCENE_HEIGHT, SCENE_WIDTH, 3) for data in pictures)


def test_the_same_seed_draws_the_same_photographs_with_any_number_of_processes(drawn: Path, tmp_path: Path) -> None:
    write_synthetic_gallery(tmp_path / "again", COUNTS, seed=4, processes=2)
    assert content(tmp_path / "again") == content(drawn)


def test_a_single_photograph_shows_one_face_large_enough_to_enrol() -> None:
    sitter = Sitter(draw_identity(0, FIRST_PERSON))
    for image in (0, 1):
        (face,) = draw_single(0, sitter, image).faces
        x, y, width, height = face.box
        assert x >= 0 and y >= 0 and x + width < SCENE_WIDTH and y + height < SCENE_HEIGHT
        assert np.linalg.norm(face.landmarks[1] - face.landmarks[0]) > 16


def test_a_group_shows_everybody_from_left_to_right() -> None:
    people = [FIRST_PERSON + 3, FIRST_PERSON + 1, FIRST_PERSON + 7, FIRST_PERSON]
    faces = draw_group(0, 2, people, 0).faces
    centres = sorted(face.box[0] + face.box[2] / 2 for face in faces)
    assert len(faces) == len(people)
    assert [int(centre // (SCENE_WIDTH / len(people))) for centre in centres] == [0, 1, 2, 3]


def test_nobody_is_of_the_training_sets_and_no_stranger_is_enrolled(
    tmp_path: Path, sketched: list[tuple[int, ...]]
) -> None:
    counts = GalleryCounts(people=3, enrol_images=2, query_images=4, strangers=5, photographs=8)
    write_synthetic_gallery(tmp_path / "gallery", counts, 0, 1)
    singles, groups = sketched[:-8], sketched[-8:]
    known = {person for person, _ in singles[:-5]}
    strangers = {person for person, _ in singles[-5:]}
    in_groups = {person for _, _, *people in groups for person in people}
    assert (len(known), len(strangers), len(in_groups - known)) == (3, 5, 8)
    assert min(known | strangers | in_groups) >= FIRST_PERSON
    assert not strangers & (known | in_groups)
    views = [(person, view) for person, view in singles]
    views += [(person, view) for _, view, *people in groups for person in people]
    assert len(set(views)) == len(views)


def test_more_of_one_kind_leaves_the_others_as_they_are(tmp_path: Path, sketched: list[tuple[int, ...]]) -> None:
    write_synthetic_gallery(tmp_path / "few", GalleryCounts(2, 1, 1, 1, 1), 0, 1)
    few = set(sketched)
    sketched.clear()
    write_synthetic_gallery(tmp_path / "more", GalleryCounts(2, 3, 2, 4, 2), 0, 1)
    assert few < set(sketched)


def test_people_txt_names_a_group_as_it_is_drawn(tmp_path: Path, sketched: list[tuple[int, ...]]) -> None:
    write_synthetic_gallery(tmp_path / "gallery", GalleryCounts(4, 1, 1, 1, 12), 0, 1)
    lines = (tmp_path / "gallery" / "photographs" / "people.txt").read_text().splitlines()
    for line, (number, _, *people) in zip(lines, sketched[-12:], strict=True):
        named = [f"person-{p - FIRST_PERSON + 1:02}" if p < FIRST_PERSON + 4 else "unknown" for p in people]
        assert line == f"{number + 1:03}.jpg\t{' '.join(named)}"
        assert named.count("unknown") == 1 and len(set(named)) == len(named) >= 3


def test_one_person_and_no_strangers_will_do(tmp_path: Path, sketched: list[tuple[int, ...]]) -> None:
    write_synthetic_gallery(tmp_path / "gallery", GalleryCounts(1, 1, 1, 0, 1), 0, 1)
    assert not (tmp_path / "gallery" / "query" / "unknown").exists()
    assert (tmp_path / "gallery" / "photographs" / "001.jpg").is_file()


def test_progress_of_a_gallery_is_told(tmp_path: Path, sketched: list[tuple[int, ...]]) -> None:
    told: list[tuple[str, int, int]] = []
    counts = GalleryCounts(2, 1, 1, 1, 1)
    write_synthetic_gallery(tmp_path / "gallery", counts, 0, 1, lambda *step: told.append(step))
    assert told == [("people", 1, 2), ("people", 2, 2), ("strangers", 1, 1), ("groups", 1, 1)]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (GalleryCounts(people=0), "--identities is 0, at least 1"),
        (GalleryCounts(people=1_000_001), "--identities is 1000001, at most 1,000,000"),
        (GalleryCounts(enrol_images=0), "--images is 0"),
        (GalleryCounts(query_images=0), "--query-images is 0"),
        (GalleryCounts(strangers=-1), "--strangers is -1"),
        (GalleryCounts(photographs=-1), "--photographs is -1"),
    ],
)
def test_impossible_galleries_are_refused(tmp_path: Path, counts: GalleryCounts, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        write_synthetic_gallery(tmp_path / "gallery", counts, 0, 1)
    assert not list(tmp_path.iterdir())


def test_a_negative_seed_draws_no_gallery(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--seed is -1"):
        write_synthetic_gallery(tmp_path / "gallery", COUNTS, -1, 1)


def test_a_gallery_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(OutputExistsError):
        write_synthetic_gallery(tmp_path, COUNTS, 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
