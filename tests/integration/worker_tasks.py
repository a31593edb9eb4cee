"""Tasks of one job on this machine, each through run_train.sh as on a node of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

RUN_TRAIN = Path(__file__).resolve().parents[2] / "run_train.sh"
_COMMAND = "import sys; from facejobs.cli.main import main; sys.argv[0] = 'facejobs'; main()"


class WorkerTasks:
    """`count` tasks that train together below `folder`; task k works in `folder/task-k`."""

    def __init__(
        self, folder: Path, count: int, data: Path, options: list[str], prelude: str = "", task: str = "recognition"
    ) -> None:
        self.folder, self.count, self._task = folder, count, task
        self._processes = [self._start(number, data, options, prelude) for number in range(count)]

    def _start(self, task: int, data: Path, options: list[str], prelude: str) -> subprocess.Popen[bytes]:
        work = self.folder / f"task-{task}"
        work.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "FACEJOBS_PYTHON": sys.executable,
            "FACEJOBS_WORK": str(work),
            "TMPDIR": str(work),
            "DLS_JOB_ID": "pair",
            "DLS_TASK_INDEX": str(task),
            "DLS_TASK_NUMBER": str(self.count),
            "DLS_TRAIN_URL": str(self.folder / "store"),
            # As one process on joint batches has it: the order of summation in MXNet depends on it.
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-c", f"{prelude}\n{_COMMAND}", "train", self._task]
        with (work / "printed.log").open("wb") as printed:
            return subprocess.Popen(
                ["bash", str(RUN_TRAIN), *command, str(data), str(work / "output"), *options],
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def log(self, task: int) -> str:
        """What a task has printed since it was started."""
        return (self.folder / f"task-{task}" / "printed.log").read_text()

    def logs(self) -> str:
        """What all have, to be shown when a test fails."""
        return "\n".join(f"--- task {task}\n{self.log(task)}" for task in range(self.count))

    def checkpoints(self, task: int = 0) -> list[int]:
        """Steps of the checkpoints that a task has written."""
        folder = self.folder / f"task-{task}" / "output" / "checkpoints"
        return sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))

    def wait_for_checkpoint(self, step: int, seconds: float = 120) -> None:
        """Return when the first task has written one of `step` or later."""
        deadline = time.monotonic() + seconds
        while not any(found >= step for found in self.checkpoints()):
            assert all(p.poll() is None for p in self._processes) and time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def signal(self, task: int, number: signal.Signals) -> None:
        """Send a signal to a task's run_train.sh; what it runs dies with it."""
        self._processes[task].send_signal(number)

    def codes(self, seconds: float = 120) -> list[int]:
        """The exit codes of all, once they have ended."""
        deadline = time.monotonic() + seconds
        try:
            return [process.wait(max(0.1, deadline - time.monotonic())) for process in self._processes]
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {seconds:g} s\n{self.logs()}") from None

    def kill(self) -> None:
        """End those that still run."""
        for process in self._processes:
            process.kill()
            process.wait()
