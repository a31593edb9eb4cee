"""A recognition run around an engine of a few numbers: what is refused harms nothing, what goes on stays itself."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from counting_engine import CountingEngine

from facejobs.data.errors import DataError
from facejobs.data.synthetic.dataset import SyntheticCounts, write_synthetic
from facejobs.training.errors import ParameterError, RunFolderError
from facejobs.training.recognition import train_recognition
from facejobs.training.recognition_parameters import RecognitionParameters

COUNTS = SyntheticCounts(
    identities=3, images=4, verification_identities=20, verification_images=2, pairs=40, photographs=0
)


class BlockMeans(CountingEngine):
    """Embeds by averaging blocks of pixels."""

    def embed(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), 8, 14, 8, 14, 3).mean(axis=(2, 4)).reshape(len(images), -1)


class DiesAtStep3(BlockMeans):
    dies_at = 3


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "faces"
    write_synthetic(folder, COUNTS, seed=1, processes=1)
    return folder


@pytest.fixture
def faces(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "faces"))


def train(faces: Path, output: Path, engine: type[BlockMeans] = BlockMeans, **values):
    parameters = RecognitionParameters(**{"batch_size": 4, "epochs": 2, "checkpoint_every": 2, "threads": 1, **values})
    return train_recognition(faces / "recognition_train_data", output, parameters, engine, {})


def written(run: Path) -> dict:
    return json.loads((run / "params.json").read_text())


def digest(run: Path) -> str:
    return json.loads((run / "model" / "model.json").read_text())["training"]["parameters_sha256"]


@pytest.mark.parametrize(
    ("values", "error"),
    [({"batch_size": 40}, DataError), ({"init": "nope.npz"}, ParameterError)],
    ids=["batch", "init"],
)
def test_a_refused_run_leaves_nothing_behind_and_the_corrected_one_begins(faces, tmp_path, values, error) -> None:
    with pytest.raises(error):
        train(faces, tmp_path / "out", **values)
    assert not (tmp_path / "out").exists()
    assert train(faces, tmp_path / "out").step == 6


def test_a_run_that_failed_before_its_first_checkpoint_blocks_nothing(faces, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(faces, tmp_path / "out", DiesAtStep3, checkpoint_every=100)
    assert train(faces, tmp_path / "out", seed=2).step == 6
    assert written(tmp_path / "out")["parameters"]["seed"] == 2


def test_moved_data_and_new_sets_beside_them_are_the_same_run(faces, tmp_path, caplog) -> None:
    train(faces, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(faces, tmp_path / "out", DiesAtStep3)
    moved = faces.rename(tmp_path / "elsewhere")
    shutil.copytree(moved / "verification" / "synthetic", moved / "verification" / "another")
    assert train(moved, tmp_path / "out").step == 6
    assert list(written(tmp_path / "out")["evaluation"]) == ["synthetic"]
    assert not list((tmp_path / "out").glob("roc-another.png"))
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")
    with caplog.at_level(logging.INFO):
        assert train(moved, tmp_path / "out") is None
    assert "is complete" in caplog.text


class DiesExporting(BlockMeans):
    def export(self, folder: Path) -> None:
        raise KeyboardInterrupt


def test_a_run_that_dies_after_its_last_evaluation_is_published_with_its_metrics(faces, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(faces, tmp_path / "out", DiesExporting)
    assert not (tmp_path / "out" / "model").exists()
    assert train(faces, tmp_path / "out").step == 6
    described = json.loads((tmp_path / "out" / "model" / "model.json").read_text())
    assert described["metrics"][0]["name"] == "synthetic_accuracy"


def changed(lfw: Path) -> None:
    pairs = lfw / "pairs.txt"
    _header, *lines = pairs.read_text().splitlines(keepends=True)
    pairs.write_text("".join(lines[:-1]))


@pytest.mark.parametrize(
    ("spoil", "said"), [(shutil.rmtree, "no longer in or beside"), (changed, "another evaluation set")]
)
def test_a_run_does_not_go_on_with_other_verification_sets(faces, tmp_path, spoil, said: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(faces, tmp_path / "out", DiesAtStep3)
    spoil(faces / "verification" / "synthetic")
    with pytest.raises(DataError, match=said):
        train(faces, tmp_path / "out")


def test_sets_that_are_named_are_part_of_the_run(faces, tmp_path) -> None:
    train(faces, tmp_path / "out")
    with pytest.raises(RunFolderError, match="--eval-data"):
        train(faces, tmp_path / "out", eval_data=(str(faces / "verification" / "synthetic"),))


def test_more_identities_than_a_tensor_holds_are_refused(faces, tmp_path) -> None:
    declared = faces / "recognition_train_data" / "property"
    declared.write_text("4194304,112,112\n")
    with pytest.raises(DataError, match=r"property says 4,194,304 identities.*there are 12 images"):
        train(faces, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_identities_than_images_are_warned_about(faces, tmp_path, caplog) -> None:
    (faces / "recognition_train_data" / "property").write_text("13,112,112\n")
    train(faces, tmp_path / "out")
    assert "says 13 identities, but there are only 12 images" in caplog.text
