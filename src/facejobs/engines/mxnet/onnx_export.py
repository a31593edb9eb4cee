"""ONNX export of an embedding net, and the gate that proves the exported graph equal to the net."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import onnx
import onnxruntime
from mxnet.gluon import nn
from numpy.typing import NDArray
from onnx import numpy_helper

from facejobs.data.normalization import IMAGE_SIZE
from facejobs.engines.mxnet.embedding import EmbeddingNet, build_embedding_net
from facejobs.engines.mxnet.errors import ExportError
from facejobs.engines.mxnet.prelu import PReLU

INPUT_NAME = "images"
OUTPUT_NAME = "embeddings"
_BATCH = "batch"
_IDENTITIES = ("Dropout", "Identity")
_ERRORS_ONLY = 3  # ONNX Runtime's log severity


class _NativePReLU(PReLU):
    """The same slopes under MXNet's own operator, which becomes one PRelu node."""

    def hybrid_forward(self, F: Any, x: Any, alpha: Any, zero: Any, variance: Any) -> Any:  # noqa: ARG002, N803
        return F.LeakyReLU(x, alpha, act_type="prelu")


def export_onnx(net: EmbeddingNet, path: Path, image_size: int = IMAGE_SIZE) -> None:
    """Write `net` as ONNX: float32 images (batch, 3, image_size, image_size) -> embeddings (batch, E).

    Embeddings are not scaled to unit length. The file appears whole or not at all. Raises ExportError if MXNet cannot
    translate the net or the graph is not valid ONNX.
    """
    twin = _exportable_twin(net, image_size)
    symbol = twin(mx.sym.var(INPUT_NAME))
    inputs = set(symbol.list_inputs())
    arrays = {name: p.data() for name, p in twin.collect_params().items() if name in inputs}
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        partial = Path(folder) / path.name
        try:
            mx.onnx.export_model(
                symbol,
                arrays,
                [(1, 3, image_size, image_size)],
                np.float32,
                str(partial),
                dynamic=True,
                dynamic_input_shapes=[(None, 3, image_size, image_size)],
            )
            model = onnx.load(str(partial))
            _repair(model.graph, image_size, net.embedding_size)
            onnx.checker.check_model(model, full_check=True)
        except (NotImplementedError, AttributeError, ValueError, RuntimeError, onnx.checker.ValidationError) as error:
            raise ExportError(f"{net.backbone_name} cannot be written as ONNX: {error}") from error
        onnx.save(model, str(partial))
        os.replace(partial, path)  # noqa: PTH105


def _exportable_twin(net: EmbeddingNet, image_size: int) -> EmbeddingNet:
    """A net with the arrays of `net`, of layers the exporter knows: batch norms of one device, MXNet's PReLU."""
    twin = build_embedding_net(net.backbone_name, net.embedding_size)
    _use_native_prelu(twin)
    twin.initialize()
    twin(mx.nd.zeros((1, 3, image_size, image_size)))
    trained = net._collect_params_with_prefix()
    for name, parameter in twin._collect_params_with_prefix().items():
        parameter.set_data(trained[name].list_data()[0])
    return twin


def _use_native_prelu(block: nn.Block) -> None:
    for name, child in list(block._children.items()):
        if isinstance(child, PReLU):
            native = _NativePReLU(child.alpha.shape[0], prefix=child.prefix, params=child.params)
            block.register_child(native, name)
            if hasattr(block, name):
                setattr(block, name, native)
        else:
            _use_native_prelu(child)


def _repair(graph: Any, image_size: int, embedding_size: int) -> None:
    """Correct what MXNet's exporter leaves wrong or superfluous, and give input and output their names and shapes."""
    _shape_slopes(graph)
    _drop_identities(graph)
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = [OUTPUT_NAME if name == output.name else name for name in node.output]
        node.input[:] = [OUTPUT_NAME if name == output.name else name for name in node.input]
    tensor = onnx.TensorProto.FLOAT
    output.CopyFrom(onnx.helper.make_tensor_value_info(OUTPUT_NAME, tensor, (_BATCH, embedding_size)))
    images = onnx.helper.make_tensor_value_info(INPUT_NAME, tensor, (_BATCH, 3, image_size, image_size))
    del graph.input[:]  # the exporter lists every weight there, with its old shape
    graph.input.append(images)
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


def check_parity(net: EmbeddingNet, path: Path, tolerance: float = 1e-4, batches: Iterable[int] = (1, 7)) -> float:
    """The largest difference between `net` in predict mode and the graph at `path`, over random images.

    It is absolute while no number of an embedding exceeds 1, and relative to an image's largest number above: float32
    holds about seven digits, whatever the magnitude. One run for each batch size of `batches`. Raises ExportError if
    ONNX Runtime cannot run the graph, an embedding is not finite, or the difference is above `tolerance`.
    """
    largest = 0.0
    rng = np.random.default_rng(0)
    run = _session(path)
    device = next(iter(net.collect_params().values())).list_ctx()[0]
    for count in batches:
        images = rng.uniform(-1, 1, (count, 3, IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
        expected = net(mx.nd.array(images, ctx=device)).asnumpy()
        got = run(images)
        where = f"{path} on a batch of {count}"
        if got.shape != expected.shape:
            raise ExportError(f"{where} gives embeddings of shape {got.shape}, the net {expected.shape}")
        if not (np.isfinite(expected).all() and np.isfinite(got).all()):
            raise ExportError(f"{where}: embeddings are not finite; the net's weights are not usable")
        magnitude = np.maximum(1, np.abs(expected).max(axis=1, keepdims=True))
        largest = max(largest, float((np.abs(got - expected) / magnitude).max()))
        if largest > tolerance:
            raise ExportError(
                f"{where} differs from the trained {net.backbone_name} by {largest:.3g}, and at most {tolerance:g} is "
                "allowed: nothing is published, the checkpoints are kept; please report this"
            )
    return largest


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY

    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ExportError(f"{path} cannot be loaded by ONNX Runtime: {error}") from None

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            (embeddings,) = session.run([OUTPUT_NAME], {INPUT_NAME: images})
        except Exception as error:
            raise ExportError(f"{path} fails in ONNX Runtime on a batch of {len(images)}: {error}") from None
        return embeddings  # type: ignore[no-any-return]

    return run
