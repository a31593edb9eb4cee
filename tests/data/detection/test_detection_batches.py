"""DetectionBatches on photographs written here: exactness, targets, bad images, several sizes, and its threads."""

import io
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from facejobs.data.detection import detection_batches as module
from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.box_coding import decode_boxes, decode_landmarks
from facejobs.data.detection.detection_batches import DetectionBatch, DetectionBatches
from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.matching import MatchingRule, match
from facejobs.data.detection.photo_augmentation import PhotoAugmentation, crop_photograph
from facejobs.data.detection.photographs import EncodedPhotograph, open_photograph, read_photograph
from facejobs.data.errors import DataError

LAYOUT = AnchorLayout()
SIZES = (64, 96)
COUNT = 23
ARRAYS = ("images", "labels", "box_targets", "landmark_targets", "landmark_mask", "gain", "bias")
OpenSplit = Callable[..., DetectionSplit]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def name_of(number: int) -> str:
    return f"event/{number}.jpg"


def label_of(number: int) -> str:
    """A face with landmarks in every photograph but each fifth; a second without in each third; none in each tenth."""
    lines = [f"# {name_of(number)}"]
    x, y = 10 + number % 20, 5 + number % 13
    if number % 5:
        points = " ".join(f"{x + dx} {y + dy} 0.0" for dx, dy in ((6, 8), (14, 8), (10, 12), (7, 17), (13, 17)))
        lines.append(f"{x} {y} 20 24 {points} 0.0")
    if number % 3 == 0 and number % 10:
        lines.append(f"{x + 25} {y + 5} 16.5 19 " + "-1 -1 -1 " * 5 + "0.5")
    return "\n".join(lines) + "\n"


@pytest.fixture
def open_split(write_split: Callable[..., Path], photograph: Callable[..., bytes]) -> OpenSplit:
    """Writes `count` photographs, some replaced by other bytes or, for None, left out, and opens the split."""

    def open_split(count: int = COUNT, replaced: dict[int, bytes | None] | None = None) -> DetectionSplit:
        contents = {number: photograph(number, 60 + number % 7, 80) for number in range(count)} | (replaced or {})
        images = {name_of(number): content for number, content in contents.items() if content is not None}
        return DetectionSplit.open(write_split("".join(label_of(number) for number in range(count)), images))

    return open_split


@pytest.fixture
def split(open_split: OpenSplit) -> DetectionSplit:
    return open_split()


def batches_of(split: DetectionSplit, size: int = 4, threads: int = 2, **options: object) -> DetectionBatches:
    settings = {"seed": 1, "augmentation": PhotoAugmentation(), "layout": LAYOUT, "image_sizes": SIZES} | options
    return DetectionBatches(split, size, threads=threads, **settings)


def content(batch: DetectionBatch) -> tuple[object, ...]:
    return (
        batch.step,
        batch.epoch,
        tuple(batch.names),
        *((name, getattr(batch, name).shape, getattr(batch, name).tobytes()) for name in ARRAYS),
    )


def first(batches: DetectionBatches, start: int, count: int) -> list[tuple[object, ...]]:
    return [content(batch) for batch in itertools.islice(batches.start(start), count)]


def test_content_names_every_array() -> None:
    assert {field.name for field in fields(DetectionBatch)} == {*ARRAYS, "step", "epoch", "names"}


def test_a_batch_holds_the_crops_of_its_photographs_and_what_anchors_find_in_them(split: DetectionSplit) -> None:
    augmentation, by_name = PhotoAugmentation(), {image.path: image for image in split.images}
    rule = MatchingRule(0.4, 0.3, 0.25)
    with batches_of(split, rule=rule) as batches:
        for batch in itertools.islice(batches, 12):
            draws = augmentation.draw(1, batch.step, 4, SIZES)
            np.testing.assert_array_equal(batch.gain, draws.gain)
            np.testing.assert_array_equal(batch.bias, draws.bias)
            assert batch.images.shape == (4, draws.size, draws.size, 3)
            assert {getattr(batch, name).dtype for name in ARRAYS[1:]} == {np.dtype(np.float32)}
            for slot, name in enumerate(batch.names):
                image = by_name[name]
                photograph = read_photograph(split.path_of(image))
                crop = augmentation.crop(*photograph.shape[:2], image, draws, slot)
                expected = np.empty((draws.size, draws.size, 3), np.uint8)
                crop_photograph(photograph, crop, expected)
                np.testing.assert_array_equal(batch.images[slot], expected)
                check_targets(batch, slot, augmentation.crop_faces(image, crop, draws.size), rule)


