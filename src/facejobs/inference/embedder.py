"""Face embeddings from a published model, on ONNX Runtime."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facejobs.data.model_artifact import (
    DESCRIPTION_NAME,
    GRAPH_NAME,
    ModelError,
    RecognitionDescription,
    load_description,
)

_QUIET = 4  # ONNX Runtime logs fatal errors only; the others arrive as exceptions
DEFAULT_BATCH_SIZE = 64


class Embedder:
    """A loaded model; `embed` may be called from several threads at once."""

    def __init__(
        self, folder: Path, description: RecognitionDescription, session: onnxruntime.InferenceSession
    ) -> None:
        self.folder = folder
        self.description = description
        self._session = session

    @classmethod
    def load(cls, model_folder: Path, threads: int | None = None) -> "Embedder":
        """Load model.onnx as `model_folder`/model.json describes it, on the CPU with `threads` (all allowed ones).

        Raises ModelError where a file is missing or differs from its digest, where ONNX Runtime cannot read
        the graph, or where the graph's input or output is not what model.json says.
        """
        description = load_description(model_folder, RecognitionDescription)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.log_severity_level = _QUIET
        path = model_folder / GRAPH_NAME
        try:
            # From bytes, so that a graph cannot pull in files that model.json does not list.
            session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except MemoryError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ModelError(f"{path} cannot be loaded by ONNX Runtime: {_first_line(error)}") from None
        _check_graph(path, description, session)
        return cls(model_folder, description, session)

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
        for start in range(0, len(images), batch_size):
            embeddings[start : start + batch_size] = self._run(images[start : start + batch_size])
        return embeddings

    def _run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        tensor = self.description.input
        values = (images.transpose(0, 3, 1, 2).astype(np.float32) - np.float32(tensor.mean)) * np.float32(tensor.scale)
        try:
            (output,) = self._session.run([self.description.output.name], {tensor.name: np.ascontiguousarray(values)})
        except MemoryError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ModelError(
                f"{self.folder / GRAPH_NAME} failed on a batch of {len(images)}: {_first_line(error)}"
            ) from None
        if output.shape != (len(images), self.embedding_size) or output.dtype != np.float32:
            raise ModelError(
                f"{self.folder / GRAPH_NAME} gave {output.dtype} {output.shape} for {len(images)} images; "
                f"{DESCRIPTION_NAME} says float32 ({len(images)}, {self.embedding_size})"
            )
        embeddings: NDArray[np.float32] = output
        return embeddings


def _check_graph(path: Path, description: RecognitionDescription, session: onnxruntime.InferenceSession) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if [tensor.name for tensor in inputs] != [description.input.name]:
        found = ", ".join(tensor.name for tensor in inputs) or "none"
        raise ModelError(f"{path} has the inputs {found}; {DESCRIPTION_NAME} says {description.input.name}")
    output = next((tensor for tensor in outputs if tensor.name == description.output.name), None)
    if output is None:
        found = ", ".join(tensor.name for tensor in outputs) or "none"
        raise ModelError(f"{path} has the outputs {found}; {DESCRIPTION_NAME} says {description.output.name}")
    _check_tensor(path, "input", inputs[0], (3, description.input.height, description.input.width))
    _check_tensor(path, "output", output, (description.output.embedding_size,))


def _check_tensor(path: Path, which: str, tensor: Any, sizes: tuple[int, ...]) -> None:
    """Compare type and sizes; a size the graph leaves open (a name) fits, a fixed batch does not."""
    if tensor.type != "tensor(float)":
        raise ModelError(f"{path}: {which} {tensor.name} is {tensor.type}; {DESCRIPTION_NAME} says tensor(float)")
    shape = list(tensor.shape)
    fits = len(shape) == 1 + len(sizes) and all(
        not isinstance(found, int) or found == size for found, size in zip(shape[1:], sizes, strict=True)
    )
    if not fits:
        raise ModelError(
            f"{path}: {which} {tensor.name} has shape {shape}; {DESCRIPTION_NAME} says (batch, "
            f"{', '.join(map(str, sizes))})"
        )
    if isinstance(shape[0], int):
        raise ModelError(f"{path}: {which} {tensor.name} has a fixed batch of {shape[0]}; export it with a free one")


def _describe_images(images: NDArray[Any]) -> str:
    if images.ndim == 4 and images.shape[3] == 3 and images.dtype == np.uint8:
        return f"{images.shape[2]}x{images.shape[1]}"
    return f"an array of {images.dtype} {images.shape}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
