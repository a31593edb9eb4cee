"""ONNX files as others export them, made by hand: a spot of 8 x 8 pixels is a face of 16 x 16 pixels around it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
_DISTANCES = np.array([0.5, 0.5, 1.5, 1.5], np.float32)
_POINTS = np.array([0.25, 0.5, 0.75, 0.5, 0.5, 0.6, 0.3, 0.7, 0.7, 0.7], np.float32)
_OFFSETS = np.array([-1.25, 0, 1.25, 0, 0, 0.5, -1, 1, 1, 1], np.float32)
LANDMARKS = np.array([[2, 4], [6, 4], [4, 4.8], [2.4, 5.6], [5.6, 5.6]])
"""In pixels from the upper left corner of the spot."""

Side = int | str


def spots(height: int, width: int, *corners: tuple[int, int], colour: Sequence[int] = (255, 255, 255)) -> np.ndarray:
    """A black photograph with spots whose upper left corners are at (top, left)."""
    image = np.zeros((height, width, 3), np.uint8)
    for top, left in corners:
        image[top : top + 8, left : left + 8] = colour
    return image


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def add(self, operation: str, *inputs: str | np.ndarray, to: str = "", **attributes: object) -> str:
        names = []
        for value in inputs:
            if isinstance(value, np.ndarray):
                names.append(f"constant{len(self.constants)}")
                self.constants[names[-1]] = value
            else:
                names.append(value)
        output = to or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, names, [output], **attributes))
        return output

    def save(self, path: Path, sizes: Sequence[Side], outputs: dict[str, Sequence[Side] | None]) -> Path:
        tensors = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
            for name, size in {"input.1": sizes, **outputs}.items()
        ]
        initializers = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "foreign", tensors[:1], tensors[1:], initializers)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
        return path


def _cells(graph: _Graph, stride: int, maps: int, weights: np.ndarray, bias: float) -> str:
    """(1, rows, columns, maps): the first map of stride 8 weighs the pixels of its cell, the others are `bias`."""
    kernels = np.zeros((maps, 3, stride, stride), np.float32)
    if stride == STRIDES[0]:
        kernels[0] = (weights / stride**2)[:, None, None]
    cells = graph.add("Conv", "input.1", kernels, np.full(maps, bias, np.float32), strides=[stride, stride])
    return graph.add("Transpose", cells, perm=[0, 2, 3, 1])


def write_scrfd(
    path: Path,
    height: Side = "h",
    width: Side = "w",
    *,
    batched: bool = False,
    landmarks: bool = True,
    sigmoid: bool = True,
    strides: Sequence[int] = STRIDES,
    per_cell: int = 2,
) -> Path:
    """A SCRFD's outputs, the levels in one dimension; a spot of any colour counts, fed as (p - 127.5) / 128."""
    graph = _Graph()
    lead = [1] if batched else []
    names: list[list[str]] = [[], [], []]
    for stride in strides:
        cells = _cells(graph, stride, per_cell, np.full(3, 20 / 3, np.float32), -10)
        logits = graph.add("Reshape", cells, np.array([*lead, -1, 1]), to="" if sigmoid else f"score_{stride}")
        if sigmoid:
            graph.add("Sigmoid", logits, to=f"score_{stride}")
        none = graph.add("Mul", logits, np.zeros(1, np.float32))
        graph.add("Add", none, _DISTANCES, to=f"bbox_{stride}")
        graph.add("Add", none, _POINTS, to=f"kps_{stride}")
        for kind, name in zip(names, ("score", "bbox", "kps"), strict=True):
            kind.append(f"{name}_{stride}")
    outputs = [name for kind in (names if landmarks else names[:2]) for name in kind]
    return graph.save(path, (1, 3, height, width), dict.fromkeys(outputs))


def write_retinaface(
    path: Path, height: Side = "h", width: Side = "w", *, softmax: bool = True, per_cell: int = 2, batch: Side = 1
) -> Path:
    """A RetinaFace's outputs; a spot counts by its blue alone, the first channel, fed as p - 104."""
    graph = _Graph()
    rows = np.array([0, -1, 1])
    levels = [
        graph.add("Reshape", _cells(graph, stride, per_cell, np.array([0.2, 0, 0], np.float32), -15), rows)
        for stride in STRIDES
    ]
    logits = graph.add("Concat", *levels, axis=1)
    none = graph.add("Mul", logits, np.zeros(1, np.float32))
    classes = graph.add("Concat", none, logits, axis=2, to="" if softmax else "conf")
    if softmax:
        graph.add("Softmax", classes, axis=2, to="conf")
    graph.add("Add", none, np.zeros(4, np.float32), to="loc")
    graph.add("Add", none, _OFFSETS, to="landms")
    outputs = {"loc": (batch, "a", 4), "conf": (batch, "a", 2), "landms": (batch, "a", 10)}
    return graph.save(path, (batch, 3, height, width), outputs)


def write_embedder(
    path: Path, side: Side = 112, *, batch: Side = "n", stated: Sequence[Side] | None = None, one_only: bool = False
) -> Path:
    """An embedding of 147 values, the means of 7 x 7 fields; with `one_only` the graph counts on a batch of one."""
    graph = _Graph()
    pooled = graph.add("AveragePool", "input.1", kernel_shape=[16, 16], strides=[16, 16])
    graph.add("Reshape", pooled, np.array([1 if one_only else 0, -1]), to="683")
    return graph.save(path, (batch, 3, side, side), {"683": stated or (batch, 147)})