def check_targets(batch: DetectionBatch, slot: int, faces: module.CroppedFaces, rule: MatchingRule) -> None:
    size = batch.images.shape[1]
    matching = match(LAYOUT, size, size, faces.boxes, faces.ignored, rule)
    np.testing.assert_array_equal(batch.labels[slot], matching.labels)
    anchors = LAYOUT.boxes(size, size)
    boxes = decode_boxes(batch.box_targets[slot], anchors, LAYOUT.variances)
    landmarks = decode_landmarks(batch.landmark_targets[slot], anchors, LAYOUT.variances)
    for anchor, face in enumerate(matching.faces):
        known = face >= 0 and not np.isnan(faces.landmarks[face]).any()
        assert batch.landmark_mask[slot, anchor] == known
        if face >= 0:
            np.testing.assert_allclose(boxes[anchor], faces.boxes[face], atol=1e-2)
        else:
            assert not batch.box_targets[slot, anchor].any()
        if known:
            np.testing.assert_allclose(landmarks[anchor], faces.landmarks[face], atol=1e-2)
        else:
            assert not batch.landmark_targets[slot, anchor].any()


def test_faces_with_and_without_landmarks_and_background_occur(split: DetectionSplit) -> None:
    kinds = set()
    with batches_of(split) as batches:
        for batch in itertools.islice(batches, 10):
            for labels, mask in zip(batch.labels, batch.landmark_mask, strict=True):
                kinds.add(((labels == 1).any(), mask.any(), (mask != (labels == 1)).any()))
            assert np.isfinite(batch.box_targets).all() and np.isfinite(batch.landmark_targets).all()
    assert {(False, False, False), (True, True, False)} < kinds
    assert any(found and unknown for found, _, unknown in kinds)


def test_an_epoch_visits_each_photograph_at_most_once_and_sizes_vary(split: DetectionSplit) -> None:
    with batches_of(split) as batches:
        assert batches.steps_per_epoch == 5
        stream, epochs, sizes = iter(batches), [], set()
        for epoch in range(4):
            taken: list[str] = []
            for step in range(5):
                batch = next(stream)
                assert (batch.epoch, batch.step) == (epoch, epoch * 5 + step)
                taken += batch.names
                sizes.add(batch.images.shape[1])
            assert len(set(taken)) == 20
            epochs.append(taken)
    assert epochs[0] != epochs[1] != epochs[2]
    assert sizes == set(SIZES)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_start_and_any_number_of_threads_give_the_same_bytes(split: DetectionSplit, threads: int) -> None:
    with batches_of(split, size=7, threads=1, prefetch=1) as batches:
        expected = first(batches, 0, 9)
    with batches_of(split, size=7, threads=threads, prefetch=3) as batches:
        for start in (0, 1, 3, 7):
            assert first(batches, start, 9 - start) == expected[start:]
    with batches_of(split, size=7, seed=2) as batches:
        assert first(batches, 0, 1) != expected[:1]


def test_the_parts_of_several_workers_are_together_the_batch_of_one(split: DetectionSplit) -> None:
    with batches_of(split, size=6) as whole, ExitStack() as stack:
        slots = (range(2), range(2, 5), range(5, 6))
        parts = [stack.enter_context(batches_of(split, size=6, slots=part)).start(2) for part in slots]
        for expected, *got in itertools.islice(zip(whole.start(2), *parts, strict=False), 4):
            assert {(part.step, part.epoch) for part in got} == {(expected.step, expected.epoch)}
            assert [name for part in got for name in part.names] == expected.names
            for name in ARRAYS:
                joint = np.concatenate([getattr(part, name) for part in got])
                np.testing.assert_array_equal(joint, getattr(expected, name))


def test_unreadable_photographs_are_replaced_noted_and_do_not_depend_on_threads(
    open_split: OpenSplit, photograph: Callable[..., bytes]
) -> None:
    split = open_split(120, {17: photograph(17)[:900]})
    seen = []
    for threads in (1, 3):
        with batches_of(split, size=12, threads=threads) as batches:
            seen.append(first(batches, 0, 20))
            assert list(batches.skipped) == [name_of(17)]
            assert batches.skipped[name_of(17)].startswith("a damaged JPEG image: ")
            assert not any(name_of(17) in names for _, _, names, *_ in seen[-1])
    assert seen[0] == seen[1]


def test_a_substitute_is_whole(open_split: OpenSplit) -> None:
    split = open_split(8, {3: b"no image"})
    with batches_of(split, size=8) as batches:
        batch = next(batches.start(0))
        twice = [name for name in batch.names if batch.names.count(name) == 2]
        one, other = (slot for slot, name in enumerate(batch.names) if name in twice)
        for name in ARRAYS[:-2]:
            np.testing.assert_array_equal(getattr(batch, name)[one], getattr(batch, name)[other])
        assert "not an image" in batches.skipped[name_of(3)]


def test_a_missing_photograph_is_skipped_and_too_many_are_refused_by_name(open_split: OpenSplit) -> None:
    split = open_split(20, {4: None})
    with batches_of(split) as batches:
        first(batches, 0, 10)
        assert dict(batches.skipped) == {name_of(4): "no such photograph"}
    (split.folder / "images" / name_of(11)).write_bytes(b"")
    with batches_of(split) as batches, pytest.raises(DataError, match="too many unreadable images: 2 of 20") as caught:
        first(batches, 0, 10)
    message = str(caught.value)
    assert f"{name_of(4)} (no such photograph)" in message
    assert f"{name_of(11)} (the image is empty (0 bytes))" in message
    assert f"facejobs data check {split.folder}" in message


