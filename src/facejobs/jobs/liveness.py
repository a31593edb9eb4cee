"""Whether the processes that answer for a version still live: LOST is derived from that, never written.

On this machine a process is known by its number and its start time; of another machine only the age of
`heartbeat.json`, which the running task renews, is known.
"""

import json
import os
import socket
import time
from pathlib import Path

from facejobs.errors import FacejobsError
from facejobs.jobs.backends.native import read_native
from facejobs.jobs.status import ProcessFacts, State, Status
from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

HEARTBEAT = "heartbeat.json"
HEARTBEAT_SECONDS = 30.0
SILENCE_SECONDS = 180.0

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def process_facts(pid: int | None = None) -> ProcessFacts:
    """Facts of a process of this machine, this one by default; raises ProcessLookupError if it is gone."""
    pid = os.getpid() if pid is None else pid
    started = _started(pid)
    if started is None:
        raise ProcessLookupError(f"no process {pid}")
    return ProcessFacts(host=socket.gethostname(), boot_id=_boot_id(), pid=pid, started=started)


def on_this_machine(process: ProcessFacts) -> bool:
    """Whether the process was started here; a container and its host are two machines."""
    return process.host == socket.gethostname()


def is_alive(process: ProcessFacts) -> bool:
    """Whether a process of this machine still runs: same number, same start time, machine not restarted since."""
    return process.boot_id == _boot_id() and _started(process.pid) == process.started


def effective_state(status: Status, store: ObjectStore | None = None) -> State:
    """The state as it truly is: PENDING or RUNNING become LOST where nobody answers for them any more.

    `store` is the version folder, for the heartbeat of a task on another machine; without it such a task is believed.
    """
    if status.state.ended:
        return status.state
    processes = [process for process in (status.supervisor, status.task) if process is not None]
    here = [process for process in processes if on_this_machine(process)]
    if any(is_alive(process) for process in here):
        return status.state
    if store is not None and _held_by_a_cluster(status, store):
        return status.state
    # Just after a submit or between two processes nobody is recorded yet; a transition counts as a sign of life.
    elsewhere = len(here) < len(processes)
    if here and not elsewhere:
        return State.LOST
    if store is None:
        return status.state
    return State.LOST if _silence(status, store) > SILENCE_SECONDS else status.state


def _held_by_a_cluster(status: Status, store: ObjectStore) -> bool:
    """Whether it waits in the queue of a cluster, which may take days and gives no sign of life."""
    return status.state is State.PENDING and status.supervisor is None and read_native(store) is not None


def heard_of(store: ObjectStore) -> bool:
    """Whether a task of the version folder `store` gave a sign of life lately, whatever its status says."""
    try:
        return time.time() - float(json.loads(store.read(HEARTBEAT))["time"]) <= SILENCE_SECONDS
    except (NotFoundError, ValueError, KeyError, TypeError):
        return False


def beat(store: ObjectStore) -> None:
    """Renew the heartbeat of the version folder `store`."""
    store.write(HEARTBEAT, json.dumps({"time": time.time()}).encode())


def _silence(status: Status, store: ObjectStore) -> float:
    """Seconds since the last sign of life."""
    signs = [item.time.timestamp() for item in status.transitions[-1:]]
    try:
        signs.append(float(json.loads(store.read(HEARTBEAT))["time"]))
    except (NotFoundError, ValueError, KeyError, TypeError):
        pass
    except FacejobsError:
        # A store that does not answer says nothing about the task.
        return 0.0
    if not signs:
        # Claimed, and not submitted yet: the number was written a moment ago, or by a process that died since.
        claimed = store.stat("version.json")
        signs = [claimed.modified.timestamp()] if claimed else [time.time()]
    return time.time() - max(signs)


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def _started(pid: int) -> int | None:
    """Start time in clock ticks since boot (field 22 of /proc/PID/stat); None for no process, or a dead one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, field 2, may hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])
