"""Parameters by structural name, and initial weights from a local file."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import mxnet as mx
import numpy as np
from mxnet.gluon import Block, Constant, Parameter
from numpy.typing import NDArray

from facejobs.training.errors import ParameterError


def named_parameters(blocks: dict[str, Block]) -> dict[str, Parameter]:
    """Every parameter and running statistic as `block/structural.name`, without constants."""
    return {
        f"{block_name}/{name}": parameter
        for block_name, block in blocks.items()
        for name, parameter in block._collect_params_with_prefix().items()
        if not isinstance(parameter, Constant)
    }


def copy_weights(source: Block, target: Block) -> None:
    """Give `target`, initialised, the arrays of `source`, a block of the same structure on whatever devices."""
    arrays = source._collect_params_with_prefix()
    for name, parameter in target._collect_params_with_prefix().items():
        parameter.set_data(arrays[name].list_data()[0])


def read_weights(path: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    """Arrays of a .npz (a published weights.npz) or an MXNet .params file that fit `wanted` by name and shape.

    Names match whole, or without the leading `net/`, or below `net/backbone.` (weights of a model zoo).
    Raises ParameterError if the file cannot be read, nothing fits, or a name fits with another shape.
    """
    found = _read(path)
    matched: dict[str, NDArray[Any]] = {}
    for name, shape in wanted.items():
        bare = name.removeprefix("net/")
        candidates = (name, bare, bare.removeprefix("backbone."))
        array = next((found[candidate] for candidate in candidates if candidate in found), None)
        if array is None:
            continue
        if array.shape != tuple(shape):
            raise ParameterError(f"--init {path}: {bare} is {array.shape} there and {tuple(shape)} in this net")
        matched[name] = array
    if not matched:
        raise ParameterError(
            f"--init {path}: none of its {len(found)} arrays is of this net; it has {', '.join(list(found)[:3])} …, "
            f"the net has {', '.join(list(wanted)[:3])} …"
        )
    return matched


def _read(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise ParameterError(f"--init {path}: there is no such file")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        loaded = mx.nd.load(str(path))
    except (OSError, ValueError, BadZipFile, mx.MXNetError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise ParameterError(f"--init {path} cannot be read as .npz or .params: {reason}") from None
    if not isinstance(loaded, dict):
        raise ParameterError(f"--init {path} holds arrays without names")
    return {name.removeprefix("arg:").removeprefix("aux:"): array.asnumpy() for name, array in loaded.items()}