def test_a_batch_without_any_readable_photograph_is_refused(open_split: OpenSplit) -> None:
    split = open_split(3, {1: b"no image"})
    with batches_of(split, size=1) as batches, pytest.raises(DataError, match=r"none of the 1 images .*event/1\.jpg"):
        first(batches, 0, 3)


def test_grey_png_and_tiny_photographs_are_read(open_split: OpenSplit) -> None:
    grey = cv2.imencode(".png", np.full((60, 80), 90, np.uint8))[1].tobytes()
    dot = cv2.imencode(".png", np.full((1, 1, 3), 200, np.uint8))[1].tobytes()
    with batches_of(open_split(4, {1: grey, 2: dot})) as batches:
        for batch in itertools.islice(batches, 5):
            assert (batch.images[batch.names.index(name_of(1))] == 90).sum() >= 3 * 40 * 40
            tiny = batch.names.index(name_of(2))
            assert (batch.images[tiny] == 200).all()
            assert not (batch.labels[tiny] == 1).any()
        assert not batches.skipped


def test_a_batch_is_left_alone_until_the_next_is_asked_for(split: DetectionSplit) -> None:
    with batches_of(split, threads=4, prefetch=1) as batches:
        stream = batches.start(0)
        for _ in range(8):
            batch = next(stream)
            before = content(batch)
            threading.Event().wait(0.005)
            assert content(batch) == before


def test_a_fault_in_a_thread_reaches_the_consumer_with_the_photograph(
    split: DetectionSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> EncodedPhotograph:
        if path.name == "8.jpg":
            raise ZeroDivisionError("a fault in the reader")
        return open_photograph(path)

    monkeypatch.setattr(module, "open_photograph", fail)
    with batches_of(split) as batches, pytest.raises(ZeroDivisionError, match="a fault in the reader") as caught:
        first(batches, 0, 10)
    assert any(str(Path("event", "8.jpg")) in note for note in caught.value.__notes__)


@pytest.mark.parametrize(("kind", "orientation", "largest"), [("JPEG", 1, 8), ("JPEG", 3, 1), ("PNG", 1, 1)])
def test_photographs_that_shrink_are_decoded_at_a_reduced_size_and_their_faces_follow(
    kind: str, orientation: int, largest: int, write_split: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bright face on dark ground, in a photograph of no whole number of blocks, whose box is read off the image."""
    scene = np.full((1003, 1337, 3), 20, np.uint8)
    scene[331:773, 557:991] = 230
    stored = scene[::-1, ::-1] if orientation == 3 else scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(file, kind, quality=95, exif=exif)
    split = DetectionSplit.open(write_split("# a.jpg\n557 331 434 442\n", {"a.jpg": file.getvalue()}))
    reductions = []
    decode = EncodedPhotograph.decode
    monkeypatch.setattr(
        EncodedPhotograph, "decode", lambda self, reduction=1: reductions.append(reduction) or decode(self, reduction)
    )
    augmentation = PhotoAugmentation(crop_scales=(0.6, 0.9, 1.2), brightness=0, contrast=0, colour=0)
    with batches_of(split, size=1, augmentation=augmentation, image_sizes=(128,), threads=1) as batches:
        for batch in itertools.islice(batches, 12):
            rows, columns = np.nonzero(batch.images[0].min(axis=2) > 160)
            seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            anchors = np.flatnonzero(batch.labels[0] == 1)
            targets = batch.box_targets[0, anchors]
            found = decode_boxes(targets, LAYOUT.boxes(128, 128)[anchors], LAYOUT.variances)
            assert len(found) and np.abs(found - seen).max() <= 1
    assert max(reductions) == largest


@pytest.mark.parametrize("sizes", [(), (100,), (64, 0)])
def test_image_sizes_that_the_anchors_do_not_allow_are_refused(split: DetectionSplit, sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="each must be a multiple of 32"):
        batches_of(split, image_sizes=sizes)


def test_fewer_photographs_than_a_batch_are_refused(split: DetectionSplit) -> None:
    with pytest.raises(DataError, match=r"23 images, fewer than one batch of 24.*at most 23"):
        batches_of(split, size=24)


@pytest.mark.shared_data
def test_real_photographs(shared_data: Path) -> None:
    split = DetectionSplit.open(shared_data / "detection_train_data" / "train")
    with batches_of(split, size=16, image_sizes=(320, 416)) as batches:
        assert batches.steps_per_epoch == 56
        direct = first(batches, 54, 4)
        assert first(batches, 56, 2) == direct[2:]
        assert not batches.skipped
