"""What the backends that run a job on this machine make of its attempts, its GPUs and its nodes."""

import os

from facejobs.jobs.backends.gpu_types import unsupported_gpu
from facejobs.jobs.backends.slots import SLOTS, gpu_count, slot_count
from facejobs.jobs.spec import JobSpec, Resources
from facejobs.storage import environment as names


def judge_attempts(spec: JobSpec, honoured: list[str]) -> None:
    """Retries and the time limit: done by the supervisor."""
    if spec.retries:
        honoured.append(f"retries: {spec.retries}, each from the last checkpoint")
    if spec.time_limit is not None:
        grace = os.environ.get(names.GRACE, "60")
        honoured.append(f"time_limit: {spec.time_limit} s an attempt, then SIGTERM and {grace} s to save")


def judge_machine(resources: Resources, backend: str, shown: str, honoured: list[str], impossible: list[str]) -> None:
    """GPUs and slots, a kind of GPU that MXNet cannot use, nodes; `shown` is how a task sees its own GPUs only."""
    if resources.gpus:
        there = gpu_count()
        if resources.gpus > there:
            impossible.append(f"resources.gpus: {resources.gpus} are asked for, this machine has {there}")
        else:
            honoured.append(f"resources.gpus: waits for {resources.gpus} of {there}{shown}")
    elif slot_count():
        honoured.append("resources.gpus: none, waits for a slot")
    else:
        impossible.append(f"resources.gpus: none, so it needs a slot, and {SLOTS} is 0: set it to 1 or more")
    reason = unsupported_gpu(resources.gpu_type)
    if reason:
        impossible.append(f"resources.gpu_type: {reason}")
    if resources.nodes > 1:
        impossible.append(f"resources.nodes: {resources.nodes}; the {backend} backend is one machine")
