"""An ONNX graph that nobody described: what it takes, and what it gives for pixels that are drawn at random."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facejobs.data.errors import ModelError
from facejobs.inference.onnx_graph import first_line, open_session

Arrays = dict[str, NDArray[Any]]
_SEED = 7
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class ForeignGraph:
    """A graph of one input, float32 (N, 3, H, W).

    `batch` is the size of N, `height` and `width` those of H and W, each None where the graph leaves it open.
    """

    path: Path
    session: onnxruntime.InferenceSession
    input_name: str
    batch: int | None
    height: int | None
    width: int | None

    @classmethod
    def open(cls, path: Path, content: bytes) -> "ForeignGraph":
        """Load the content of the file `path`; raises ModelError where it is no graph of one such input."""
        session = open_session(path, content, len(os.sched_getaffinity(0)))
        inputs = session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(tensor.name for tensor in inputs) or "none"
            raise ModelError(f"{path} has the inputs {names}; a graph of one input, the image, can be imported")
        (tensor,) = inputs
        sizes = [size if isinstance(size, int) and size > 0 else None for size in tensor.shape]
        if tensor.type != "tensor(float)" or len(sizes) != 4 or sizes[1] not in (3, None):
            raise ModelError(
                f"{path}: input {tensor.name} is {tensor.type} {list(tensor.shape)}, not tensor(float) (batch, 3, "
                "height, width): export the model in float32, with channels first"
            )
        if sizes[0] not in (1, None):
            raise ModelError(f"{path}: input {tensor.name} has a fixed batch of {sizes[0]}; export it with a free one")
        return cls(path, session, tensor.name, sizes[0], sizes[2], sizes[3])

    def run(self, images: NDArray[np.float32]) -> Arrays:
        """Return every output by its name for (N, 3, H, W); raises ModelError where the graph fails."""
        names = [tensor.name for tensor in self.session.get_outputs()]
        try:
            return dict(zip(names, self.session.run(names, {self.input_name: images}), strict=True))
        except MemoryError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            size = "x".join(map(str, images.shape))
            raise ModelError(f"{self.path} failed on an input of {size}: {first_line(error)}") from None

    def takes_batches(self, output: str, height: int, width: int) -> bool:
        """Whether two images at once give what each gives alone, as far as `output` says."""
        if self.batch is not None:
            return False
        images = noise(2, height, width)
        alone = np.concatenate([self.run(image[None])[output] for image in images])
        try:
            together = self.run(images)[output]
        except ModelError:
            return False
        near = _ROUNDING * max(1e-6, float(np.abs(alone).max(initial=0)))
        return together.shape == alone.shape and np.allclose(together, alone, rtol=_ROUNDING, atol=near)


def noise(count: int, height: int, width: int) -> NDArray[np.float32]:
    """Return values about as a net is fed them, float32 (count, 3, height, width), the same every time."""
    values = np.random.default_rng(_SEED).normal(0, 0.5, (count, 3, height, width))
    return values.astype(np.float32)


def shapes(outputs: Arrays) -> str:
    """Return names and shapes of outputs, for people."""
    return ", ".join(f"{name} {value.dtype} {value.shape}" for name, value in outputs.items())
