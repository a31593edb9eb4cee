"""Published detectors find what their graphs say, and those that are not what they say are refused."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from facejobs.data.detection.detector_description import Anchors, DetectionOutputs, PhotographInput
from facejobs.data.detection.detector_description import DetectionDescription as Description
from facejobs.data.detection.test_scale import ORIGINAL, TestScale
from facejobs.data.errors import ModelError
from facejobs.data.model_description import ModelInput, ModelOutput, RecognitionDescription
from facejobs.data.model_folder import describe_files, load_description, write_description
from facejobs.inference.detector import OnnxDetector, open_detector
from facejobs.inference.haar import HaarDetector

Publish = Callable[..., Path]


def load(
    folder: Path, scale: TestScale = ORIGINAL, score_threshold: float | None = None, threads: int | None = None
) -> OnnxDetector:
    detector = open_detector(str(folder), scale, score_threshold, threads)
    assert isinstance(detector, OnnxDetector)
    return detector


def spots(height: int, width: int, *corners: tuple[int, int], grey: int = 255) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for top, left in corners:
        image[top : top + 8, left : left + 8] = grey
    return image


@pytest.mark.parametrize("size", [(64, 96), (61, 90), (40, 33)])
def test_faces_are_found_where_they_are(publish_spot_detector: Publish, tmp_path: Path, size: tuple[int, int]) -> None:
    detector = load(publish_spot_detector(tmp_path), threads=1)
    found = detector.detect(spots(*size, (8, 16), (24, 8)))
    order = found.boxes[:, 1].argsort()
    assert found.boxes[order] == pytest.approx(np.array([[12, 4, 28, 20], [4, 20, 20, 36]]), abs=1e-3)
    assert found.scores == pytest.approx([0.99995, 0.99995], abs=1e-4)
    assert found.landmarks is not None
    assert found.landmarks[order][0] == pytest.approx(
        np.array([[18, 12], [22, 12], [20, 12.8], [18.4, 13.6], [21.6, 13.6]]), abs=1e-3
    )
    assert detector.name == "retinaface"


def test_the_threshold_is_that_of_the_model_or_the_one_given(publish_spot_detector: Publish, tmp_path: Path) -> None:
    folder = publish_spot_detector(tmp_path, score_threshold=0.9)
    image = spots(64, 64, (8, 8), grey=200)
    (score,) = load(folder, score_threshold=0.5).detect(image).scores
    assert score == pytest.approx(1 / (1 + np.exp(10 - 20 * (200 - 127.5) / 128)), rel=1e-4)
    assert len(load(folder).detect(image)) == 0


def test_a_detector_without_landmarks(publish_spot_detector: Publish, tmp_path: Path) -> None:
    found = load(publish_spot_detector(tmp_path, landmarks=False)).detect(spots(64, 64, (8, 8)))
    assert len(found) == 1
    assert found.landmarks is None


def test_faces_are_in_pixels_of_the_photograph_at_every_scale(publish_spot_detector: Publish, tmp_path: Path) -> None:
    folder = publish_spot_detector(tmp_path)
    image = np.kron(spots(64, 64, (24, 40)), np.ones((4, 4, 1), np.uint8))
    (box,) = load(folder, TestScale.parse("short-64")).detect(image).boxes
    assert box == pytest.approx([144, 80, 208, 144], abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (12, 9)])
def test_the_smallest_photographs(publish_spot_detector: Publish, tmp_path: Path, shape: tuple[int, int]) -> None:
    detector = load(publish_spot_detector(tmp_path))
    assert len(detector.detect(np.zeros((*shape, 3), np.uint8))) == 0


def test_threads_may_share_one(publish_spot_detector: Publish, tmp_path: Path) -> None:
    detector = load(publish_spot_detector(tmp_path))
    images = [spots(32 * (1 + number % 3), 64, (8, 8 * (number % 7))) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector.detect, images))
    for image, found in zip(images, together, strict=True):
        assert np.array_equal(found.boxes, detector.detect(image).boxes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"outputs": DetectionOutputs(scores="probabilities", boxes="boxes", landmarks=None)},
            "has the outputs scores, boxes, landmarks; model.json says probabilities, boxes",
        ),
        ({"input": PhotographInput(name="data", multiple=32)}, "has the inputs images; model.json says data"),
        (
            {"outputs": DetectionOutputs(scores="scores", boxes="landmarks", landmarks=None)},
            "output landmarks has shape ['n', 'a', 10]; model.json says (batch, any, 4)",
        ),
        (
            {"input": PhotographInput(name="images", multiple=64)},
            "input.multiple is 64, but the largest stride of the anchors is 32",
        ),
        (
            {
                "anchors": Anchors(strides=(6, 16), sizes=((16,), (64,)), variances=(0.1, 0.2)),
                "input": PhotographInput(name="images", multiple=48),
            },
            "anchors: strides (6, 16): each must divide the largest",
        ),
    ],
)
def test_a_graph_that_is_not_as_described_is_refused(
    publish_spot_detector: Publish, tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        load(publish_spot_detector(tmp_path, **changes))


def test_anchors_that_the_graph_does_not_have_are_an_error(publish_spot_detector: Publish, tmp_path: Path) -> None:
    anchors = Anchors(strides=(8, 16, 32), sizes=((16,), (64,), (256,)), variances=(0.1, 0.2))
    detector = load(publish_spot_detector(tmp_path, anchors=anchors))
    with pytest.raises(ModelError, match=r"gave 168 scores and 168 boxes for an image that has 84 anchors"):
        detector.detect(np.zeros((64, 64, 3), np.uint8))


def change_graph(folder: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Change a published graph and describe it anew."""
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")
    description = load_description_unchecked(folder)
    files = describe_files(folder, ["model.onnx"])
    write_description(folder, description.model_copy(update={"files": files}))


