"""Face embeddings from a published model, on ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facejobs.data.errors import ModelError
from facejobs.data.model_description import GRAPH_NAME, RecognitionDescription
from facejobs.data.model_folder import load_description
from facejobs.inference.onnx_graph import OnnxGraph
from facejobs.inference.pixels import network_input

DEFAULT_BATCH_SIZE = 64


class Embedder:
    """A loaded model; `embed` may be called from several threads at once."""

    def __init__(self, folder: Path, description: RecognitionDescription, graph: OnnxGraph) -> None:
        self.folder = folder
        self.description = description
        self._graph = graph

    @classmethod
    def load(cls, model_folder: Path, threads: int | None = None) -> "Embedder":
        """Load model.onnx as `model_folder`/model.json describes it, on the CPU with `threads` (all allowed ones).

        Raises ModelError where a file is missing or differs from its digest, where ONNX Runtime cannot read
        the graph, or where the graph's input or output is not what model.json says.
        """
        description = load_description(model_folder, RecognitionDescription)
        tensor, output = description.input, description.output
        graph = OnnxGraph(
            model_folder / GRAPH_NAME,
            {tensor.name: (3, tensor.height, tensor.width)},
            {output.name: (output.embedding_size,)},
            threads,
            tensor.batch,
        )
        return cls(model_folder, description, graph)

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return self.description.output.embedding_size

    def embed(self, images: NDArray[np.uint8], batch_size: int = DEFAULT_BATCH_SIZE) -> NDArray[np.float32]:
        """Return float32 (N, embedding_size) for uint8 (N, H, W, 3) RGB images; not scaled to unit length.

        Raises ModelError where H and W are not the model's, or where the model's answer is not what model.json says.
        """
        expected = (self.description.input.height, self.description.input.width, 3)
        if images.ndim != 4 or images.shape[1:] != expected or images.dtype != np.uint8:
            raise ModelError(
                f"the model in {self.folder} takes uint8 RGB images of {expected[1]}x{expected[0]} pixels, not "
                f"{_describe_images(images)}; align the faces to that size"
            )
        embeddings = np.empty((len(images), self.embedding_size), np.float32)
        batch_size = self.description.input.batch or batch_size
        for start in range(0, len(images), batch_size):
            embeddings[start : start + batch_size] = self._run(images[start : start + batch_size])
        return embeddings

    def embed_both_ways(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, embedding_size) of length 1: the embeddings of image and mirror image added, then scaled.

        As `evaluate verification` measures them. Raises ModelError as `embed` does, and where the model gives a face
        no direction.
        """
        both: NDArray[np.float32] = self.embed(images) + self.embed(images[:, :, ::-1])
        lengths = np.linalg.norm(both, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or (lengths == 0).any():
            raise ModelError(
                f"the recogniser in {self.folder} gave an embedding that is zero or not finite: the model is damaged, "
                "or its training diverged"
            )
        both /= lengths
        return both

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        tensor = self.description.input
        (embeddings,) = self._graph.run(
            {tensor.name: network_input(images, tensor.mean, tensor.scale, tensor.channel_order)}
        )
        return embeddings


def _describe_images(images: NDArray[Any]) -> str:
    if images.ndim == 4 and images.shape[3] == 3 and images.dtype == np.uint8:
        return f"{images.shape[2]}x{images.shape[1]}"
    return f"an array of {images.dtype} {images.shape}"
