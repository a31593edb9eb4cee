"""A published graph in ONNX Runtime, held to what model.json says of its tensors."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from facejobs.data.errors import ModelError
from facejobs.data.model_description import DESCRIPTION_NAME

_QUIET = 4  # ONNX Runtime logs fatal errors only; the others arrive as exceptions

# Kernels warn through this logger, whatever is said of a session.
onnxruntime.set_default_logger_severity(_QUIET)

Sizes = tuple[int | None, ...]
"""The sizes of one item of a batch; None is a size that must be free, or of an output any."""


class OnnxGraph:
    """A graph of one input; `run` may be called from several threads at once."""

    def __init__(
        self,
        path: Path,
        inputs: Mapping[str, Sizes],
        outputs: Mapping[str, Sizes | None],
        threads: int | None = None,
        batch: int | None = None,
    ) -> None:
        """Load `path` on the CPU with `threads` (all allowed ones).

        Raises ModelError where ONNX Runtime cannot read the graph, where its inputs are others than `inputs`, where it
        lacks one of `outputs`, and where one of them is not float32 of those sizes with a batch that is free, or
        `batch`. An output of which None is said may have any shape.
        """
        self.path = path
        self._outputs = dict(outputs)
        self._session = open_session(path, path.read_bytes(), threads or len(os.sched_getaffinity(0)))
        found = {tensor.name: tensor for tensor in self._session.get_inputs()}
        if found.keys() != inputs.keys():
            raise _other_names(path, "inputs", found, inputs)
        given = {tensor.name: tensor for tensor in self._session.get_outputs()}
        if not outputs.keys() <= given.keys():
            raise _other_names(path, "outputs", given, outputs)
        for name, sizes in inputs.items():
            _check_tensor(path, "input", found[name], sizes, batch)
        for name, stated in outputs.items():
            _check_tensor(path, "output", given[name], stated, batch)

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return the outputs in the order of `outputs`; raises ModelError where one is not as described."""
        count = len(next(iter(inputs.values())))
        try:
            results: list[NDArray[np.float32]] = self._session.run(list(self._outputs), dict(inputs))
        except MemoryError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ModelError(f"{self.path} failed on a batch of {count}: {first_line(error)}") from None
        for result, sizes in zip(results, self._outputs.values(), strict=True):
            if sizes is not None and (result.dtype != np.float32 or not _fits(result.shape, (count, *sizes))):
                raise ModelError(
                    f"{self.path} gave {result.dtype} {result.shape} for {count} images; "
                    f"{DESCRIPTION_NAME} says float32 ({count}, {_describe(sizes)})"
                )
        return results


def open_session(path: Path, graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Load `graph`, the content of the file `path`, on the CPU; raises ModelError where ONNX Runtime cannot read it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _QUIET
    try:
        # From bytes, so that a graph cannot pull in files that model.json does not list.
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelError(f"{path} cannot be loaded by ONNX Runtime: {first_line(error)}") from None


def _other_names(path: Path, which: str, found: Mapping[str, Any], wanted: Iterable[str]) -> ModelError:
    return ModelError(
        f"{path} has the {which} {', '.join(found) or 'none'}; {DESCRIPTION_NAME} says {', '.join(wanted)}"
    )


def _check_tensor(path: Path, which: str, tensor: Any, sizes: Sizes | None, batch: int | None) -> None:
    """Compare type and sizes; a size the graph leaves open (a name) fits any, a fixed one only itself.

    Exporters write the sizes of outputs carelessly, and `run` sees the true ones: they may be fixed where any is right.
    """
    if tensor.type != "tensor(float)":
        raise ModelError(f"{path}: {which} {tensor.name} is {tensor.type}; {DESCRIPTION_NAME} says tensor(float)")
    shape, loose = list(tensor.shape), which == "output"
    if sizes is None or (loose and not shape):
        return
    if len(shape) != 1 + len(sizes) or any(
        isinstance(found, int) and found != size and not (loose and size is None)
        for found, size in zip(shape[1:], sizes, strict=True)
    ):
        raise ModelError(
            f"{path}: {which} {tensor.name} has shape {shape}; {DESCRIPTION_NAME} says (batch, {_describe(sizes)})"
        )
    if isinstance(shape[0], int) and shape[0] != batch:
        raise ModelError(f"{path}: {which} {tensor.name} has a fixed batch of {shape[0]}; export it with a free one")


def _fits(shape: tuple[int, ...], sizes: Sizes) -> bool:
    return len(shape) == len(sizes) and all(
        size is None or found == size for found, size in zip(shape, sizes, strict=True)
    )


def _describe(sizes: Sizes) -> str:
    return ", ".join("any" if size is None else str(size) for size in sizes)


def first_line(error: Exception) -> str:
    """Return what an exception of ONNX Runtime says first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
