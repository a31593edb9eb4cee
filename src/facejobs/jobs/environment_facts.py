"""On which machine, with which software, and by whom a version was submitted."""

import getpass
import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

# Those whose version may change what is computed or how it is transferred.
_PACKAGES = (
    "facejobs", "mxnet", "mxnet-cu112", "gluoncv", "numpy", "opencv-python-headless", "onnx", "onnxruntime",
    "simplejpeg", "boto3", "botocore", "pydantic",
)  # fmt: skip
_NVIDIA_SMI = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
_NVIDIA_SECONDS = 10.0


class Gpu(BaseModel):
    """One GPU; `memory` in MiB."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    memory: int | None
    driver: str


class EnvironmentFacts(BaseModel):
    """The submitting machine; `memory` in bytes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str
    platform: str
    python: str
    packages: dict[str, str]
    cpu: str
    cpus: int
    memory: int | None
    gpus: tuple[Gpu, ...] = ()


def gather_environment() -> EnvironmentFacts:
    """Facts of this machine; what cannot be found out is left empty."""
    return EnvironmentFacts(
        host=socket.gethostname(),
        platform=platform.platform(),
        python=platform.python_version(),
        packages=_packages(),
        cpu=_cpu_model(),
        cpus=len(os.sched_getaffinity(0)),
        memory=_memory(),
        gpus=_gpus(),
    )


def submitter() -> str:
    """`user@host` of whoever runs this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _gpus() -> tuple[Gpu, ...]:
    try:
        done = subprocess.run(_NVIDIA_SMI, capture_output=True, text=True, timeout=_NVIDIA_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]
    return tuple(
        Gpu(name=row[0], memory=int(row[1]) if row[1].isdigit() else None, driver=row[2])
        for row in rows
        if len(row) == 3
    )
