"""Settings MXNet reads once, when it is loaded: they let two CPU contexts stand in for two GPUs.

CPU contexts share a ring of workspaces, and the two halves of a synchronised batch norm must not hold the same one.
"""

import gc
import os
from collections.abc import Iterator

import pytest

os.environ["MXNET_CPU_TEMP_COPY"] = "4096"
os.environ["MXNET_CPU_WORKER_NTHREADS"] = "2"


@pytest.fixture(autouse=True)
def free_nets() -> Iterator[None]:
    """Free a test's nets: they are cycles, and Python does not know how much memory MXNet keeps behind them."""
    yield
    gc.collect()
