"""The process that answers for one job in a container on this machine: it fetches the image, runs it, tries again."""

import logging
import os
import shutil
import socket
import subprocess
import time
from types import FrameType

from facejobs.jobs.backends.container_judgement import without_number
from facejobs.jobs.backends.container_order import ContainerOrder, task_folder
from facejobs.jobs.backends.container_tool import find_tool
from facejobs.jobs.backends.container_user import give_away, numbers_of
from facejobs.jobs.backends.local_supervisor import Supervisor, run_order
from facejobs.jobs.backends.native import NativeJob, write_native
from facejobs.jobs.backends.processes import kill_processes_of
from facejobs.jobs.backends.slots import Held, QueueLeftError
from facejobs.jobs.errors import JobError
from facejobs.jobs.image.tool import last_line
from facejobs.jobs.status import State, read_status
from facejobs.storage import environment as names
from facejobs.storage.errors import StorageError

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 2.0
# What podman and docker end with when they could not start the container.
_TOOL_FAILED = 125
# Also what a command says that cannot be run.
_TOOL_FAILED_IN_PART = (126, 127)
_HINTS = {
    "CDI device": "`nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml` describes this machine's GPUs to podman",
    "could not select device driver": "docker needs the NVIDIA Container Toolkit to pass on GPUs",
}


class ContainerSupervisor(Supervisor):
    """Runs one order to its end; the process it starts is the tool, which passes signals on and exit codes back."""

    def __init__(self, order: ContainerOrder) -> None:
        super().__init__(order)
        self._container = order
        self._pulling = False
        self._owner: tuple[int, int] | None = None
        self._messages = self._work / "tool.log"
        self._asked = 0.0

    def prepare(self) -> None:
        """Fetch the image unless it is here, and see that a job can run in it."""
        image = self._container.image
        self._tool = find_tool(self._container.tool)
        facts = self._tool.image(image)
        if facts is None:
            log.info("fetching %s", image)
            self._pull(image)
            facts = self._tool.image(image)
        if facts is None:
            raise JobError(f"{image} was fetched, and {self._tool.name} does not know it")
        fault = facts.fault(image)
        if fault:
            raise JobError(fault)
        if self._container.owner is not None:
            self._owner = numbers_of(self._container.owner or facts.user)
            if self._owner is None:
                raise JobError(f"{image}: {without_number(facts.user)}")

    def _pull(self, image: str) -> None:
        self._pulling = True
        try:
            self._tool.pull(image, log.info)
        finally:
            self._pulling = False

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Also gives up an image that is being fetched."""
        super().on_stop(number, frame)
        if self._pulling:
            raise QueueLeftError

    def on_kill(self, number: int, frame: FrameType | None) -> None:
        """As `on_stop` does."""
        super().on_kill(number, frame)
        if self._pulling:
            raise QueueLeftError

    def launch(self, attempt: int, held: Held) -> "subprocess.Popen[bytes]":
        """Run the container in the foreground of the tool, which ends when it does."""
        (task_folder(self._work) / "tmp").mkdir(parents=True, exist_ok=True)
        if self._owner is not None:
            give_away(self._container.shared, self._owner)
        self._name_container(attempt)
        tool, run, *arguments = self._container.command
        numbers = [f"--env={names.ATTEMPT}={attempt}", f"--env={names.ATTEMPTS}={self._container.attempts}"]
        command = [tool, run, *self._gpus(held), *numbers, *arguments]
        with self._messages.open("wb") as messages:
            return subprocess.Popen(
                command,
                cwd=self._work,
                # The tool is found by its work folder, as the processes of a local job are.
                env={**os.environ, names.WORK: str(self._work)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                start_new_session=True,
                pass_fds=held.files,
            )

    def _name_container(self, attempt: int) -> None:
        """Say in the version what is run where; a store that is away stops no job."""
        place = f"{self._tool.name} on {socket.gethostname()}"
        try:
            native = NativeJob(backend="container", id=self._container.container, place=place, attempt=attempt)
            write_native(self._version, native)
        except (StorageError, OSError) as error:
            log.warning("the name of the container could not be recorded: %s", error)

    def _gpus(self, held: Held) -> list[str]:
        if not self._container.gpus:
            return []
        if self._tool.name == "podman":
            return [f"--device=nvidia.com/gpu={number}" for number in held.numbers]
        # docker reads this as a line of CSV, so several numbers are one quoted value of it.
        return [f'--gpus="device={",".join(map(str, held.numbers))}"']

    def insist_on_stop(self, process: "subprocess.Popen[bytes]") -> None:
        """Ask again until the task has begun: a first process that does not handle SIGTERM yet never sees it."""
        now = time.monotonic()
        if now - self._asked < _AGAIN_SECONDS:
            return
        first, self._asked = not self._asked, now
        try:
            begun = read_status(self._version).state is not State.PENDING
        except (StorageError, OSError):
            return
        if not first and not begun and process.poll() is None:
            self._tool.signal(self._container.container, "TERM")

    def end_task(self) -> int:
        """Remove the container, and end the tool that was watching it."""
        try:
            self._tool.remove(self._container.container)
        except JobError as error:
            # How the task ended is known without it.
            log.warning("the container could not be removed: %s", error)
        return kill_processes_of(self._work)

    def how_it_ended(self, code: int) -> str:
        """With the last line on standard error: what the tool says, or run_train.sh before it has a log."""
        if code < 0:
            return f"{self._tool.name} was ended by signal {-code}"
        messages = self._messages.read_text(errors="replace")
        said = last_line(messages) if messages.strip() else ""
        if code == _TOOL_FAILED or (code in _TOOL_FAILED_IN_PART and said.startswith(("Error: ", "docker: "))):
            hints = [hint for words, hint in _HINTS.items() if words in said]
            return "; ".join([f"{self._tool.name} could not run the container: {said}", *hints])
        return f"the container ended with exit code {code}" + (f": {said}" if said else "")

    def tidy(self) -> None:
        """Remove the task's folder."""
        shutil.rmtree(task_folder(self._work), ignore_errors=True)


if __name__ == "__main__":
    run_order(ContainerOrder, ContainerSupervisor)
