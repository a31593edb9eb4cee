"""ONNX files as every exported net needs them: MXNet's translation, its faults put right, and a way to run them."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import onnx
import onnxruntime
from mxnet.gluon import nn
from numpy.typing import NDArray
from onnx import numpy_helper

from facejobs.engines.mxnet.errors import ExportError

INPUT_NAME = "images"
_IDENTITIES = ("Dropout", "Identity")
_ERRORS_ONLY = 3  # ONNX Runtime's log severity

Shape = tuple[int | str, ...]
"""Of a tensor; text is the name of a dimension that is free."""
Run = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


def write_graph(
    net: nn.HybridBlock, name: str, path: Path, example: tuple[int, ...], images: Shape, outputs: Mapping[str, Shape]
) -> None:
    """Write `net`, of layers MXNet's exporter knows, as ONNX that maps float32 `images` to `outputs`, in this order.

    `example` is one possible shape of its input. The file appears whole or not at all. Raises ExportError, which calls
    the net `name`, if MXNet cannot translate it or the graph is not valid ONNX.
    """
    result = net(mx.sym.var(INPUT_NAME))
    symbol = mx.sym.Group(list(result)) if isinstance(result, list | tuple) else result
    inputs = set(symbol.list_inputs())
    arrays = {key: p.data() for key, p in net.collect_params().items() if key in inputs}
    free = tuple(None if isinstance(dimension, str) else dimension for dimension in images)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        partial = Path(folder) / path.name
        try:
            mx.onnx.export_model(
                symbol, arrays, [example], np.float32, str(partial), dynamic=True, dynamic_input_shapes=[free]
            )
            model = onnx.load(str(partial))
            _repair(model.graph, images, outputs)
            onnx.checker.check_model(model, full_check=True)
        except (NotImplementedError, AttributeError, ValueError, RuntimeError, onnx.checker.ValidationError) as error:
            raise ExportError(f"{name} cannot be written as ONNX: {error}") from error
        onnx.save(model, str(partial))
        os.replace(partial, path)  # noqa: PTH105


def _repair(graph: Any, images: Shape, outputs: Mapping[str, Shape]) -> None:
    """Correct what MXNet's exporter leaves wrong or superfluous, and give input and outputs their names and shapes."""
    _shape_slopes(graph)
    _drop_identities(graph)
    names = {tensor.name: name for tensor, name in zip(graph.output, outputs, strict=True)}
    for node in graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
        node.input[:] = [names.get(name, name) for name in node.input]
    of_type = onnx.TensorProto.FLOAT
    del graph.output[:]
    graph.output.extend(onnx.helper.make_tensor_value_info(name, of_type, shape) for name, shape in outputs.items())
    del graph.input[:]  # the exporter lists every weight there, with its old shape
    graph.input.append(onnx.helper.make_tensor_value_info(INPUT_NAME, of_type, images))
    used = {name for node in graph.node for name in node.input}
    for unused in [initializer for initializer in graph.initializer if initializer.name not in used]:
        graph.initializer.remove(unused)
    del graph.value_info[:]


def _shape_slopes(graph: Any) -> None:
    """(C,) -> (C, 1, 1): ONNX broadcasts a slope from the right, so that (C,) would run along the width."""
    slopes = {node.input[1] for node in graph.node if node.op_type == "PRelu"}
    for initializer in graph.initializer:
        if initializer.name in slopes:
            array = numpy_helper.to_array(initializer)
            initializer.CopyFrom(numpy_helper.from_array(array.reshape(-1, 1, 1), initializer.name))


def _drop_identities(graph: Any) -> None:
    for node in [node for node in graph.node if node.op_type in _IDENTITIES]:
        for other in graph.node:
            other.input[:] = [node.input[0] if name == node.output[0] else name for name in other.input]
        graph.node.remove(node)


def open_graph(path: Path, outputs: list[str]) -> Run:
    """A function that maps images to `outputs` of the graph at `path`; it and this raise ExportError."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY

    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ExportError(f"{path} cannot be loaded by ONNX Runtime: {error}") from None

    def run(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        try:
            return session.run(outputs, {INPUT_NAME: images})  # type: ignore[no-any-return]
        except Exception as error:
            shape = "x".join(map(str, images.shape[2:]))
            raise ExportError(f"{path} fails in ONNX Runtime on a batch of {len(images)}, {shape}: {error}") from None

    return run


def difference(
    expected: NDArray[np.float32], got: NDArray[np.float32], axes: tuple[int, ...], what: str, where: str
) -> float:
    """The largest difference of the numbers `what`, absolute up to 1 and above relative to the largest over `axes`.

    float32 holds about seven digits, whatever the magnitude. Raises ExportError where shapes differ or a number is not
    finite.
    """
    if got.shape != expected.shape:
        raise ExportError(f"{where} gives {what} of shape {got.shape}, the net {expected.shape}")
    if not (np.isfinite(expected).all() and np.isfinite(got).all()):
        raise ExportError(f"{where}: {what} are not finite; the net's weights are not usable")
    magnitude = np.maximum(1, np.abs(expected).max(axis=axes, keepdims=True))
    return float((np.abs(got - expected) / magnitude).max())


def check_tolerance(largest: float, tolerance: float, name: str, where: str) -> None:
    """Raise ExportError if the graph differs from the trained net `name` by more than `tolerance`."""
    if largest > tolerance:
        raise ExportError(
            f"{where} differs from the trained {name} by {largest:.3g}, and at most {tolerance:g} is "
            "allowed: nothing is published, the checkpoints are kept; please report this"
        )
