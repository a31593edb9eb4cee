"""Loading MXNet: every allowed CPU is used, and each way it can fail names its cure."""

import os

import pytest

from facejobs.engines.mxnet.errors import EngineError
from facejobs.engines.mxnet.runtime import load_mxnet
from facejobs.training.errors import ParameterError


def failing(error: Exception):
    def load(name: str):
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (OSError("libquadmath.so.0: cannot open shared object file"), "Debian package libquadmath0"),
        (OSError("libgomp.so.1: cannot open shared object file"), "Debian package libgomp1"),
        (OSError("libcuda.so.1: cannot open shared object file"), "the NVIDIA driver; without a GPU install mxnet=="),
        (OSError("libcudnn.so.8: cannot open shared object file"), "install CUDA 11, cuDNN 8 and NCCL 2"),
        (AttributeError("module 'numpy' has no attribute 'bool'"), "pip install numpy==1.23.5"),
        (ModuleNotFoundError("No module named 'mxnet'", name="mxnet"), "pip install mxnet==1.9.1, or mxnet-cu112"),
        (ModuleNotFoundError("No module named 'graphviz'", name="graphviz"), "pip install graphviz"),
        (RuntimeError(""), "reinstall facejobs"),
    ],
)
def test_each_failure_names_its_cure(error: Exception, cure: str) -> None:
    with pytest.raises(EngineError, match="MXNet cannot be loaded") as caught:
        load_mxnet("", failing(error))
    assert cure in str(caught.value)


def test_mxnet_gets_the_cpus_this_process_may_use(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    seen = {}
    load_mxnet("", lambda name: seen.update(name=name, threads=os.environ["OMP_NUM_THREADS"]))
    assert seen == {"name": "mxnet", "threads": str(len(os.sched_getaffinity(0)))}
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    load_mxnet("", lambda name: None)
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_gpus_are_checked_before_mxnet_is_loaded() -> None:
    with pytest.raises(ParameterError, match="is not the number of a GPU"):
        load_mxnet("x", failing(AssertionError("loaded")))
