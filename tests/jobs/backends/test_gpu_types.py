"""Kinds of GPU, as schedulers and clouds write them, that MXNet has no code for."""

import pytest
from job_records import a_spec

from facejobs.jobs.backends.gpu_types import unsupported_gpu
from facejobs.jobs.backends.local import LocalBackend

NO_CODE = [
    "H100", "h100", "NVIDIA-H100-80GB-HBM3", "nvidia_h100", "nvidiaH100", "H100-SXM", "H100x8", "H200", "h20", "H800",
    "GH200", "B200", "nvidia-b200", "GB200", "B300", "rtx5090", "geforce-rtx-5070-ti", "RTX 5090",
    "RTX PRO 6000 Blackwell", "gpu:h100:4", "K80", "Tesla-K80", "k40m", "MI300X", "mi250",
    "Ascend 910B", "Ascend910", "ascend-d910", "snt9b", "tpu-v5e", "gaudi2",
]  # fmt: skip
CODE = [
    "V100", "Tesla-V100-SXM2-32GB", "T4", "T400", "A100", "NVIDIA-A100-SXM4-80GB", "A10", "A10G", "A40", "A30", "L4",
    "L40S", "P100", "P4", "RTX 2080 Ti", "rtx3090", "RTX 6000 Ada", "Quadro RTX 5000", "RTX A6000", "GTX 1080",
    "nvidia-tesla-t4", "RTX 4090", "gpu.large", "1g.10gb", "h1000", "bh100x", "ecs-b2", "Vnt1",
]  # fmt: skip


@pytest.mark.parametrize("gpu_type", NO_CODE)
def test_a_gpu_without_code_is_named_with_the_reason_and_alternatives(gpu_type: str) -> None:
    reason = unsupported_gpu(gpu_type)
    assert reason is not None and reason.startswith(gpu_type)
    assert "MXNet 1.9.1" in reason and "A100" in reason


@pytest.mark.parametrize("gpu_type", CODE)
def test_a_gpu_with_code_or_of_unknown_name_is_left_to_the_backend(gpu_type: str) -> None:
    assert unsupported_gpu(gpu_type) is None


def test_no_kind_is_any_kind() -> None:
    assert unsupported_gpu(None) is None


def test_the_local_backend_refuses_such_a_gpu(monkeypatch) -> None:
    monkeypatch.setenv("FACEJOBS_GPUS", "2")
    plan = LocalBackend().plan(a_spec(resources={"gpus": 1, "gpu_type": "H100"}))
    assert [item for item in plan.impossible if item.startswith("resources.gpu_type: H100")]
    plan = LocalBackend().plan(a_spec(resources={"gpus": 1, "gpu_type": "A100"}))
    assert not plan.impossible and [item for item in plan.emulated if item.startswith("resources.gpu_type: A100")]
