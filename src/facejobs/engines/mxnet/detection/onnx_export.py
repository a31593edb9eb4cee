"""ONNX export of a detector, and the gate that proves the exported graph equal to the net."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

from facejobs.engines.mxnet.detection.detectors import build_detector_net
from facejobs.engines.mxnet.onnx_graph import Shape, check_tolerance, difference, open_graph, write_graph
from facejobs.engines.mxnet.weights import copy_weights

OUTPUTS: dict[str, Shape] = {
    "scores": ("batch", "anchors"),
    "boxes": ("batch", "anchors", 4),
    "landmarks": ("batch", "anchors", 10),
}
_IMAGES: Shape = ("batch", 3, "height", "width")
_EXAMPLE = (1, 3, 64, 64)
_SHAPES = ((1, 64, 64), (3, 64, 96), (1, 160, 32), (2, 256, 320))


class _Scored(nn.HybridBlock):
    """A detector whose first output is the probability of a face."""

    def __init__(self, net: nn.HybridBlock) -> None:
        super().__init__(prefix="")
        self.net = net

    def hybrid_forward(self, F: Any, images: Any) -> Any:  # noqa: N803
        logits, *others = self.net(images)
        return [F.sigmoid(logits), *others]


def export_detector(net: nn.HybridBlock, path: Path) -> None:
    """Write `net` as ONNX: normalised float32 `images` (batch, 3, height, width) -> `scores` (batch, anchors),
    `boxes` (batch, anchors, 4) and, from a net that has them, `landmarks` (batch, anchors, 10).

    Scores are probabilities, the others relative to the anchors. Raises ExportError if MXNet cannot translate the net
    or the graph is not valid ONNX; then nothing is written.
    """
    twin = build_detector_net(net.detector_name, net.backbone_name)
    twin.initialize()
    twin(mx.nd.zeros(_EXAMPLE))
    copy_weights(net, twin)
    write_graph(_Scored(twin), _name(net), path, _EXAMPLE, _IMAGES, {name: OUTPUTS[name] for name in _outputs(net)})


def check_detector_parity(
    net: nn.HybridBlock, path: Path, tolerance: float = 1e-4, shapes: Iterable[tuple[int, int, int]] = _SHAPES
) -> float:
    """The largest difference between `net` in predict mode and the graph at `path`, over random images.

    It is absolute for numbers up to 1 and relative to an image's largest number above. One run for each (batch,
    height, width) of `shapes`. Raises ExportError if ONNX Runtime cannot run the graph, a number is not finite, or the
    difference is above `tolerance`.
    """
    largest = 0.0
    rng = np.random.default_rng(0)
    names = _outputs(net)
    run = open_graph(path, names)
    device = next(iter(net.collect_params().values())).list_ctx()[0]
    for count, height, width in shapes:
        images = rng.uniform(-1, 1, (count, 3, height, width)).astype(np.float32)
        logits, *others = net(mx.nd.array(images, ctx=device))
        where = f"{path} on {count} images of {width} x {height}"
        for name, expected, got in zip(names, [mx.nd.sigmoid(logits), *others], run(images), strict=True):
            axes = tuple(range(1, expected.ndim))
            largest = max(largest, difference(expected.asnumpy(), got, axes, name, where))
        check_tolerance(largest, tolerance, _name(net), where)
    return largest


def _outputs(net: nn.HybridBlock) -> list[str]:
    return list(OUTPUTS)[: 3 if net.has_landmarks else 2]


def _name(net: nn.HybridBlock) -> str:
    return f"{net.detector_name} of {net.backbone_name}"
