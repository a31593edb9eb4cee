"""A detection run around an engine that sees white squares: val decides, test is measured, bad data are refused."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from counting_engine import CountingEngine

from facejobs.data.detection.detector_description import DetectionDescription
from facejobs.data.detection.prediction import RawPredictions
from facejobs.data.errors import DataError
from facejobs.data.model_folder import load_description
from facejobs.training.detection import train_detection
from facejobs.training.detection_parameters import LAYOUT, DetectionParameters
from facejobs.training.errors import ParameterError, RunFolderError
from facejobs.training.recognition import train_recognition
from facejobs.training.recognition_parameters import RecognitionParameters

SIDE = 128
# The anchor of 32 pixels in the middle of cell (4, 4) of the finest level.
FACE = (20, 20, 32, 32)


def draw_split(folder: Path, count: int, grey: int = 255) -> Path:
    """Photographs with one grey square each, on an anchor of 32 pixels."""
    (folder / "images" / "event").mkdir(parents=True)
    lines = []
    for number in range(count):
        left, top, width, height = (FACE[0] + 8 * (number % 5), *FACE[1:])
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        image[top : top + height, left : left + width] = grey
        name = f"event/{number}.jpg"
        assert cv2.imwrite(str(folder / "images" / name), image)
        lines += [f"# {name}", f"{left} {top} {width} {height}"]
    (folder / "label.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    draw_split(tmp_path / "data" / "train", 12)
    draw_split(tmp_path / "data" / "val", 3)
    draw_split(tmp_path / "data" / "test", 2, grey=60)
    return tmp_path / "data"


class SeesWhite(CountingEngine):
    """Scores anchors of 32 pixels by how white they are; of late, it sees dark ones only."""

    white_until = 2

    def forward(self, images: np.ndarray) -> RawPredictions:
        anchors = LAYOUT.boxes(*images.shape[1:3])
        scores = np.zeros((1, len(anchors)), np.float32)
        white = self.count[0] <= self.white_until
        for number in np.flatnonzero(anchors[:, 2] == 32):
            left, top = (anchors[number, :2] - 16).astype(int)
            if left >= 0 and top >= 0:
                mean = images[0, top : top + 32, left : left + 32].mean()
                scores[0, number] = mean / 255 if white == (mean > 128) else 0
        return RawPredictions(scores, np.zeros((1, len(anchors), 4), np.float32), None)


class DiesAtStep3(SeesWhite):
    dies_at = 3


class DiesExporting(SeesWhite):
    def export(self, folder: Path) -> None:
        raise KeyboardInterrupt


def train(data: Path, output: Path, engine: type[SeesWhite] = SeesWhite, **values):
    small = {"batch_size": 4, "epochs": 2, "checkpoint_every": 2, "eval_every": 2, "image_sizes": (64,), "threads": 1}
    return train_detection(data, output, DetectionParameters(**{**small, **values}), engine, {})


def journal(run: Path, name: str) -> list[tuple[int, float, str]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["value"], line["protocol"]) for line in lines if line["name"] == name]


def test_val_decides_which_checkpoint_is_published_and_test_measures_it(data, tmp_path) -> None:
    assert train(data, tmp_path / "out").step == 6
    measured = journal(tmp_path / "out", "val_ap_20px_original")
    assert [(step, value) for step, value, _ in measured] == [(2, 1.0), (4, 0.0), (6, 0.0)]
    assert all("original" in protocol for _, _, protocol in measured)
    # The published net sees white squares, those of test are dark: it would have chosen another one.
    assert [(step, value) for step, value, _ in journal(tmp_path / "out", "test_ap_20px_original")] == [(2, 0.0)]
    model = load_description(tmp_path / "out" / "model", DetectionDescription)
    metrics = {metric.name: metric.value for metric in model.metrics}
    assert (metrics["val_ap_20px_original"], metrics["test_ap_20px_original"]) == (1.0, 0.0)
    assert model.training["step"] == 2
    assert model.training["data"]["faces"] == 12
    assert 0.9 < model.score_threshold <= 1
    assert model.anchors.sizes == LAYOUT.sizes
    for name in ("val", "test"):
        assert (tmp_path / "out" / f"precision-recall-{name}.png").stat().st_size > 1000
        with np.load(tmp_path / "out" / "resamples" / f"{name}.npz") as resamples:
            assert resamples["metrics"][0] == f"{name}_ap_20px_original" and len(resamples["20px"]) == 1000


def test_splits_that_are_named_are_watched_in_place_of_val_and_test(data, tmp_path) -> None:
    train(data, tmp_path / "out", eval_data=(str(data / "test"), str(data / "val")), eval_scale="short-128")
    assert [value for _, value, _ in journal(tmp_path / "out", "test_ap_20px_short-128")] == [0.0, 1.0, 1.0]
    assert len(journal(tmp_path / "out", "val_ap_20px_short-128")) == 3
    assert load_description(tmp_path / "out" / "model", DetectionDescription).training["step"] == 4
    with pytest.raises(DataError, match="several evaluation sets are named val"):
        train(data, tmp_path / "other", eval_data=(str(data / "val"), str(data / "val")))


def test_a_single_split_is_measured_on_those_beside_it(data, tmp_path) -> None:
    train(data / "train", tmp_path / "out")
    written = json.loads((tmp_path / "out" / "params.json").read_text())
    assert list(written["evaluation"]) == ["val", "test"]
    assert written["data"]["images"] == 12


def test_without_val_the_last_net_is_published(data, tmp_path, caplog) -> None:
    shutil.rmtree(data / "val")
    shutil.rmtree(data / "test")
    train(data, tmp_path / "out")
    assert "name one with --eval-data" in caplog.text
    model = load_description(tmp_path / "out" / "model", DetectionDescription)
    assert (model.training["step"], model.score_threshold, model.metrics) == (6, 0.5, ())


def test_moved_data_are_the_same_run_and_new_splits_are_left_out(data, tmp_path) -> None:
    shutil.move(data / "test", tmp_path / "kept")
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "out", DiesAtStep3)
    moved = data.rename(tmp_path / "elsewhere")
    shutil.move(tmp_path / "kept", moved / "test")
    assert train(moved, tmp_path / "out").step == 6
    assert journal(tmp_path / "out", "test_ap_20px_original") == []


def test_a_run_does_not_go_on_with_another_val(data, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "out", DiesAtStep3)
    labels = data / "val" / "label.txt"
    labels.write_text("\n".join(labels.read_text().splitlines()[2:]) + "\n")
    with pytest.raises(DataError, match="the run began with another evaluation set val"):
        train(data, tmp_path / "out")


def test_a_run_that_dies_after_its_last_evaluation_is_published_with_its_metrics(data, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "out", DiesExporting, eval_every=0)
    assert train(data, tmp_path / "out", eval_every=0).step == 6
    model = load_description(tmp_path / "out" / "model", DetectionDescription)
    assert {"val_ap_20px_original", "test_ap_20px_original"} <= {metric.name for metric in model.metrics}


def empty_labels(data: Path) -> None:
    (data / "train" / "label.txt").write_text("")


def labels_without_faces(data: Path) -> None:
    (data / "train" / "label.txt").write_text("# event/0.jpg\n# event/1.jpg\n# event/2.jpg\n# event/3.jpg\n")


def relabel_faces(data: Path, size: str) -> None:
    labels = data / "train" / "label.txt"
    labels.write_text(labels.read_text().replace(" 32 32\n", f" {size}\n"))


def faces_without_area(data: Path) -> None:
    relabel_faces(data, "0 0")


def invalid_faces(data: Path) -> None:
    lines = [f"event/{number}.jpg\n1\n20 20 32 32 0 0 0 1 0 0\n" for number in range(12)]
    (data / "train" / "label.txt").write_text("".join(lines))


def faces_too_small_for_any_crop(data: Path) -> None:
    # The smallest crop, of 38 pixels, becomes 64: 2.9 become 4.9.
    relabel_faces(data, "2.9 2.9")


def ignored_faces_of_val(data: Path) -> None:
    (data / "val" / "label.txt").write_text("# event/0.jpg\n1 1 0 9\n")


def missing_photographs(data: Path) -> None:
    (data / "train" / "images" / "event" / "3.jpg").unlink()
    (data / "train" / "images" / "event" / "5.jpg").unlink()


def missing_photograph_of_val(data: Path) -> None:
    (data / "val" / "images" / "event" / "1.jpg").unlink()


def corrupt_photograph_of_val(data: Path) -> None:
    path = data / "val" / "images" / "event" / "1.jpg"
    path.write_bytes(path.read_bytes()[:100])


def nan_label(data: Path) -> None:
    with (data / "train" / "label.txt").open("a") as file:
        file.write("nan 1 2 3\n")


def only_val(data: Path) -> None:
    shutil.rmtree(data / "train")


def without_images(data: Path) -> None:
    shutil.rmtree(data / "train" / "images")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (empty_labels, "train/label.txt"),
        (labels_without_faces, "no face is labelled"),
        (faces_without_area, r"train/label.txt: every labelled face is ignored"),
        (invalid_faces, r"train/label.txt: every labelled face is ignored"),
        (faces_too_small_for_any_crop, r"train/label.txt: no face is ever 5 pixels wide and high .* of 64 pixels"),
        (ignored_faces_of_val, r"val/label.txt: every labelled face is ignored"),
        (
            missing_photographs,
            r"label.txt:7: .*event/3.jpg is missing, the first of 2 that are; .*data check .*train`",
        ),
        (missing_photograph_of_val, r"val/label.txt:3: .*event/1.jpg is missing;"),
        (corrupt_photograph_of_val, r"val/images/event/1.jpg"),
        (nan_label, r"label.txt:25"),
        (only_val, "holds no photographs to train on"),
        (without_images, "no images/ in it"),
        (shutil.rmtree, "data: no such directory"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_data_are_refused_in_words_and_the_corrected_run_begins(data, tmp_path, spoil, said: str) -> None:
    whole = shutil.copytree(data, tmp_path / "whole")
    spoil(data)
    with pytest.raises(DataError, match=said):
        train(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert train(whole, tmp_path / "out").step == 6


def test_faces_that_just_count_are_trained_on_and_ignored_ones_are_not_counted(data, tmp_path, caplog) -> None:
    relabel_faces(data, "3 3\n40 40 0 0")
    with caplog.at_level("INFO"):
        assert train(data, tmp_path / "out").step == 6
    assert "12 images, 12 faces, 6 steps" in caplog.text
    with pytest.raises(DataError, match="no face is ever 65 pixels"):
        train(data, tmp_path / "other", smallest_face=65)


@pytest.mark.parametrize(
    ("values", "error"),
    [({"batch_size": 40}, DataError), ({"init": "nope.npz"}, ParameterError)],
    ids=["batch", "init"],
)
def test_a_refused_run_leaves_nothing_behind(data, tmp_path, values, error) -> None:
    with pytest.raises(error):
        train(data, tmp_path / "out", **values)
    assert not (tmp_path / "out").exists()


def spoil_photographs(split: Path, count: int) -> None:
    for number in range(count):
        (split / "images" / "event" / f"{number}.jpg").write_bytes(b"no image at all!")


def test_a_photograph_that_is_none_is_skipped_and_reported(data, tmp_path, caplog) -> None:
    spoil_photographs(data / "train", 1)
    assert train(data, tmp_path / "out").step == 6
    assert "photograph event/0.jpg was skipped" in caplog.text


def test_too_many_photographs_that_are_none_end_the_run(data, tmp_path) -> None:
    spoil_photographs(data / "train", 2)
    with pytest.raises(DataError, match=r"2 of 12 .*facejobs data check"):
        train(data, tmp_path / "out")


def test_data_of_the_other_task_name_the_right_command(data, tmp_path) -> None:
    with pytest.raises(DataError, match=f"facejobs train detection {data} OUTPUT"):
        train_recognition(data, tmp_path / "out", RecognitionParameters(), CountingEngine, {})
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "cele.rec").touch()
    with pytest.raises(DataError, match=f"facejobs train recognition {tmp_path / 'faces'} OUTPUT"):
        train(tmp_path / "faces", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_of_a_recogniser_is_refused_by_its_task_alone(data, tmp_path) -> None:
    train(data, tmp_path / "out")
    params = tmp_path / "out" / "params.json"
    params.write_text(json.dumps({**json.loads(params.read_text()), "task": "recognition"}))
    with pytest.raises(RunFolderError, match=r"task recognition there, detection here\nname another") as caught:
        train(data, tmp_path / "out", seed=2)
    assert "--seed" not in str(caught.value)
