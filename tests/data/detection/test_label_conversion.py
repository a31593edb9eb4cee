"""Labels of Pascal VOC and COCO are read as they are meant, and bad ones leave the target untouched."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facejobs.data.detection.coco_labels import read_coco
from facejobs.data.detection.label_conversion import convert_labels
from facejobs.data.detection.label_files import read_labels
from facejobs.data.detection.voc_labels import read_voc
from facejobs.data.errors import DataError, OutputExistsError

KNOWN = "12 14 0.0 18 14 0.0 15 17 0.0 13 20 0.0 17 20 0.0"


def voc_object(box: str, name: str = "face", difficult: int = 0) -> str:
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    )
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"


def voc(filename: str, *objects: str, size: str = "<size><width>60</width><height>40</height></size>") -> str:
    return f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>"


@pytest.fixture
def voc_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "voc"
    (folder / "Annotations" / "day 1").mkdir(parents=True)
    (folder / "Annotations" / "b.xml").write_text(
        voc("b.jpg", voc_object("1 1 20 30"), voc_object("0 5 9 9", difficult=1))
    )
    (folder / "Annotations" / "day 1" / "a.xml").write_text(voc("a.jpg", size=""))
    return folder


def coco() -> dict[str, Any]:
    return {
        "info": {"year": 2020},
        "images": [
            {"id": 7, "file_name": "a/1.jpg", "width": 640, "height": 480},
            {"id": 3, "file_name": "b.jpg"},
        ],
        "categories": [{"id": 1, "name": "Face"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 1,
                "bbox": [10, 20, 30.5, 40],
                "keypoints": [12, 30, 2, 30, 30, 1, 20, 40, 2, 0, 0, 0, 30, 50, 2],
            },
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1, "keypoints": [1, 1, 2]},
            {"id": 3, "image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4]},
        ],
    }


def changed(path: list[str | int], value: object) -> dict[str, Any]:
    labels = coco()
    inner: Any = labels
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return labels


def test_voc(voc_folder: Path) -> None:
    for folder in (voc_folder, voc_folder / "Annotations"):
        labels, passed_over = read_voc(folder)
        assert (labels.dialect, labels.sizes, passed_over) == ("voc", {"b.jpg": (40, 60)}, Counter())
        first, second = labels.images
        assert (first.path, second.path, len(second)) == ("b.jpg", "day 1/a.jpg", 0)
        assert first.boxes.tolist() == [[0, 0, 20, 30], [0, 4, 9, 9]]
        assert first.ignored.tolist() == [False, True]
        assert np.isnan(first.landmarks).all() and np.isnan(first.blur).all()


@pytest.mark.parametrize("side", ["0", "", "12.5", "9" * 5000])
def test_voc_sizes_that_are_none(voc_folder: Path, side: str) -> None:
    (voc_folder / "Annotations" / "b.xml").write_text(
        voc("b.jpg", size=f"<size><width>{side}</width><height>9</height></size>")
    )
    assert read_voc(voc_folder)[0].sizes == {}


def test_voc_classes(voc_folder: Path) -> None:
    path = voc_folder / "Annotations" / "c.xml"
    path.write_text(voc("c.jpg", voc_object("1 1 9 9", "dog"), voc_object("2 2 9 9", "face")))
    labels, passed_over = read_voc(voc_folder)
    assert (passed_over, sum(map(len, labels.images))) == (Counter(dog=1), 3)
    for file in voc_folder.rglob("*.xml"):
        file.write_text(file.read_text().replace("face", "head"))
    with pytest.raises(DataError, match=r"labels 2 classes \(dog, head\), none named `face`"):
        read_voc(voc_folder)
    path.unlink()
    assert sum(map(len, read_voc(voc_folder)[0].images)) == 2


LAUGHS = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><annotation><filename>&c;</filename></annotation>'
)
FOREIGN = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotation><filename>&b;</filename></annotation>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "declares a document type"),
        (FOREIGN, "declares a document type"),
        ('<!DOCTYPE annotation SYSTEM "http://127.0.0.1:1/a.dtd"><annotation/>', "declares a document type"),
        ("", "not readable as XML: no element found"),
        ("<annotation><filename>b.jpg", "not readable as XML"),
        ('<?xml version="1.0" encoding="none"?><annotation/>', "not readable as XML"),
        ("<html/>", "its root is <html>"),
        (voc(""), "<filename> is missing or empty"),
        (voc("../b.jpg"), "no path below the folder of images"),
        (voc("b.jpg"), "has labels in another file"),
        (voc("c.jpg", voc_object("1 1 nan 9")), "object 1: nan is no number of pixels"),
        (voc("c.jpg", voc_object("1 1 5 5"), voc_object("1 x 9 9")), "object 2: <bndbox><ymin> holds 'x', no number"),
        (voc("c.jpg", voc_object("9 1 5 9")), "object 1: a box -3 wide"),
        (voc("c.jpg", "<object><name>face</name></object>"), "object 1: <bndbox><xmin> holds '', no number"),
    ],
)
def test_bad_voc_is_refused_and_leaves_the_target_untouched(voc_folder: Path, content: str, message: str) -> None:
    bad = voc_folder / "Annotations" / "z.xml"
    bad.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        convert_labels(voc_folder, voc_folder / "label.txt", "boxes")
    assert str(caught.value).startswith(f"{bad}: ")
    assert {path.name for path in voc_folder.iterdir()} == {"Annotations"}


def test_coco(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(coco()))
    labels, passed_over = read_coco(path)
    assert (labels.dialect, labels.sizes, passed_over) == ("coco", {"a/1.jpg": (480, 640)}, Counter(dog=1))
    first, second = labels.images
    assert (first.path, second.path, len(second)) == ("a/1.jpg", "b.jpg", 0)
    assert first.boxes.tolist() == [[10, 20, 40.5, 60], [1, 2, 4, 6]]
    assert first.ignored.tolist() == [False, True]
    assert first.landmarks[0, :3].tolist() == [[12, 30], [30, 30], [20, 40]]
    assert np.isnan(first.landmarks[0, 3]).all() and np.isnan(first.landmarks[1]).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1], "the file: "),
        ({}, "images: Field required"),
        (changed(["images"], []), "images: List should have at least 1 item"),
        (changed(["images", 0, "file_name"], 5), r"images\[0\].file_name: "),
        (changed(["images", 1, "file_name"], "../b.jpg"), r"images\[1\]: '../b.jpg' is no path below"),
        (changed(["images", 1, "id"], 7), r"images\[1\]: another image has the id 7"),
        (changed(["images", 1, "file_name"], "a/1.jpg"), r"images\[1\]: another image has .* the file_name a/1.jpg"),
        (changed(["annotations", 0, "bbox"], [1, 2, 3]), r"annotations\[0\].bbox: "),
        (changed(["annotations", 0, "bbox"], [1, 2, -3, 4]), r"annotations\[0\]: a box -3 wide"),
        (changed(["annotations", 0, "bbox"], [1, 2, float("nan"), 4]), r"annotations\[0\]: nan is no number of pixels"),
        (changed(["annotations", 0, "image_id"], 99), r"annotations\[0\]: image_id 99 is not among the images"),
        (changed(["annotations", 2, "category_id"], 99), r"annotations\[2\]: category_id 99 is not among"),
        (changed(["categories", 0, "name"], "head"), r"labels 2 classes \(dog, head\)"),
    ],
)
def test_bad_coco_is_refused_and_leaves_the_target_untouched(tmp_path: Path, labels: object, message: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(labels))
    with pytest.raises(DataError, match=message) as caught:
        convert_labels(path, tmp_path / "label.txt", "boxes")
    assert str(caught.value).startswith(f"{path}: ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["instances.json"]


@pytest.mark.parametrize("content", ["{", '{"images": ', "[" * 100_000, "{\xff"])
def test_malformed_json_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match="not readable as JSON"):
        convert_labels(path, tmp_path / "label.txt", "boxes")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
places = st.sampled_from(
    [
        ["images"],
        ["annotations"],
        ["categories"],
        ["images", 0, "id"],
        ["images", 0, "file_name"],
        ["images", 0, "width"],
        ["annotations", 0, "bbox"],
        ["annotations", 0, "bbox", 2],
        ["annotations", 0, "keypoints"],
        ["annotations", 0, "keypoints", 4],
        ["annotations", 1, "iscrowd"],
        ["categories", 0, "name"],
    ]
)


@given(place=places, value=json_values)
@settings(max_examples=150)
def test_any_json_is_converted_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, place: list[str | int], value: object
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    (folder / "coco.json").write_text(json.dumps(changed(place, value)))
    target = folder / "label.txt"
    try:
        report = convert_labels(folder / "coco.json", target, "retinaface")
    except DataError:
        assert not target.exists()
        return
    assert len(read_labels(target).images) == report.images


def test_converting_says_what_is_lost(tmp_path: Path) -> None:
    source = tmp_path / "coco.json"
    source.write_text(json.dumps(coco()))
    report = convert_labels(source, tmp_path / "label.txt", "retinaface")
    assert (report.source, report.images, report.faces) == ("coco", 2, 2)
    assert (report.lost, report.passed_over) == ({"ignored": 1}, Counter(dog=1))
    assert not read_labels(tmp_path / "label.txt").images[0].ignored.any()
    (tmp_path / "faces.txt").write_text(f"# a.jpg\n10 10 10 12 {KNOWN} 0.5\n1 2 0 4\n# b.jpg\n")
    assert convert_labels(tmp_path / "faces.txt", tmp_path / "boxes.txt", "boxes").lost == {"landmarks": 1, "blur": 1}
    assert convert_labels(tmp_path / "faces.txt", tmp_path / "wider.txt", "wider").lost == {"landmarks": 1}
    assert convert_labels(tmp_path / "faces.txt", tmp_path / "again.txt", "retinaface").lost == {}
    wider = (tmp_path / "wider.txt").read_text()
    assert wider == "a.jpg\n2\n10 10 10 12 1 0 0 0 0 0\n1 2 0 4 0 0 0 1 0 0\nb.jpg\n0\n0 0 0 0 0 0 0 0 0 0\n"


def test_scrfd_gets_sizes_from_the_source_or_the_upright_photographs(voc_folder: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(np.zeros((30, 50, 3), np.uint8))
    elsewhere = tmp_path / "photographs"
    for folder in (voc_folder / "images" / "day 1", elsewhere / "day 1"):
        folder.mkdir(parents=True)
        picture.save(folder / "a.jpg", exif=exif)
    for name, images in (("one.txt", None), ("two.txt", elsewhere)):
        convert_labels(voc_folder, tmp_path / name, "scrfd", images)
        lines = (tmp_path / name).read_text().splitlines()
        unknown = " ".join(["-1.0"] * 15)
        assert lines == ["# b.jpg 60 40", f"0 0 20 30 {unknown}", "0 4 9 9 1", "# day 1/a.jpg 30 50"]
    with pytest.raises(DataError, match=r"a\.jpg: no such photograph; scrfd states its size: --images names"):
        convert_labels(voc_folder, tmp_path / "three.txt", "scrfd", tmp_path)
    assert not (tmp_path / "three.txt").exists()


def test_sources_are_told_by_content(tmp_path: Path, voc_folder: Path) -> None:
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "label.txt").write_text("# a.jpg\n1 2 3 4\n")
    (tmp_path / "coco").write_bytes(b"\xef\xbb\xbf \n" + json.dumps(coco()).encode())
    sources = {"split": "boxes", "coco": "coco", "voc": "voc"}
    for name, source in sources.items():
        assert convert_labels(tmp_path / name, tmp_path / f"{name}.txt", "wider").source == source
    for name in ("none", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(DataError, match=r"no such file or folder|holds no XML file"):
            convert_labels(tmp_path / name, tmp_path / "out.txt", "wider")


def test_what_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "label.txt").write_text("# a.jpg\n1 2 3 4\n")
    (tmp_path / "mine").write_text("precious")
    for target in ("mine", "label.txt"):
        with pytest.raises(OutputExistsError):
            convert_labels(tmp_path / "label.txt", tmp_path / target, "wider")
    assert (tmp_path / "mine").read_text() == "precious"


def test_shared_data_survives_every_dialect_that_can_hold_it(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "detection_train_data" / "val"
    before = read_labels(source / "label.txt").images
    convert_labels(source, tmp_path / "scrfd.txt", "scrfd")
    convert_labels(tmp_path / "scrfd.txt", tmp_path / "back.txt", "retinaface")
    after = read_labels(tmp_path / "back.txt").images
    for image, again in zip(before, after, strict=True):
        np.testing.assert_allclose(again.boxes, image.boxes, atol=1e-3)
        np.testing.assert_allclose(again.landmarks, image.landmarks, atol=1e-3)
    header = next(line for line in (tmp_path / "scrfd.txt").read_text().splitlines())
    height, width = simplejpeg.decode_jpeg_header((source / "images" / before[0].path).read_bytes())[:2]
    assert header == f"# {before[0].path} {width} {height}"
