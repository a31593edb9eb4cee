"""The written data set: readable by the project's own readers, repeatable, whole or absent."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from facejobs.data.errors import DataError, OutputExistsError
from facejobs.data.face_records import FaceRecordFile
from facejobs.data.image_record import unpack_image_record
from facejobs.data.pairs import load_pairs
from facejobs.data.record_index import open_index
from facejobs.data.recordio import RecordReader
from facejobs.data.synthetic.dataset import SyntheticCounts, write_synthetic

COUNTS = SyntheticCounts(
    identities=3, images=2, verification_identities=20, verification_images=3, pairs=40, photographs=2
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("synthetic") / "faces"
    write_synthetic(target, COUNTS, seed=4, processes=1)
    return target


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_records_open_with_labels_and_images(dataset: Path) -> None:
    records = FaceRecordFile.open(dataset / "recognition_train_data")
    assert (len(records), records.num_classes, records.image_size) == (6, 3, (112, 112))
    assert [records.image(position).label for position in range(6)] == [0, 0, 1, 1, 2, 2]
    assert [records.key_at(position) for position in range(6)] == [1, 2, 3, 4, 5, 6]
    for position in range(6):
        assert simplejpeg.decode_jpeg(bytes(records.image(position).image)).shape == (112, 112, 3)


def test_identity_records_give_the_ranges(dataset: Path) -> None:
    folder = dataset / "recognition_train_data"
    reader, index = RecordReader(folder / "cele.rec"), open_index(folder / "cele.idx")

    def labels(key: int) -> tuple[float, ...]:
        return unpack_image_record(reader.read(index.offset_of(key))).labels

    assert labels(0) == (7, 10)
    assert [labels(key) for key in (7, 8, 9)] == [(1, 3), (3, 5), (5, 7)]


def test_list_names_every_image(dataset: Path) -> None:
    lines = (dataset / "recognition_train_data" / "cele.lst").read_text().splitlines()
    assert lines[0] == "1\tsynthetic_0001/synthetic_0001_0001.jpg\t0"
    assert lines[-1] == "1\tsynthetic_0003/synthetic_0003_0002.jpg\t2"
    assert len(lines) == 6


def test_pairs_load_and_are_right(dataset: Path) -> None:
    folder = dataset / "verification" / "synthetic"
    pairs = load_pairs(folder)
    assert len(pairs) == 40
    assert pairs.same.sum() == 20
    assert Counter(zip(pairs.folds.tolist(), pairs.same.tolist(), strict=True)) == {
        (fold, same): 2 for fold in range(10) for same in (True, False)
    }
    lines = (folder / "pairs.txt").read_text().splitlines()
    assert lines[0] == "10\t2"
    assert len(set(lines)) == len(lines)
    for line in lines[1:]:
        fields = line.split("\t")
        assert (len(fields) == 3 and fields[1] != fields[2]) or (len(fields) == 4 and fields[0] != fields[2])


def test_nobody_is_in_two_folds_or_in_the_training_records(dataset: Path) -> None:
    folds: dict[str, set[int]] = {}
    lines = (dataset / "verification" / "synthetic" / "pairs.txt").read_text().splitlines()[1:]
    for number, line in enumerate(lines):
        for name in (field for field in line.split("\t") if field.startswith("synthetic")):
            folds.setdefault(name, set()).add(number // 4)
    assert all(len(numbers) == 1 for numbers in folds.values())
    assert min(folds) > "synthetic_0003"


def test_labels_have_twenty_fields_for_every_face(dataset: Path) -> None:
    folder = dataset / "photographs"
    lines = (folder / "label.txt").read_text().splitlines()
    images = [line[2:] for line in lines if line.startswith("# ")]
    assert images == ["photograph_0001.jpg", "photograph_0002.jpg"]
    faces = [line.split() for line in lines if not line.startswith("#")]
    assert len(faces) >= 2
    for fields in faces:
        numbers = np.array(fields, float)
        assert len(numbers) == 20
        assert (numbers[[6, 9, 12, 15, 18, 19]] == 0).all()
        assert numbers[2] > 5 and numbers[3] > 5
        landmarks = numbers[4:19].reshape(5, 3)[:, :2]
        assert (landmarks >= numbers[:2] - 0.1).all() and (landmarks <= numbers[:2] + numbers[2:4] + 0.1).all()
    for name in images:
        assert simplejpeg.decode_jpeg((folder / "images" / name).read_bytes()).shape == (480, 640, 3)


def test_bytes_do_not_depend_on_the_number_of_processes(dataset: Path, tmp_path: Path) -> None:
    write_synthetic(tmp_path / "again", COUNTS, seed=4, processes=2)
    assert content(tmp_path / "again") == content(dataset)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    counts = SyntheticCounts(2, 1, 20, 2, 20, 1)
    write_synthetic(tmp_path / "faces", counts, 0, 1, lambda *step: told.append(step))
    assert told[:2] == [("training faces", 1, 2), ("training faces", 2, 2)]
    assert ("verification faces", 20, 20) in told
    assert told[-1] == ("photographs", 1, 1)


def test_refuses_to_overwrite(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(OutputExistsError):
        write_synthetic(tmp_path, COUNTS, 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(what: str, done: int, total: int) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_synthetic(tmp_path / "faces", COUNTS, 0, 1, fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (SyntheticCounts(identities=1), "--identities is 1, at least 2"),
        (SyntheticCounts(images=0), "--images is 0, at least 1"),
        (SyntheticCounts(verification_identities=19), "--verification-identities is 19, at least 20"),
        (SyntheticCounts(verification_images=1), "--verification-images is 1"),
        (SyntheticCounts(photographs=-1), "--photographs is -1"),
        (SyntheticCounts(pairs=610), "multiple of 20"),
        (SyntheticCounts(pairs=0), "multiple of 20"),
        (SyntheticCounts(pairs=10000), "needs 500 matching pairs in each fold, whose people have only 270"),
    ],
)
def test_impossible_counts_are_refused(tmp_path: Path, counts: SyntheticCounts, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_synthetic(tmp_path / "faces", counts, 0, 1)
    assert not list(tmp_path.iterdir())


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--seed"):
        write_synthetic(tmp_path / "faces", COUNTS, -1, 1)
