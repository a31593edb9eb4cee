"""Programs that stand for Slurm's, so that scripts and answers can be tested where there is no cluster."""

import os
import subprocess
from pathlib import Path

# A step of two tasks, which runs in one folder; it ends with the highest exit code, as srun does.
_SRUN = r"""
printf '%s\n' "$@" > "$STUBS/srun.arguments"
while [[ $1 == --* ]]; do shift; done
pids=()
for SLURM_PROCID in $(seq 0 $((SLURM_JOB_NUM_NODES - 1))); do
    export SLURM_PROCID
    "$@" &
    pids+=($!)
    echo $! >> "$STUBS/tasks"
done
worst=0
for index in "${!pids[@]}"; do
    wait "${pids[$index]}"
    code=$?
    [ $code = 0 ] || echo "srun: error: n$((index + 1)): task $index: Exited with exit code $code" >&2
    [ $code -gt $worst ] && worst=$code
done
exit $worst
"""
_SCONTROL = r"""
echo "$@" >> "$STUBS/scontrol.calls"
case "$*" in
    "show hostnames n[1-2]") printf 'n1\nn2\n' ;;
    "show hostnames"*) echo n1 ;;
    *"show node n1") echo "NodeName=n1 NodeAddr=10.0.0.1 Port=6818" ;;
    *"show node n2") echo "NodeName=n2 NodeAddr=10.0.0.2 Port=6818" ;;
esac
"""
_SCANCEL = r"""
echo "$@" >> "$STUBS/scancel.calls"
[ -s "$STUBS/tasks" ] || exit 1
kill -TERM $(cat "$STUBS/tasks") 2>/dev/null
exit 0
"""
# What facejobs' task would be: its arguments, and what it was told, on record.
_PYTHON = r"""
printf '%s\0' "$@" > "$STUBS/words.$DLS_TASK_INDEX"
env -0 > "$STUBS/environment.$DLS_TASK_INDEX"
source "$STUBS/task"
"""


class SlurmPrograms:
    """A folder of programs, and what they were asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        for name, text in {"srun": _SRUN, "scontrol": _SCONTROL, "scancel": _SCANCEL, "python": _PYTHON}.items():
            self.write(name, text)
        self.task("exit 0")

    def write(self, name: str, text: str) -> None:
        program = self.bin / name
        program.write_text(f"#!/bin/bash\n{text}")
        program.chmod(0o755)

    def task(self, text: str) -> None:
        """What each task does."""
        (self.folder / "task").write_text(text)

    def start(self, script: str, nodes: int = 1, **variables: str) -> "subprocess.Popen[str]":
        """The batch script as slurmd starts it."""
        environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "STUBS": str(self.folder),
            "SLURM_JOB_ID": "17",
            "SLURM_JOB_NODELIST": "n[1-2]" if nodes == 2 else "n1",
            "SLURM_JOB_NUM_NODES": str(nodes),
            **variables,
        }
        return subprocess.Popen(
            ["/bin/bash", "-s"],
            env=environment,
            cwd=self.folder,
            stdin=_as_file(self.folder / "script", script),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, nodes: int = 1, **variables: str) -> int:
        process = self.start(script, nodes, **variables)
        self.output = process.communicate(timeout=60)[0]
        return process.returncode

    def words(self, task: int = 0) -> list[str]:
        return (self.folder / f"words.{task}").read_text().split("\0")[:-1]

    def environment(self, task: int = 0) -> dict[str, str]:
        items = (self.folder / f"environment.{task}").read_text().split("\0")[:-1]
        return dict(item.split("=", 1) for item in items)

    def calls(self, name: str) -> list[str]:
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []


def _as_file(path: Path, text: str) -> int:
    path.write_text(text)
    return os.open(path, os.O_RDONLY)
