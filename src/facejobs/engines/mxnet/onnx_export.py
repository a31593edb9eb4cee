"""ONNX export of an embedding net, and the gate that proves the exported graph equal to the net."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

from facejobs.data.normalization import IMAGE_SIZE
from facejobs.engines.mxnet.embedding import EmbeddingNet, build_embedding_net
from facejobs.engines.mxnet.onnx_graph import check_tolerance, difference, open_graph, write_graph
from facejobs.engines.mxnet.prelu import PReLU
from facejobs.engines.mxnet.weights import copy_weights

OUTPUT_NAME = "embeddings"
_BATCH = "batch"


class _NativePReLU(PReLU):
    """The same slopes under MXNet's own operator, which becomes one PRelu node."""

    def hybrid_forward(self, F: Any, x: Any, alpha: Any, zero: Any, variance: Any) -> Any:  # noqa: ARG002, N803
        return F.LeakyReLU(x, alpha, act_type="prelu")


def export_onnx(net: EmbeddingNet, path: Path, image_size: int = IMAGE_SIZE) -> None:
    """Write `net` as ONNX: float32 images (batch, 3, image_size, image_size) -> embeddings (batch, E).

    Embeddings are not scaled to unit length. The file appears whole or not at all. Raises ExportError if MXNet cannot
    translate the net or the graph is not valid ONNX.
    """
    write_graph(
        _exportable_twin(net, image_size),
        net.backbone_name,
        path,
        example=(1, 3, image_size, image_size),
        images=(_BATCH, 3, image_size, image_size),
        outputs={OUTPUT_NAME: (_BATCH, net.embedding_size)},
    )


def _exportable_twin(net: EmbeddingNet, image_size: int) -> EmbeddingNet:
    """A net with the arrays of `net`, of layers the exporter knows: batch norms of one device, MXNet's PReLU."""
    twin = build_embedding_net(net.backbone_name, net.embedding_size)
    _use_native_prelu(twin)
    twin.initialize()
    twin(mx.nd.zeros((1, 3, image_size, image_size)))
    copy_weights(net, twin)
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


def check_parity(net: EmbeddingNet, path: Path, tolerance: float = 1e-4, batches: Iterable[int] = (1, 7)) -> float:
    """The largest difference between `net` in predict mode and the graph at `path`, over random images.

    It is absolute while no number of an embedding exceeds 1, and relative to an image's largest number above. One run
    for each batch size of `batches`. Raises ExportError if ONNX Runtime cannot run the graph, an embedding is not
    finite, or the difference is above `tolerance`.
    """
    largest = 0.0
    rng = np.random.default_rng(0)
    run = open_graph(path, [OUTPUT_NAME])
    device = next(iter(net.collect_params().values())).list_ctx()[0]
    for count in batches:
        images = rng.uniform(-1, 1, (count, 3, IMAGE_SIZE, IMAGE_SIZE)).astype(np.float32)
        expected = net(mx.nd.array(images, ctx=device)).asnumpy()
        (got,) = run(images)
        where = f"{path} on a batch of {count}"
        largest = max(largest, difference(expected, got, (1,), OUTPUT_NAME, where))
        check_tolerance(largest, tolerance, net.backbone_name, where)
    return largest
