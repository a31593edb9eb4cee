"""What is put into a gallery comes out of it, whatever people are called."""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.errors import OutputExistsError
from facejobs.gallery.changes import changing, create_gallery
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.rows import EnrolledImage
from facejobs.gallery.store import Gallery
from facejobs.inference.model_identity import ModelIdentity

Enrol = Callable[..., EnrolledImage]
Make = Callable[..., Gallery]
ODD_NAMES = ["a b", " a", "a/b", "../a", "a\\b", "a\nb", '"', "Zoë", "Zoe\u0308", "李", "\udc80", "\0", "😀", "n" * 300]


def content(gallery: Gallery) -> list[tuple[object, ...]]:
    """All images, in an order of their own."""
    images = [dataclasses.astuple(dataclasses.replace(image, embedding=None)) for image in gallery.images()]
    vectors = [tuple(embedding) for embedding in gallery.embeddings.tolist()]
    return sorted(zip(images, vectors, strict=True), key=repr)


def test_images_come_out_as_they_were_put_in(enrol: Enrol, make_gallery: Make) -> None:
    images = [enrol("Bo", 0, picture=b"picture"), enrol("Ann", 1), enrol("Bo", 2, picture=b"another")]
    gallery = make_gallery(images)
    assert list(gallery.people) == ["Ann", "Bo"]
    assert gallery.image_counts.tolist() == [1, 2]
    assert [gallery.people[number] for number in gallery.person_of_row] == ["Bo", "Ann", "Bo"]
    for row, image in enumerate(images):
        kept = gallery.image(row)
        np.testing.assert_array_equal(kept.embedding, image.embedding)
        assert dataclasses.replace(kept, embedding=None) == dataclasses.replace(image, embedding=None)
    assert gallery.rows_of("Bo").tolist() == [0, 2]
    assert (gallery.detector.name, gallery.recogniser.name) == ("detector", "recogniser")
    assert gallery.calibration is None


def test_means_are_unit_means_of_each_person(enrol: Enrol, make_gallery: Make) -> None:
    gallery = make_gallery([enrol("a", 0), enrol("b", 0), enrol("a", 1), enrol("a", 2)])
    for mean, person in zip(gallery.means, gallery.person_of_mean, strict=True):
        total = gallery.embeddings[gallery.person_of_row == person].astype(np.float64).sum(0)
        np.testing.assert_allclose(mean, total / np.linalg.norm(total), atol=1e-6)


def test_images_that_cancel_each_other_have_no_direction(enrol: Enrol, make_gallery: Make) -> None:
    image = enrol("a")
    gallery = make_gallery([image, dataclasses.replace(image, embedding=-image.embedding), enrol("b")])
    assert gallery.means[0].tolist() == [0] * 8


@settings(max_examples=15)
@given(
    names=st.lists(st.text(st.characters(exclude_categories=()), min_size=1, max_size=300), min_size=1, max_size=6)
    | st.just(ODD_NAMES)
)
def test_any_name_is_kept_found_and_removed(names: list[str]) -> None:
    enrolled = [one_value(name) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery"
        gallery = create_gallery(path, *MODELS, 1, enrolled)
        assert list(gallery.people) == sorted(set(names))
        assert list(gallery.photographs) == names
        assert {path.parent for path in Path(folder).rglob("*")} == {Path(folder), path}
        for number, name in enumerate(gallery.people):
            assert gallery.number_of(name) == number
            assert gallery.rows_of(name).tolist() == [row for row, other in enumerate(names) if other == name]
        with changing(path) as change:
            change.remove(names[0])
        assert list(Gallery.open(path).people) == sorted(set(names) - {names[0]})


MODELS = (ModelIdentity("d", "0" * 64), ModelIdentity("r", "1" * 64))


def one_value(name: str) -> EnrolledImage:
    return EnrolledImage(name, name, "0" * 64, np.ones(1, np.float32), 0.0)


def test_somebody_unknown_is_told_with_the_nearest_names(enrol: Enrol, make_gallery: Make) -> None:
    gallery = make_gallery([enrol("Zoë"), enrol("Bo")])
    with pytest.raises(GalleryError, match=r"'Zoe' is not in this gallery; did you mean 'Zoë'\?"):
        gallery.rows_of("Zoe")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embedding": np.ones(8, np.float32)}, "has length 2.828, not 1"),
        ({"embedding": np.full(8, np.nan, np.float32)}, "has length nan"),
        ({"embedding": np.ones(4, np.float32) / 2}, r"has shape \(4,\), not \(8,\)"),
        ({"person": ""}, "without a name"),
        ({"quality": float("nan")}, "quality is nan"),
        ({"sha256": "F" * 64}, "not a SHA-256"),
    ],
)
def test_an_image_that_cannot_be_kept_is_named(
    changes: dict[str, object], message: str, enrol: Enrol, make_gallery: Make, tmp_path: Path
) -> None:
    bad = dataclasses.replace(enrol("Bo", 7), **changes)  # type: ignore[arg-type]
    with pytest.raises(GalleryError, match=rf"^'Bo/7.jpg' of .*{message}"):
        make_gallery([enrol("Ann"), bad])
    assert list(tmp_path.iterdir()) == []


def test_nobody_is_no_gallery(make_gallery: Make, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="no image to enrol"):
        make_gallery([])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_left_as_it_is(enrol: Enrol, make_gallery: Make, tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "letter.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        make_gallery([enrol("Ann")])
    assert [path.name for path in tmp_path.rglob("*")] == ["gallery", "letter.txt"]


def test_a_gallery_of_other_models_is_refused(enrol: Enrol, make_gallery: Make) -> None:
    gallery = make_gallery([enrol("Ann")])
    same = ModelIdentity("another name", gallery.detector.sha256)
    gallery.require_models(same, gallery.recogniser)
    other = ModelIdentity("better", "f" * 64)
    with pytest.raises(GalleryError, match=r"made by the recogniser recogniser \(e{12}\), not by better \(f{12}\)"):
        gallery.require_models(same, other)
    with pytest.raises(GalleryError, match="made by the detector"):
        gallery.require_models(other, gallery.recogniser)


@pytest.mark.parametrize(
    ("place", "message"), [("nowhere", "does not exist"), ("file", "is a file"), ("", "no gallery")]
)
def test_what_is_no_gallery_is_told(place: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GalleryError, match=message):
        Gallery.open(tmp_path / place)
    with pytest.raises(GalleryError, match=message), changing(tmp_path / place):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