def load_description_unchecked(folder: Path) -> Description:
    return Description.model_validate_json((folder / "model.json").read_bytes())


@pytest.mark.parametrize("output", ["boxes", "landmarks"])
def test_boxes_and_landmarks_that_are_no_numbers_are_an_error(
    publish_spot_detector: Publish, tmp_path: Path, output: str
) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        (last,) = (node for node in model.graph.node if output in node.output)
        last.output[list(last.output).index(output)] = "sound"
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(np.nan, np.float32), "damage"))
        model.graph.node.append(onnx.helper.make_node("Add", ["sound", "damage"], [output]))

    folder = publish_spot_detector(tmp_path)
    change_graph(folder, spoil)
    with pytest.raises(ModelError, match=f"gave {output} that are not finite: the model is damaged"):
        load(folder).detect(np.zeros((64, 64, 3), np.uint8))


def test_scores_that_are_no_numbers_are_an_error(publish_spot_detector: Publish, tmp_path: Path) -> None:
    def spoil(model: onnx.ModelProto) -> None:
        bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias16")
        bias.raw_data = np.array([np.nan, -10], np.float32).tobytes()

    folder = publish_spot_detector(tmp_path)
    change_graph(folder, spoil)
    with pytest.raises(ModelError, match="scores that are not finite: the model is damaged, or its training diverged"):
        load(folder).detect(np.zeros((64, 64, 3), np.uint8))


def test_a_graph_of_one_size_is_refused(publish_spot_detector: Publish, tmp_path: Path) -> None:
    def fix(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 640

    folder = publish_spot_detector(tmp_path)
    change_graph(folder, fix)
    with pytest.raises(ModelError, match=r"input images has shape \['n', 3, 640, 'w'\].*says \(batch, 3, any, any\)"):
        load(folder)


def test_a_damaged_graph_is_refused(publish_spot_detector: Publish, tmp_path: Path) -> None:
    graph = publish_spot_detector(tmp_path) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.onnx is \d+ bytes long, model\.json says \d+"):
        load(tmp_path)


def test_a_recogniser_is_no_detector(publish_spot_detector: Publish, tmp_path: Path) -> None:
    publish_spot_detector(tmp_path)
    write_description(
        tmp_path,
        RecognitionDescription(
            input=ModelInput(name="images", height=112, width=112),
            output=ModelOutput(name="scores", embedding_size=4),
            backbone="none",
            loss="none",
            files=describe_files(tmp_path, ["model.onnx"]),
        ),
    )
    with pytest.raises(ModelError, match="holds a recogniser, where a detector is needed"):
        open_detector(str(tmp_path))


def test_detectors_open_by_name_and_by_folder(publish_spot_detector: Publish, tmp_path: Path) -> None:
    assert isinstance(open_detector("haar"), HaarDetector)
    publish_spot_detector(tmp_path / "run" / "model")
    detector = open_detector(str(tmp_path / "run"), TestScale.parse("short-640"), 0.25, threads=1)
    assert isinstance(detector, OnnxDetector)
    assert detector.folder == tmp_path / "run" / "model"
    assert detector.description == load_description(detector.folder, Description)
    assert (detector.scale.name, detector.settings.score_threshold) == ("short-640", 0.25)
    with pytest.raises(ModelError, match="does not exist"):
        open_detector(str(tmp_path / "har"))
