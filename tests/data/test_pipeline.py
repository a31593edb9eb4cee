"""TrainingBatches on record files written here: exactness, bad images, bad labels, and its threads."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import pytest
import simplejpeg

from facejobs.data.augmentation import Augmentation, place
from facejobs.data.decode import decode
from facejobs.data.errors import DataError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.image_record import pack_image_record
from facejobs.data.pipeline import Batch, TrainingBatches
from facejobs.data.recordio import RecordWriter

SIDE = 24
CLASSES = 10
OFF = Augmentation(mirror=False, shift=0, brightness=0, contrast=0, colour=0)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def jpeg(seed: int, side: int = SIDE) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return simplejpeg.encode_jpeg(cv2.resize(coarse, (side, side)), quality=90)


def write(
    folder: Path, count: int, images: dict[int, bytes] | None = None, labels: dict[int, float] | None = None
) -> FaceRecordFile:
    """Write `count` images under the numbers 1..count, some replaced, and open them."""
    with (folder / "faces.rec").open("wb") as records, (folder / "faces.idx").open("wb") as index:
        writer = RecordWriter(records, index)
        for key in range(1, count + 1):
            label = (labels or {}).get(key, key % CLASSES)
            writer.write(key, pack_image_record(float(label), key, (images or {}).get(key) or jpeg(key)))
    (folder / "property").write_text(f"{CLASSES},{SIDE},{SIDE}\n")
    return FaceRecordFile.open(folder)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> FaceRecordFile:
    return write(tmp_path_factory.mktemp("records"), 205)


def batches_of(records: FaceRecordFile, size: int = 20, threads: int = 2, prefetch: int = 2, **kw) -> TrainingBatches:
    seed, augmentation = kw.pop("seed", 1), kw.pop("augmentation", Augmentation())
    return TrainingBatches(records, size, seed, augmentation, threads, prefetch, **kw)


def content(batch: Batch) -> tuple[object, ...]:
    arrays = (batch.images, batch.labels, batch.gain, batch.bias, batch.keys)
    return (batch.step, batch.epoch, *(array.tobytes() for array in arrays))


def first(batches: TrainingBatches, start: int, count: int) -> list[tuple[object, ...]]:
    return [content(batch) for batch in itertools.islice(batches.start(start), count)]


def test_a_batch_holds_the_augmented_images_of_its_records(records: FaceRecordFile) -> None:
    augmentation = Augmentation(shift=5)
    with batches_of(records, augmentation=augmentation) as batches:
        for batch in itertools.islice(batches, 15):
            draws = augmentation.draw(1, batch.step, 20)
            np.testing.assert_array_equal(batch.gain, draws.gain)
            np.testing.assert_array_equal(batch.bias, draws.bias)
            for slot, key in enumerate(batch.keys.tolist()):
                expected = np.empty((SIDE, SIDE, 3), np.uint8)
                place(decode(jpeg(key)), bool(draws.mirror[slot]), *draws.shift[slot].tolist(), expected)
                np.testing.assert_array_equal(batch.images[slot], expected)
            np.testing.assert_array_equal(batch.labels, batch.keys % CLASSES)
            assert batch.images.dtype == np.uint8 and batch.images.flags.c_contiguous
            assert batch.labels.dtype == np.int32 and batch.keys.dtype == np.int64


def test_an_epoch_visits_each_image_at_most_once_and_drops_what_fills_no_batch(records: FaceRecordFile) -> None:
    with batches_of(records) as batches:
        assert batches.steps_per_epoch == 10
        stream = iter(batches)
        epochs = []
        for epoch in range(3):
            taken: list[int] = []
            for step in range(10):
                batch = next(stream)
                assert (batch.epoch, batch.step) == (epoch, epoch * 10 + step)
                taken += batch.keys.tolist()
            assert len(set(taken)) == 200 and set(taken) <= set(range(1, 206))
            epochs.append(taken)
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_any_start_and_any_number_of_threads_give_the_same_bytes(records: FaceRecordFile, threads: int) -> None:
    with batches_of(records, size=50, threads=1, prefetch=1) as batches:
        expected = first(batches, 0, 14)
    with batches_of(records, size=50, threads=threads, prefetch=4) as batches:
        for start in (0, 1, 3, 4, 9):
            assert first(batches, start, 14 - start) == expected[start:]


@pytest.mark.parametrize("workers", [2, 4])
def test_the_parts_of_several_workers_are_together_the_batch_of_one(records: FaceRecordFile, workers: int) -> None:
    with batches_of(records) as whole, ExitStack() as stack:
        share = 20 // workers
        parts = [
            stack.enter_context(batches_of(records, slots=range(first, first + share))).start(3)
            for first in range(0, 20, share)
        ]
        for expected, *got in itertools.islice(zip(whole.start(3), *parts, strict=False), 4):
            assert {(part.step, part.epoch) for part in got} == {(expected.step, expected.epoch)}
            for name in ("images", "labels", "gain", "bias", "keys"):
                joint = np.concatenate([getattr(part, name) for part in got])
                np.testing.assert_array_equal(joint, getattr(expected, name))


def test_an_unreadable_image_is_replaced_within_the_part_it_is_in(tmp_path: Path) -> None:
    records, different = write(tmp_path, 20, {5: b"none"}), []
    for slots in (range(10), range(10, 20)):
        with batches_of(records, slots=slots) as batches:
            different.append((len(set(next(batches.start(0)).keys.tolist())), list(batches.skipped)))
    assert sorted(different) == [(9, [5]), (10, [])]


@pytest.mark.parametrize("slots", [range(0), range(15, 25), range(-1, 5), range(0, 20, 2)])
def test_slots_that_are_no_part_of_a_batch_are_refused(records: FaceRecordFile, slots: range) -> None:
    with pytest.raises(ValueError, match="no slots of a batch of 20"):
        batches_of(records, slots=slots)


def test_seeds_and_epochs_differ(records: FaceRecordFile) -> None:
    with batches_of(records) as one, batches_of(records, seed=2) as other:
        assert first(one, 0, 1)[0][2:] != first(other, 0, 1)[0][2:]
        assert first(one, 0, 1)[0][2:] != first(one, 10, 1)[0][2:]


def test_a_batch_is_left_alone_until_the_next_is_asked_for(records: FaceRecordFile) -> None:
    with batches_of(records, threads=4, prefetch=1) as batches:
        stream = batches.start(0)
        for _ in range(12):
            batch = next(stream)
            before = content(batch)
            threading.Event().wait(0.005)
            assert content(batch) == before


def test_unreadable_images_are_replaced_counted_and_do_not_depend_on_threads(tmp_path: Path) -> None:
    bad = {7: b"no image", 150: jpeg(1)[:200], 201: jpeg(1, side=2 * SIDE)}
    records = write(tmp_path, 400, images=bad)
    seen = []
    for threads in (1, 3):
        with batches_of(records, size=40, threads=threads, augmentation=OFF) as batches:
            taken = first(batches, 0, 20)
            assert set(batches.skipped) == set(bad)
            offsets = {key: records.image(key - 1).offset for key in bad}
            assert all(reason.startswith(f"byte {offsets[key]}: ") for key, reason in batches.skipped.items())
            assert "not an image" in batches.skipped[7] and "48 x 48" in batches.skipped[201]
            for batch in itertools.islice(batches.start(0), 10):
                assert not set(batch.keys.tolist()) & set(bad)
                np.testing.assert_array_equal(batch.labels, batch.keys % CLASSES)
                for slot, key in enumerate(batch.keys.tolist()):
                    np.testing.assert_array_equal(batch.images[slot], decode(jpeg(key)))
            seen.append(taken)
    assert seen[0] == seen[1]


def test_a_damaged_record_is_an_unreadable_image(tmp_path: Path) -> None:
    records = write(tmp_path, 60)
    offset = records.image(30).offset
    content = bytearray((tmp_path / "faces.rec").read_bytes())
    content[offset : offset + 4] = b"junk"
    (tmp_path / "faces.rec").write_bytes(content)
    with batches_of(FaceRecordFile.open(tmp_path)) as batches:
        first(batches, 0, 3)
        assert list(batches.skipped) == [31]
        assert f"byte {offset}: no record starts here" in batches.skipped[31]


def test_too_many_unreadable_images_are_refused_by_name(tmp_path: Path) -> None:
    records = write(tmp_path, 250, images=dict.fromkeys((5, 50, 77), b"no image"))
    with batches_of(records, size=25) as batches, pytest.raises(DataError, match="too many unreadable") as caught:
        first(batches, 0, 10)
    message = str(caught.value)
    assert all(f"record {key} (byte " in message for key in (5, 50, 77))
    assert "3 of 250" in message and f"facejobs data check {tmp_path}" in message


def test_one_unreadable_image_of_a_small_set_is_skipped(tmp_path: Path) -> None:
    records = write(tmp_path, 30, images={4: b"no image"})
    with batches_of(records, size=10) as batches:
        first(batches, 0, 9)
        assert list(batches.skipped) == [4]
        with pytest.raises(TypeError):
            batches.skipped[5] = "changed"


def test_a_batch_without_any_readable_image_is_refused(tmp_path: Path) -> None:
    records = write(tmp_path, 3, images={2: b"no image"})
    with batches_of(records, size=1) as batches, pytest.raises(DataError, match=r"none of the 1 images .* record 2 "):
        first(batches, 0, 3)


@pytest.mark.parametrize("label", [CLASSES, -1, 4_000_000])
def test_a_label_that_property_does_not_announce_is_named(tmp_path: Path, label: int) -> None:
    records = write(tmp_path, 60, labels={33: label})
    offset = records.image(32).offset
    with batches_of(records) as batches, pytest.raises(DataError) as caught:
        first(batches, 0, 3)
    assert f"record 33 at byte {offset} has label {label}" in str(caught.value)
    assert f"announces {CLASSES} identities" in str(caught.value)


def test_fewer_images_than_a_batch_are_refused(records: FaceRecordFile) -> None:
    with pytest.raises(DataError, match=r"205 images, fewer than one batch of 206.*at most 205"):
        batches_of(records, size=206)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"threads": 0}, {"prefetch": 0}, {"seed": -1}, {"seed": 2**64}])
def test_arguments_without_meaning_are_refused(records: FaceRecordFile, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        batches_of(records, **wrong)
    with pytest.raises(ValueError, match="shift"):
        batches_of(records, augmentation=Augmentation(shift=SIDE))
    with batches_of(records) as batches, pytest.raises(ValueError, match="negative"):
        batches.start(-1)


def test_threads_end_when_the_consumer_stops_anywhere(records: FaceRecordFile) -> None:
    for taken in range(4):
        with batches_of(records, threads=5, prefetch=1) as batches:
            first(batches, 0, taken)
        batches.close()
    with pytest.raises(RuntimeError, match="consumer"), batches_of(records) as batches:
        for _ in batches:
            raise RuntimeError("the consumer failed")


def test_an_iterator_ends_when_another_is_started_or_all_is_closed(records: FaceRecordFile) -> None:
    with batches_of(records) as batches:
        old = batches.start(0)
        next(old)
        new = batches.start(5)
        assert next(old, None) is None
        assert next(new).step == 5
    assert next(new, None) is None


class _Broken:
    """A record file whose reader has a fault of its own, at one image."""

    def __init__(self, records: FaceRecordFile) -> None:
        self._records = records

    def __getattr__(self, name: str) -> object:
        return getattr(self._records, name)

    def __len__(self) -> int:
        return len(self._records)

    def image(self, position: int) -> object:
        if position == 44:
            raise ZeroDivisionError("a fault in the reader")
        return self._records.image(position)


def test_an_exception_in_a_thread_reaches_the_consumer_with_the_record(records: FaceRecordFile) -> None:
    batches = batches_of(_Broken(records), threads=3)
    with batches, pytest.raises(ZeroDivisionError, match="a fault in the reader") as caught:
        first(batches, 0, 10)
    assert any("record 45 " in note for note in caught.value.__notes__)


def test_an_exception_while_planning_reaches_the_consumer(
    records: FaceRecordFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(Augmentation, "draw", fail)
    with batches_of(records) as batches, pytest.raises(MemoryError, match="no room"):
        next(iter(batches))


@pytest.mark.shared_data
def test_real_faces(shared_data: Path) -> None:
    records = FaceRecordFile.open(shared_data / "recognition_train_data")
    with TrainingBatches(records, 128, 3, Augmentation(), 2) as batches:
        assert batches.steps_per_epoch == 33
        direct = first(batches, 31, 4)
        assert first(batches, 33, 2) == direct[2:]
        assert not batches.skipped
