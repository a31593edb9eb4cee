"""Galleries built from photographs: who is enrolled, who is refused, and what a failure leaves."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from facejobs.data.errors import OutputExistsError
from facejobs.gallery.build import Enrolled, Enroller, add_to_gallery, build_gallery
from facejobs.gallery.enrolment import enrolment_of, find_enrolment
from facejobs.gallery.errors import GalleryError
from facejobs.gallery.report import examine, write_report
from facejobs.gallery.store import Gallery
from facejobs.inference.face_pipeline import FacePipeline


def reasons(enrolled: Enrolled) -> dict[str, str]:
    return {refusal.path.name: refusal.reason for refusal in enrolled.refusals}


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_person_has_the_embeddings_of_their_photographs(people: Path, tmp_path: Path, enroller: Enroller) -> None:
    enrolled = build_gallery(find_enrolment(people), tmp_path / "gallery", enroller)
    gallery = enrolled.gallery
    assert list(gallery.people) == ["Ann Lee", "Bo", "Çelik, İ."]
    assert gallery.person_of_row.tolist() == [0, 0, 1, 1, 2, 2] and enrolled.refusals == ()
    for image in gallery.images():
        path = people / image.person / image.photograph
        (face,) = next(enroller.pipeline.describe_files([path]))[1].faces
        np.testing.assert_allclose(image.embedding, face.embedding, atol=1e-6)
        assert image.picture is not None
        assert cv2.imdecode(np.frombuffer(image.picture, np.uint8), cv2.IMREAD_COLOR).shape == (112, 112, 3)


def test_pictures_are_left_out_on_request(people: Path, tmp_path: Path, enroller: Enroller) -> None:
    enrolled = build_gallery(find_enrolment(people), tmp_path / "gallery", replace(enroller, pictures=False))
    assert all(image.picture is None for image in enrolled.gallery.images())


def test_what_cannot_be_enrolled_is_named_with_its_reason(
    people: Path, tmp_path: Path, enroller: Enroller, draw_portrait: Callable[..., Any]
) -> None:
    save(people / "Bo" / "none.png", draw_portrait(1, 5, spots=0))
    save(people / "Bo" / "two.png", draw_portrait(1, 6, spots=2))
    save(people / "Bo" / "crowd.png", draw_portrait(1, 7, spots=17))
    save(people / "root.png", draw_portrait(1, 8))
    (people / "Bo" / "torn.png").write_bytes((people / "Bo" / "0.png").read_bytes()[:200])
    (people / "Bo" / "empty.jpg").touch()
    (people / "Dee").mkdir()
    shutil.copy(people / "Bo" / "0.png", people / "Bo" / "copy.png")
    told = []
    enrolled = build_gallery(find_enrolment(people), tmp_path / "gallery", replace(enroller, refused=told.append))
    found = reasons(enrolled)
    assert found["none.png"] == "no face found"
    assert found["two.png"].startswith("2 faces") and found["crowd.png"].startswith("17 faces")
    assert "lies in no person's folder" in found["root.png"]
    assert "the same file as 0.png" in found["copy.png"]
    assert "0 bytes" in found["empty.jpg"] and found["torn.png"]
    assert found["Dee"] == "no photograph in this folder"
    assert told == list(enrolled.refusals) and len(found) == 8
    assert enrolled.gallery.image_counts.tolist() == [2, 2, 2]


def test_a_face_chosen_among_several_is_told(
    people: Path, tmp_path: Path, enroller: Enroller, draw_portrait: Callable[..., Any]
) -> None:
    picture = np.tile(draw_portrait(1, 6) // 2, (3, 3, 1))
    picture[64:128, 64:128] = draw_portrait(1, 6)
    picture[:8, 8:16] = 205  # a spot of which the detector is unsure
    path = save(people / "Bo" / "wide.png", picture)
    sure = replace(enroller, limits=replace(enroller.limits, least_score=0.95))
    enrolled = build_gallery(find_enrolment(people), tmp_path / "gallery", sure)
    assert [(one.person, one.path, one.faces) for one in enrolled.chosen] == [("Bo", path, 2)]
    write_report(examine(enrolled.gallery, enrolled.refusals, enrolled.chosen), tmp_path / "page.html")
    assert "Chosen among several faces" in (tmp_path / "page.html").read_text()


def test_poor_faces_are_refused_with_the_number(people: Path, tmp_path: Path, enroller: Enroller) -> None:
    limits = replace(enroller.limits, least_eye_distance=16)
    with pytest.raises(GalleryError, match="none of the photographs can be enrolled"):
        build_gallery(find_enrolment(people), tmp_path / "gallery", replace(enroller, limits=limits))
    assert not (tmp_path / "gallery").exists()
    save(people / "Bo" / "0.png", cv2.resize(cv2.imread(str(people / "Bo" / "0.png")), (512, 512)))
    told = []
    with pytest.raises(GalleryError):
        build_gallery(find_enrolment(people), tmp_path / "g", replace(enroller, limits=limits, refused=told.append))
    assert any("too small: 4.0 pixels between the eyes, least 16" in refusal.reason for refusal in told)


def encoded(image: np.ndarray, mode: str, kind: str, orientation: int = 1) -> bytes:
    if orientation == 6:
        image = np.rot90(image)
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).convert(mode).save(file, kind, exif=exif.tobytes(), quality=98, subsampling=0)
    return file.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind", "orientation"), [("L", "jpeg", 1), ("CMYK", "jpeg", 1), ("RGB", "jpeg", 6), ("RGBA", "png", 1)]
)
def test_photographs_of_all_kinds(
    tmp_path: Path, enroller: Enroller, draw_portrait: Callable[..., Any], mode: str, kind: str, orientation: int
) -> None:
    (tmp_path / "people" / "Ann").mkdir(parents=True)
    portrait = draw_portrait(4)
    (tmp_path / "people" / "Ann" / f"a.{kind}").write_bytes(encoded(portrait, mode, kind, orientation))
    enrolled = build_gallery(find_enrolment(tmp_path / "people"), tmp_path / "gallery", enroller)
    (image,) = enrolled.gallery.images()
    shown = cv2.cvtColor(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) if mode == "L" else portrait
    expected = enroller.pipeline.describe(shown).faces[0].embedding
    assert float(image.embedding @ expected) > 0.98


def test_a_photograph_of_16_bits(tmp_path: Path, enroller: Enroller, draw_portrait: Callable[..., Any]) -> None:
    path = save(tmp_path / "people" / "Ann" / "deep.png", draw_portrait(4).astype(np.uint16) * 257)
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    enrolled = build_gallery(find_enrolment(tmp_path / "people"), tmp_path / "gallery", enroller)
    assert list(enrolled.gallery.people) == ["Ann"]


def test_a_gallery_that_is_there_stays(people: Path, tmp_path: Path, enroller: Enroller) -> None:
    build_gallery(find_enrolment(people), tmp_path / "gallery", enroller)
    before = contents(tmp_path / "gallery")
    with pytest.raises(OutputExistsError):
        build_gallery(find_enrolment(people), tmp_path / "gallery", enroller)
    assert contents(tmp_path / "gallery") == before


def test_more_photographs_are_added_and_others_replaced(
    people: Path, tmp_path: Path, enroller: Enroller, draw_portrait: Callable[..., Any]
) -> None:
    folder = build_gallery(find_enrolment(people), tmp_path / "gallery", enroller).gallery.folder
    more = save(tmp_path / "more.png", draw_portrait(1, 9))
    add_to_gallery(enrolment_of("Bo", more), folder, enroller)
    assert [image.photograph for image in Gallery.open(folder).images() if image.person == "Bo"].count("more.png") == 1
    assert Gallery.open(folder).image_counts.tolist() == [2, 3, 2]
    new = save(tmp_path / "new.png", draw_portrait(7, 0))
    add_to_gallery(enrolment_of("Bo", new), folder, enroller, replace=True)
    assert [image.photograph for image in Gallery.open(folder).images() if image.person == "Bo"] == ["new.png"]
    add_to_gallery(
        enrolment_of("Zoë: the\n2nd/" + "x" * 300, save(tmp_path / "z.png", draw_portrait(8))), folder, enroller
    )
    assert "Zoë: the\n2nd/" + "x" * 300 in Gallery.open(folder).people


def test_a_photograph_that_is_enrolled_is_not_enrolled_again(
    people: Path, tmp_path: Path, enroller: Enroller, draw_portrait: Callable[..., Any]
) -> None:
    folder = build_gallery(find_enrolment(people), tmp_path / "gallery", enroller).gallery.folder
    before = contents(folder)
    with pytest.raises(GalleryError, match="the gallery is as it was"):
        add_to_gallery(enrolment_of("Bo", people / "Bo"), folder, enroller)
    told = []
    with pytest.raises(GalleryError):
        add_to_gallery(enrolment_of("Cat", people / "Bo"), folder, replace(enroller, refused=told.append), replace=True)
    assert all("enrolled as a photograph of Bo" in refusal.reason for refusal in told) and len(told) == 2
    assert contents(folder) == {**before, "gallery.lock": b""}
    add_to_gallery(enrolment_of("Bo", people / "Bo"), folder, enroller, replace=True)
    assert Gallery.open(folder).image_counts.tolist() == [2, 2, 2]


def test_replacing_by_photographs_without_a_face_replaces_nothing(
    people: Path, tmp_path: Path, enroller: Enroller, draw_portrait: Callable[..., Any]
) -> None:
    folder = build_gallery(find_enrolment(people), tmp_path / "gallery", enroller).gallery.folder
    empty = save(tmp_path / "empty.png", draw_portrait(1, 0, spots=0))
    with pytest.raises(GalleryError, match="none of the photographs"):
        add_to_gallery(enrolment_of("Bo", empty), folder, enroller, replace=True)
    assert Gallery.open(folder).image_counts.tolist() == [2, 2, 2]


def test_other_models_may_not_add(
    people: Path,
    tmp_path: Path,
    enroller: Enroller,
    publish_spot_detector: Callable[..., Path],
    publish_block_recogniser: Callable[..., Path],
) -> None:
    folder = build_gallery(find_enrolment(people), tmp_path / "gallery", enroller).gallery.folder
    other = FacePipeline.open(
        publish_spot_detector(tmp_path / "detector"), publish_block_recogniser(tmp_path / "other", scale=1 / 255)
    )
    with pytest.raises(GalleryError, match="recogniser"):
        add_to_gallery(enrolment_of("Bo", people / "Bo"), folder, Enroller(other, enroller.limits))


def test_a_failure_in_the_middle_leaves_nothing(people: Path, tmp_path: Path, enroller: Enroller) -> None:
    done = 0

    def fail() -> None:
        nonlocal done
        done += 1
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_gallery(find_enrolment(people), tmp_path / "gallery", replace(enroller, advance=fail))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detector", "people", "recogniser"]
