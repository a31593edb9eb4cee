"""From `--gpus` to MXNet contexts, with GPUs that MXNet has no code for refused before MXNet touches them."""

import ctypes
from collections.abc import Callable
from typing import Any

from facejobs.engines.mxnet.errors import DeviceError
from facejobs.training.errors import ParameterError

GPU_PACKAGE = "mxnet-cu112==1.9.1"
# mxnet-cu112 1.9.1 holds machine code for these compute capabilities and no PTX; code for X.Y runs on X.Z, Z >= Y.
_COMPILED_FOR = ((5, 0), (6, 0), (7, 0), (8, 0), (8, 6))
_CARDS = "V100, T4, A100, A10, A30, RTX 20/30/40, L4, L40 (compute capability 5.x to 8.x)"

_NAME_LENGTH = 256
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute of cuda.h

Card = tuple[str, tuple[int, int]]


def parse_gpus(gpus: str) -> list[int]:
    """GPU numbers of a comma-separated list; an empty list for an empty text. Raises ParameterError."""
    numbers: list[int] = []
    for part in gpus.split(",") if gpus.strip() else []:
        text = part.strip()
        if not (text.isascii() and text.isdigit()):
            raise ParameterError(f"--gpus {gpus!r}: {text!r} is not the number of a GPU; write for example --gpus 0,1")
        if int(text) in numbers:
            raise ParameterError(f"--gpus {gpus!r} names GPU {int(text)} twice")
        numbers.append(int(text))
    return numbers


def driver_cards() -> list[Card]:
    """Name and compute capability of every GPU the CUDA driver shows; raises DeviceError if there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise DeviceError(
            "a GPU was asked for, but the NVIDIA driver's libcuda.so.1 is not here: install the driver, start the "
            "container with GPUs (docker run --gpus all), or leave --gpus out to train on the CPU"
        ) from None
    if code := driver.cuInit(0):
        raise DeviceError(f"a GPU was asked for, but the NVIDIA driver found none to use (cuInit answered {code})")
    number = ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(number))
    return [_card(driver, index) for index in range(number.value)]


def _card(driver: Any, index: int) -> Card:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_LENGTH)
    driver.cuDeviceGet(ctypes.byref(device), index)
    driver.cuDeviceGetName(name, _NAME_LENGTH, device)
    driver.cuDeviceGetAttribute(ctypes.byref(major), _CAPABILITY_MAJOR, device)
    driver.cuDeviceGetAttribute(ctypes.byref(minor), _CAPABILITY_MINOR, device)
    return name.value.decode(errors="replace"), (major.value, minor.value)


def has_code_for(capability: tuple[int, int]) -> bool:
    """Whether MXNet's GPU package runs on a card of this compute capability."""
    major, minor = capability
    return any(major == compiled[0] and minor >= compiled[1] for compiled in _COMPILED_FOR)


def check_gpus(gpus: str, probe: Callable[[], list[Card]] = driver_cards) -> list[int]:
    """The GPU numbers of `--gpus`, each known to be there and usable, without loading MXNet.

    Raises ParameterError for a malformed list, DeviceError for what is not there or of no use.
    """
    numbers = parse_gpus(gpus)
    if not numbers:
        return []
    cards = probe()
    for number in numbers:
        if number >= len(cards):
            shown = ", ".join(f"{i}: {name}" for i, (name, _) in enumerate(cards)) or "none"
            raise DeviceError(f"--gpus {gpus!r}: there is no GPU {number} here; the driver shows {shown}")
        name, capability = cards[number]
        if not has_code_for(capability):
            raise DeviceError(
                f"GPU {number} is a {name} of compute capability {capability[0]}.{capability[1]}, and {GPU_PACKAGE} "
                f"holds no code for it; cards that work: {_CARDS}. Choose such a GPU, or leave --gpus out to train on "
                "the CPU"
            )
    return numbers


def resolve_devices(gpus: str, probe: Callable[[], list[Card]] = driver_cards) -> list[Any]:
    """MXNet contexts for `--gpus`: '' is the CPU, '0,1' are two GPUs. Raises ParameterError, DeviceError."""
    numbers = check_gpus(gpus, probe)
    import mxnet as mx

    if not numbers:
        return [mx.cpu()]
    if not mx.runtime.Features().is_enabled("CUDA"):
        raise DeviceError(
            f"--gpus {gpus!r}: the installed MXNet is built for the CPU only; install {GPU_PACKAGE} in its place "
            "(pip uninstall mxnet, then pip install the other), or leave --gpus out"
        )
    return [mx.gpu(number) for number in numbers]
