"""A real Slurm of a test's own on this machine: munged, slurmctld and two slurmd, with own ports and folders."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
_START_SECONDS = 40.0
# Tells the processes of a node from those of another one, and of another test's cluster.
_NODE = "FACEJOBS_TEST_NODE"

_CONF = """
ClusterName=facejobs-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until the credential of its last run has expired: 121 seconds by default.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.log
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1,sched_interval=2
EnforcePartLimits=ALL
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=4
KillWait=5
DefMemPerCPU=100
MessageTimeout=5
GresTypes=gpu
NodeName=DEFAULT CPUs=4 RealMemory=2000 Gres=gpu:v100:2 State=UNKNOWN
NodeName=n1,n2 NodeHostname={host} NodeAddr=127.0.0.1 Port=[{n1}-{n2}]
PartitionName=work Nodes=n1,n2 Default=YES MaxTime=1-0 MaxNodes=2 State=UP PriorityTier=1 GraceTime=10
PartitionName=urgent Nodes=n1,n2 MaxTime=1-0 State=UP PriorityTier=9 PreemptMode=OFF
PartitionName=short Nodes=n1,n2 MaxTime=10 State=UP PriorityTier=1
"""


def why_not() -> str | None:
    """Why the cluster cannot run here; None if it can."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name in _PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"Slurm is not installed, there is no {missing[0]}: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "a Slurm of the test's own must be started as root"


class SlurmCluster:
    """Two nodes, `n1` and `n2`, of four CPUs and two imagined GPUs each; partitions `work`, `short` and `urgent`.

    `urgent` preempts the others. There is no accounting, so no `sacct`.
    """

    nodes = ("n1", "n2")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        first = _two_free_ports()
        # Slurm refuses names with dots or of another machine; the daemons run under the name of this one.
        values = {"host": socket.gethostname().split(".")[0], "ctld": _free_port(), "n1": first, "n2": first + 1}
        self.conf = folder / "slurm.conf"
        self.conf.write_text(_CONF.format(folder=folder, **values))
        (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu Type=v100 Count=2 File=/dev/null,/dev/zero\n")
        # Without a cgroup file system of its own a container has no controllers; the plugin must not look for any.
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        (folder / "state").mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs so that Slurm's commands reach this cluster."""
        return {"SLURM_CONF": str(self.conf)}

    def start(self) -> None:
        """Start everything; returns when both nodes are idle."""
        self._start_munge()
        self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.conf)])
        for node in self.nodes:
            self.start_node(node)
        self._wait(lambda: self.node_states() == dict.fromkeys(self.nodes, "idle"))

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        files = {"socket": "munge.socket", "key-file": "munge.key", "log-file": "munged.log", "seed-file": "munge.seed"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        # --force: the folder of a test lies below /tmp, which anybody may write to.
        self._start("munged", ["munged", "--foreground", "--force", f"--pid-file={self.folder}/munged.pid", *options])
        self._wait(lambda: (self.folder / "munge.socket").exists())

    def start_node(self, node: str) -> None:
        """Start (again) the slurmd of a node."""
        (self.folder / f"spool-{node}").mkdir(exist_ok=True)
        self._start(node, ["slurmd", "-D", "-N", node, "-f", str(self.conf)], {_NODE: self._marker(node)})

    def _marker(self, node: str) -> str:
        return f"{self.folder}/{node}"

    def kill_node(self, node: str) -> None:
        """What a power cut does to a node: its slurmd, and every step and task on it, are gone at once."""
        self._kill(node)
        marker = self._marker(node)
        while processes := _marked(marker):
            for pid in processes | _descendants(processes):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop_controller(self) -> None:
        """From now on Slurm does not answer; the nodes and their jobs live on."""
        controller = self._processes.pop("slurmctld")
        controller.terminate()
        controller.wait()

    def start_controller(self) -> None:
        """Start slurmctld again, with the jobs it knew; returns when the nodes have told it that they are there."""
        self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.conf)])
        ready = {"idle", "mixed", "allocated"}
        self._wait(lambda: len(self.node_states()) == 2 and set(self.node_states().values()) <= ready)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command of Slurm's, and what it said."""
        return subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60, check=False
        )

    def node_states(self) -> dict[str, str]:
        """`idle`, `mixed`, `allocated` or `down` by node."""
        lines = self.run("sinfo", "--noheader", "--Node", "--partition=work", "--format=%N %T").stdout.splitlines()
        return dict(line.split() for line in lines)

    def job(self, number: str) -> str:
        """All that Slurm says of a job."""
        return self.run("scontrol", "--oneliner", "show", "job", number).stdout

    def log(self) -> str:
        """The end of what the daemons logged."""
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in sorted(self.folder.glob("*.log"))
        )

    def stop(self) -> None:
        """End every job and every daemon, and whatever they started."""
        for node in self.nodes:
            if node in self._processes:
                self.kill_node(node)
        for name in list(self._processes):
            self._kill(name)

    def _start(self, name: str, command: list[str], variables: Mapping[str, str] = MappingProxyType({})) -> None:
        path = os.pathsep.join(["/usr/sbin", "/sbin", os.environ.get("PATH", os.defpath)])
        with (self.folder / f"{name}-output.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={"PATH": path, **self.environment, **variables},
            )

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                log = self.log()
                self.stop()
                raise RuntimeError(f"Slurm did not start ({', '.join(dead) or 'no answer'}):\n{log}")
            time.sleep(0.1)


def _marked(node: str) -> set[int]:
    """Processes that still live and were started by a slurmd of this node, which gave them its environment."""
    marker, found = f"{_NODE}={node}".encode(), set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marker in path.read_bytes().split(b"\0"):
                found.add(int(path.parent.name))
    return found


def _descendants(pids: set[int]) -> set[int]:
    """Children, and theirs: what a step started has an environment of its own."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, field 2, may hold spaces and parentheses.
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found: set[int] = set()
    while new := {pid for pid, parent in parents.items() if parent in pids | found} - found:
        found |= new
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _two_free_ports() -> int:
    """The first of two neighbouring ports that nobody listens on."""
    while True:
        first = _free_port()
        with contextlib.suppress(OSError, OverflowError), socket.socket() as probe:
            probe.bind(("127.0.0.1", first + 1))
            return first
