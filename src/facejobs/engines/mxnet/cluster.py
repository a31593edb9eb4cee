"""MXNet's parameter servers for training on several nodes: a scheduler beside the first worker, a server beside each.

The names are those of ps-lite (DMLC_ROLE, DMLC_PS_ROOT_URI …), which it reads when the worker's kvstore is made.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from facejobs.training.distributed.group import WorkerGroup
from facejobs.training.distributed.joining import SeveralWorkers

_NODE = Path(__file__).with_name("cluster_node.py")


@contextmanager
def parameter_servers(group: WorkerGroup) -> Iterator[None]:
    """Run this worker's part of the cluster, and make this process a worker of it; nothing where it is alone.

    Enter it before MXNet makes a kvstore, in the main thread: the servers die with the thread that starts them.
    """
    if not isinstance(group, SeveralWorkers):
        yield
        return
    settings = _settings(group)
    roles = ["scheduler", "server"] if group.rank == 0 else ["server"]
    over = Event()
    processes = [_start(role, settings, group, over) for role in roles]
    os.environ |= {**settings, "DMLC_ROLE": "worker"}
    try:
        yield
    finally:
        over.set()
        for process in processes:
            process.kill()
            process.wait()


def _settings(group: SeveralWorkers) -> dict[str, str]:
    return {
        "DMLC_PS_ROOT_URI": group.first_address,
        "DMLC_PS_ROOT_PORT": str(group.engine_port),
        "DMLC_NODE_HOST": group.address,
        "DMLC_NUM_WORKER": str(group.size),
        "DMLC_NUM_SERVER": str(group.size),
    }


def _start(role: str, settings: Mapping[str, str], group: SeveralWorkers, over: Event) -> "subprocess.Popen[bytes]":
    """Start one process, whose end ends all workers unless it is `over`."""
    process = subprocess.Popen(
        [sys.executable, str(_NODE), str(os.getpid())],
        # Servers only add: threads of their own would take the CPUs from the worker.
        env={"OMP_NUM_THREADS": "1", **os.environ, **settings, "DMLC_ROLE": role},
        stdin=subprocess.DEVNULL,
    )

    def watch() -> None:
        code = process.wait()
        if not over.is_set():
            group.abandon(f"its {role} of MXNet's kvstore ended with exit code {code}")

    Thread(target=watch, name=f"MXNet {role}", daemon=True).start()
    return process
