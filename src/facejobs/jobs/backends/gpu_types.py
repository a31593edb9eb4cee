"""GPUs that the MXNet of facejobs' images has no code for: refused before a job is sent to one.

mxnet-cu112 1.9.1 holds machine code for compute capability 5.0, 6.0, 7.0, 8.0 and 8.6, which 8.9 runs too, and no PTX
from which a driver could make code for anything newer (https://developer.nvidia.com/cuda-gpus lists the numbers).
"""

import re

# A model's name stands alone, or after its maker's: H100, nvidia-h100-80gb-hbm3, NVIDIA_H100, gpu.h100.8. What follows
# it may be letters (H100x8), but no digit: T4 is not T400.
_BEGIN = r"(?:(?<![a-z0-9])|(?<=nvidia)|(?<=tesla)|(?<=geforce))"
_UNSUPPORTED = tuple(
    (re.compile(f"{_BEGIN}(?:{names})(?![0-9])"), why)
    for names, why in (
        (r"gh200|h100|h200|h800|h20|hopper", "Hopper, compute capability 9.0"),
        (
            r"g?b[1-3]00|gb10|b40|rtx[^a-z0-9]*50[5-9]0|50[5-9]0(?=ti|d\b|$)|rtx[^a-z0-9]*pro[^a-z0-9]*\d{3,4}|blackwell",
            "Blackwell, compute capability 10 or newer",
        ),
        (r"k[1248]0[cmstx]?|k520|kepler", "Kepler, compute capability 3"),
        (r"mi\d{2,3}[axp]?|radeon|instinct", "made by AMD"),
        (r"ascend\d*|snt\d+|npu", "an Ascend NPU"),
        (r"tpu|gaudi\d?|trainium\d?|inferentia\d?", "no NVIDIA GPU"),
    )
)


def unsupported_gpu(gpu_type: str | None) -> str | None:
    """Why a kind of GPU cannot run facejobs' training, in words; None if it can, or is known to its backend only."""
    if gpu_type is None:
        return None
    name = gpu_type.lower()
    for pattern, why in _UNSUPPORTED:
        if pattern.search(name):
            return (
                f"{gpu_type} ({why}) cannot run MXNet 1.9.1, which has code for compute capability 5.0 to 8.9 only: "
                "take a V100, T4, A100, A10, L4, or an RTX 20, 30 or 40"
            )
    return None
