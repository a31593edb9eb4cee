"""Loading MXNet: with every allowed CPU, and with an error that names the cure where it cannot be loaded."""

import importlib
import os
from collections.abc import Callable
from typing import Any

from facejobs.engines.mxnet.device import GPU_PACKAGE, check_gpus
from facejobs.engines.mxnet.errors import EngineError

# The shared libraries MXNet's wheels expect from the system, and where each comes from.
_LIBRARIES = {
    "libquadmath.so.0": "the Debian package libquadmath0 (apt-get install libquadmath0)",
    "libgomp.so.1": "the Debian package libgomp1 (apt-get install libgomp1)",
    "libstdc++.so.6": "the Debian package libstdc++6 (apt-get install libstdc++6)",
    "libgfortran.so": "the Debian package libgfortran5 (apt-get install libgfortran5)",
    "libcuda.so.1": "the NVIDIA driver; without a GPU install mxnet==1.9.1 instead of " + GPU_PACKAGE,
}


def load_mxnet(gpus: str = "", load: Callable[[str], Any] = importlib.import_module) -> Any:
    """The module mxnet, imported after `--gpus` is known to be usable.

    MXNet takes half of the CPUs unless OMP_NUM_THREADS says otherwise, and reads it only once, when it is loaded: so it
    is set here to the CPUs this process may use, where the user has not set it. Raises ParameterError, DeviceError,
    EngineError.
    """
    check_gpus(gpus)
    os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0))))
    try:
        return load("mxnet")
    except (ImportError, OSError, AttributeError, RuntimeError) as error:
        raise EngineError(f"MXNet cannot be loaded ({_first_line(error)}): {_cure(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _cure(error: Exception) -> str:
    text = str(error)
    if isinstance(error, ModuleNotFoundError):
        package = error.name or "mxnet"
        wanted = f"mxnet==1.9.1, or {GPU_PACKAGE} for GPUs" if package == "mxnet" else package
        return f"pip install {wanted}"
    for library, source in _LIBRARIES.items():
        if library in text:
            return f"{library} comes with {source}"
    if "numpy" in text:
        return "MXNet 1.9.1 needs an older numpy: pip install numpy==1.23.5"
    if "libcu" in text or "libnv" in text or "libnccl" in text:
        return f"install CUDA 11, cuDNN 8 and NCCL 2 for {GPU_PACKAGE}, or mxnet==1.9.1 for the CPU"
    return "reinstall facejobs with the pinned requirements"
