"""A worker that is not the first: follows what the first one decides, and ends with it."""

import logging
import socket
import time
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, NoReturn

from facejobs.errors import ExitCode
from facejobs.training.distributed.group import Phase, WorkerGroup
from facejobs.training.distributed.hang_watch import dump_stacks, leave
from facejobs.training.distributed.link import Link, LinkError, Message, connect
from facejobs.training.distributed.meeting import MeetingPlace
from facejobs.training.distributed.signs_of_life import BEAT_SECONDS, SILENCE_SECONDS
from facejobs.training.errors import WorkerLostError
from facejobs.training.stop_signal import StopRequestedError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.5
_WAIT_SECONDS = 0.2
_DONE = frozenset({ExitCode.OK, ExitCode.STOPPED})


class OtherWorker(WorkerGroup):
    """Rank 1 or higher of `size` workers. To `join` before use, and to be ended by `finish` or `fail`."""

    def __init__(self, rank: int, size: int, hang_seconds: float) -> None:
        self.rank, self.size = rank, size
        self.address = self.first_address = "127.0.0.1"
        self.engine_port = 0
        self._hang_seconds = hang_seconds
        self._values: Queue[Message] = Queue()
        self._phase: Phase = "preparing"
        self._step = 0
        self._wish_sent = False
        self._heard = 0.0
        self._ended = Event()
        self._link: Link | None = None

    def join(self, place: MeetingPlace) -> None:
        """Find the first worker and wait until all are here; raises WorkerLostError at the deadline, StorageError."""
        log.info("looking for the first worker through %s", place)
        link = self._link = self._find(place)
        self.address, self.first_address = link.own_address, link.other_address
        # Longer than the first one waits: it says which worker did not come.
        answer = link.receive_within(self._hang_seconds + SILENCE_SECONDS)
        if answer is None or "engine_port" not in answer:
            why = (answer or {}).get("message") or "its log says more"
            raise WorkerLostError(f"the first worker ended before all workers were there: {why}")
        self.engine_port = answer["engine_port"]
        self._heard = time.monotonic()
        Thread(target=self._listen, args=(link,), name="first worker", daemon=True).start()
        Thread(target=self._beat, name="signs of life", daemon=True).start()
        log.info("worker %d of %d", self.rank, self.size)

    def _find(self, place: MeetingPlace) -> Link:
        deadline = time.monotonic() + self._hang_seconds
        introduction = {"rank": self.rank, "size": self.size, "host": socket.gethostname()}
        said = "nothing is there yet"
        while time.monotonic() < deadline:
            if (meeting := place.find()) is not None:
                failures = []
                for address in meeting.addresses:
                    try:
                        return connect(address, meeting.port, meeting.token, introduction)
                    except LinkError as error:
                        failures.append(f"{address}:{meeting.port}: {error}")
                said = "; ".join(failures)
            time.sleep(_LOOK_SECONDS)
        raise WorkerLostError(
            f"worker {self.rank} did not find the first one within {self._hang_seconds / 60:g} minutes through "
            f"{place} ({said}): every task of a job must reach that place, and task 0 by the network"
        )

    def _listen(self, link: Link) -> None:
        while (message := link.receive()) is not None:
            self._heard = time.monotonic()
            match message.get("kind"):
                case "value" | "stopped":
                    self._values.put(message)
                case "dump":
                    dump_stacks(f"worker {self.rank} ({socket.gethostname()})")
                    self._send({"kind": "dumped", "phase": self._phase, "step": self._step})
                case "end":
                    link.close()
                    self._take_end(message)
                    return
        self._lost("its connection ended")

    def _take_end(self, message: Message) -> None:
        if self._ended.is_set():
            # This worker's own error, which it is about to report.
            return
        self._ended.set()
        if message["code"] not in _DONE:
            leave(message["code"], message["message"])
        self._values.put(message)

    def _lost(self, why: str) -> None:
        if not self._ended.is_set():
            self._ended.set()
            leave(ExitCode.WORKER_LOST, f"the first worker ({self.first_address}) is lost: {why}. Its log says more")

    def _beat(self) -> None:
        while True:
            self._send({"kind": "beat", "phase": self._phase, "step": self._step})
            if self._ended.wait(BEAT_SECONDS):
                return
            silent = time.monotonic() - self._heard
            if silent > SILENCE_SECONDS:
                self._lost(f"no sign of life for {silent:.0f} s")

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._link.send_if_there(message)

    def enter(self, phase: Phase, step: int | None = None) -> None:
        self._phase = phase
        self._step = self._step if step is None else step

    def progressed(self) -> None:
        pass

    def before_step(self) -> None:
        self._pass_on()

    def stops_after_step(self) -> bool:
        self._pass_on()
        return bool(self._receive())

    def check(self) -> None:
        self._pass_on()

    def broadcast(self, value: Any) -> Any:  # noqa: ARG002
        self.enter("waiting")
        return self._receive()

    def broadcast_stop(self) -> None:
        raise AssertionError("only the first worker decides that all stop")

    def _pass_on(self) -> None:
        if self.stop_requested and not self._wish_sent:
            self._wish_sent = True
            self._send({"kind": "stop"})

    def _receive(self) -> Any:
        """What the first worker sends next. In Python, where signals are seen, and not in MXNet."""
        while True:
            try:
                message = self._values.get(timeout=_WAIT_SECONDS)
            except Empty:
                self._pass_on()
                continue
            if message["kind"] == "value":
                return message["value"]
            self._values.put(message)
            raise StopRequestedError

    def release(self) -> None:
        self.enter("waiting")

    def finish(self) -> int:
        """Wait for the first worker to be done; returns the exit code with which all end."""
        self.enter("waiting")
        while (message := self._values.get())["kind"] != "end":
            pass
        return int(message["code"])

    def fail(self, code: int, message: str) -> None:
        """End all workers because of an error of this one, which goes on to report it."""
        self._ended.set()
        self._send({"kind": "failed", "code": int(code), "message": message})
        if self._link is not None:
            self._link.finish_sending()

    def abandon(self, message: str) -> NoReturn:
        """End every worker, from any thread, because this one cannot go on."""
        self.fail(ExitCode.WORKER_LOST, message)
        leave(ExitCode.WORKER_LOST, message)
