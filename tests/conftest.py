"""Fixtures shared by all tests."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("facejobs", deadline=None)
hypothesis.settings.load_profile("facejobs")

# Test folders are no packages, so what tests share is found by its folder.
sys.path.insert(0, str(Path(__file__).parent))

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real photographs; the test skips, saying so, where it is absent."""
    folder = Path(os.environ.get("FACEJOBS_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real photographs are absent: {folder} (set FACEJOBS_TEST_DATA)")
    return folder


@pytest.fixture
def publish_spot_detector() -> Callable[..., Path]:
    """Writes a detector without training: publish(folder, landmarks, score_threshold, points, **description).

    A white spot that fills a cell of 8 x 8 pixels is a face of 16 x 16 pixels around it, scored 0.9999; a spot of grey
    level g scores sigmoid(20 (g - 127.5) / 128 - 10). The eyes lie 2 pixels to the left and right of the middle.
    """
    return _publish_spot_detector


_SPOT_POINTS = (-1.25, 0, 1.25, 0, 0, 0.5, -1, 1, 1, 1)


def _publish_spot_detector(
    folder: Path,
    landmarks: bool = True,
    score_threshold: float = 0.5,
    points: Sequence[float] = _SPOT_POINTS,
    **changes: Any,
) -> Path:
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    from facejobs.data.detection import detector_description as detector
    from facejobs.data.model_folder import describe_files, write_description

    deltas = {"boxes": np.zeros(4, np.float32)}
    if landmarks:
        deltas["landmarks"] = np.array(points, np.float32)
    nodes, constants = [], {"none": np.zeros(1, np.float32), "rows": np.array([0, -1]), "last": np.array([2])}
    for stride in (8, 16, 32):
        weights = np.zeros((2, 3, stride, stride), np.float32)
        if stride == 8:
            weights[0] = 20 / (3 * stride * stride)
        constants |= {f"weights{stride}": weights, f"bias{stride}": np.full(2, -10, np.float32)}
        nodes += [
            helper.make_node(
                "Conv", ["images", f"weights{stride}", f"bias{stride}"], [f"map{stride}"], strides=[stride, stride]
            ),
            helper.make_node("Transpose", [f"map{stride}"], [f"cells{stride}"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"cells{stride}", "rows"], [f"logits{stride}"]),
        ]
    nodes += [
        helper.make_node("Concat", [f"logits{stride}" for stride in (8, 16, 32)], ["logits"], axis=1),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Mul", ["scores", "none"], ["zeros"]),
        helper.make_node("Unsqueeze", ["zeros", "last"], ["column"]),
    ]
    for name, values in deltas.items():
        constants[f"of_{name}"] = values
        nodes.append(helper.make_node("Add", ["column", f"of_{name}"], [name]))
    sizes = {"images": ("n", 3, "h", "w"), "scores": ("n", "a"), "boxes": ("n", "a", 4), "landmarks": ("n", "a", 10)}
    tensors = {name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size) for name, size in sizes.items()}
    outputs = [tensors[name] for name in ("scores", *deltas)]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "spots", [tensors["images"]], outputs, initializers)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx"
    )
    values: dict[str, Any] = {
        "detector": "retinaface",
        "backbone": "spots",
        "input": detector.PhotographInput(name="images", multiple=32),
        "outputs": detector.DetectionOutputs(
            scores="scores", boxes="boxes", landmarks="landmarks" if landmarks else None
        ),
        "anchors": detector.Anchors(strides=(8, 16, 32), sizes=((16, 32), (64, 128), (256, 512)), variances=(0.1, 0.2)),
        "score_threshold": score_threshold,
        "nms_iou": 0.4,
        "files": describe_files(folder, ["model.onnx"]),
    }
    write_description(folder, detector.DetectionDescription(**{**values, **changes}))
    return folder


@pytest.fixture
def publish_block_recogniser() -> Callable[..., Path]:
    """Writes a recogniser without training, publish(folder, scale): the mean hues of 49 blocks of 16 x 16 pixels.

    Brightness counts little, so that the white spots that all faces of the spot detector have make nobody alike.
    """
    return _publish_block_recogniser


def _publish_block_recogniser(folder: Path, scale: float = 1 / 128) -> Path:
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    from facejobs.data import model_description as described
    from facejobs.data.model_folder import describe_files, write_description

    nodes = [
        helper.make_node("Conv", ["pixels", "weights"], ["blocks"], strides=[16, 16]),
        helper.make_node("Flatten", ["blocks"], ["embedding"]),
    ]
    tensors = {"pixels": ("n", 3, 112, 112), "embedding": ("n", 147)}
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size) for name, size in tensors.items()]
    hues = np.array([[1, -1, 0], [0, 1, -1], [0.05, 0.05, 0.05]], np.float32) / 256
    weights = np.broadcast_to(hues[:, :, None, None], (3, 3, 16, 16))
    graph = helper.make_graph(nodes, "blocks", values[:1], values[1:], [numpy_helper.from_array(weights, "weights")])
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx"
    )
    write_description(
        folder,
        described.RecognitionDescription(
            input=described.ModelInput(name="pixels", height=112, width=112, scale=scale),
            output=described.ModelOutput(name="embedding", embedding_size=147),
            backbone="blocks",
            loss="none",
            files=describe_files(folder, ["model.onnx"]),
        ),
    )
    return folder


@pytest.fixture
def draw_portrait() -> Callable[..., Any]:
    """Draws a photograph in which the spot detector finds a face, 64 x 64 RGB.

    portrait(person, photograph=0, spots=1, noise=60): photographs of one person are alike to the block recogniser, the
    more so the less noise; those of different people are not.
    """
    return _draw_portrait


def _draw_portrait(person: int, photograph: int = 0, spots: int = 1, noise: int = 60) -> Any:
    import cv2
    import numpy as np

    patches = np.random.default_rng([person]).integers(0, 130, (32, 32, 3))
    patches += np.random.default_rng([person, photograph]).integers(-noise, noise + 1, patches.shape)
    image = cv2.resize(np.clip(patches, 0, 130).astype(np.uint8), (64, 64), interpolation=cv2.INTER_NEAREST)
    places = [(3, 3), *((row, column) for row in (0, 2, 5, 7) for column in range(0, 8, 2))][:spots]
    for row, column in places:
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    return image


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    """A training that was asked to stop ignores signals from then on; the tests after it must not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# Files that share a server which takes long to make, or is there once on a machine: they go to one process.
_TOGETHER = {
    "test_container_backend.py": "images",
    "test_image.py": "images",
    "test_image_registry.py": "images",
    "test_distributed_training.py": "slurm",
    "test_slurm_backend.py": "slurm",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Several processes (-n) share the tests by file, so that what a file starts is started once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = Path(nodeid.split("::", 1)[0]).name
            return _TOGETHER.get(name, name)

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with real servers take longest, so they begin."""
    items.sort(key=lambda item: item.path.parent.name != "integration")
