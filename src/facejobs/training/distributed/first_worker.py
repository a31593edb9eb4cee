"""The first worker of several: gathers the others, decides for all, and ends all of them when one is lost or hangs."""

import contextlib
import logging
import socket
import time
from dataclasses import dataclass
from threading import Condition, Event, Lock, Thread, current_thread
from typing import Any, NoReturn

from facejobs.errors import ExitCode
from facejobs.storage.errors import StorageError
from facejobs.training.distributed.group import Phase, WorkerGroup
from facejobs.training.distributed.hang_report import Whereabouts, name_the_stalled
from facejobs.training.distributed.hang_watch import HangWatch, dump_stacks, leave
from facejobs.training.distributed.link import Link, Message, challenge, refuse, welcome
from facejobs.training.distributed.meeting import MeetingPlace
from facejobs.training.distributed.signs_of_life import BEAT_SECONDS, SILENCE_SECONDS
from facejobs.training.errors import ParameterError, WorkerLostError
from facejobs.training.stop_signal import StopRequestedError

log = logging.getLogger(__name__)

_DUMP_SECONDS = 10.0
_GOODBYE_SECONDS = 3.0


@dataclass
class _Member:
    """What the first worker knows of another one."""

    link: Link
    host: str
    heard: float
    phase: Phase = "preparing"
    step: int = 0
    dumped: bool = False
    gone: bool = False


class FirstWorker(WorkerGroup):
    """Rank 0 of `size` workers. To be `gather`ed before use and ended by `finish` or `fail`."""

    def __init__(self, size: int, hang_seconds: float) -> None:
        self.size = size
        self.address = "127.0.0.1"
        self.engine_port = 0
        self._hang_seconds = hang_seconds
        self._members: dict[int, _Member] = {}
        self._changed = Condition()
        self._phase: Phase = "preparing"
        self._step = 0
        self._stop_wished = False
        self._decision = False
        self._ended = Event()
        self._ending = Lock()
        self._needs_others = True
        self._watch = HangWatch(hang_seconds, self._give_up)

    @property
    def _others(self) -> list[_Member]:
        # A list of its own: another may be admitted while this one is gone through.
        return list(self._members.values())

    @property
    def first_address(self) -> str:
        """The address by which all workers reach this one."""
        return self.address

    def gather(self, place: MeetingPlace) -> None:
        """Wait until all workers are here; raises WorkerLostError at the deadline, StorageError, ParameterError."""
        with self._listen(place) as listener:
            token = place.announce(listener.getsockname()[1]).token
            log.info("%d workers are to train together; the others find this one through %s", self.size, place)
            Thread(target=self._accept, args=(listener, token), name="join", daemon=True).start()
            try:
                self._wait_for_others(place)
            finally:
                with contextlib.suppress(OSError):
                    # Closing alone would leave the port open for as long as the thread waits in it.
                    listener.shutdown(socket.SHUT_RDWR)
                with contextlib.suppress(StorageError, OSError):
                    place.clear()
        self.address = self._members[1].link.own_address
        self.engine_port = _free_port(self.address)
        self._send_all({"engine_port": self.engine_port})
        Thread(target=self._look_after, name="look after workers", daemon=True).start()
        self.progressed()
        log.info("%d workers train together: %s", self.size, ", ".join(self._names()))

    def _wait_for_others(self, place: MeetingPlace) -> None:
        with self._changed:
            if self._changed.wait_for(lambda: len(self._members) == self.size - 1, self._hang_seconds):
                return
            absent = sorted(set(range(1, self.size)) - self._members.keys())
        raise WorkerLostError(
            f"of {self.size} workers, number {', '.join(map(str, absent))} did not come within "
            f"{self._hang_seconds / 60:g} minutes: look into the logs of those tasks, which are to find this one "
            f"through {place}"
        )

    def _names(self) -> list[str]:
        return [f"0 ({socket.gethostname()})", *(f"{rank} ({m.host})" for rank, m in sorted(self._members.items()))]

    def _listen(self, place: MeetingPlace) -> socket.socket:
        try:
            return socket.create_server(("", place.port), backlog=self.size + 8)
        except OSError as error:
            raise ParameterError(f"the workers cannot meet at port {place.port} of this machine: {error}") from None

    def _accept(self, listener: socket.socket, token: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                # A thread each, so that a stranger who says nothing keeps nobody waiting.
                Thread(target=self._admit, args=(connection, token), name="admit", daemon=True).start()

    def _admit(self, connection: socket.socket, token: str) -> None:
        if (proven := challenge(connection, token)) is None:
            return
        link, introduction = proven
        with self._changed:
            rank: Any = introduction.get("rank")
            if objection := self._objection(rank, introduction.get("size")):
                refuse(link, objection)
                return
            welcome(link, introduction, token)
            self._members[rank] = _Member(link, str(introduction.get("host")), time.monotonic())
            self._changed.notify_all()
        current_thread().name = f"worker {rank}"
        self._listen_to(rank)

    def _objection(self, rank: Any, size: Any) -> str | None:
        if size != self.size:
            return f"{size} workers are said there, {self.size} here"
        if not isinstance(rank, int) or not 0 < rank < self.size:
            return f"there is no worker {rank}"
        if rank in self._members:
            return f"worker {rank} is here already, from {self._members[rank].host}"
        return None

    def _listen_to(self, rank: int) -> None:
        member = self._members[rank]
        while (message := member.link.receive()) is not None:
            member.heard = time.monotonic()
            match message.get("kind"):
                case "beat":
                    member.phase, member.step = message["phase"], message["step"]
                case "dumped":
                    member.phase, member.step, member.dumped = message["phase"], message["step"], True
                case "stop":
                    self._stop_wished = True
                case "failed" if self._needs_others:
                    self._end_all(message["code"], f"worker {rank} ({member.host}): {message['message']}")
        member.gone = True
        if self._needs_others and not self._ended.is_set():
            self._lost(rank, "its connection ended")

    def _lost(self, rank: int, why: str) -> None:
        self._end_all(
            ExitCode.WORKER_LOST,
            f"worker {rank} ({self._members[rank].host}) is lost: {why}. The run goes on from its last checkpoint when "
            "all workers are started again",
        )

    def _end_all(self, code: int, message: str) -> None:
        """End every worker, this one too."""
        if not self._ending.acquire(blocking=False):
            return
        self._say_goodbye({"kind": "end", "code": int(code), "message": message})
        leave(code, message)

    def _look_after(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            self._send_all({"kind": "beat"})
            if not self._needs_others:
                continue
            for rank, member in list(self._members.items()):
                silent = time.monotonic() - member.heard
                if silent > SILENCE_SECONDS:
                    self._lost(rank, f"no sign of life for {silent:.0f} s")

    def _give_up(self, seconds: float) -> None:
        """Called when no step was made for so long: say who did not make it, and where each worker is."""
        self._send_all({"kind": "dump"})
        dump_stacks(f"worker 0 ({socket.gethostname()})")
        deadline = time.monotonic() + _DUMP_SECONDS
        while not all(m.dumped for m in self._others) and time.monotonic() < deadline:
            time.sleep(0.1)
        standings = [Whereabouts(0, socket.gethostname(), self._phase, self._step, answers=True)]
        standings += [
            Whereabouts(rank, member.host, member.phase, member.step, member.dumped)
            for rank, member in sorted(self._members.items())
        ]
        self._end_all(
            ExitCode.HANG,
            f"no step for {seconds / 60:g} minutes: {name_the_stalled(standings)}. Each worker's log has the stacks of "
            "its threads. The run goes on from its last checkpoint when all workers are started again",
        )

    def _send_all(self, message: Message) -> None:
        for member in self._others:
            member.link.send_if_there(message)

    def enter(self, phase: Phase, step: int | None = None) -> None:
        self._phase = phase
        self._step = self._step if step is None else step

    def progressed(self) -> None:
        self._watch.progressed()

    def before_step(self) -> None:
        # Sent before this worker's gradients, without which no step ends: so it is there in time for all.
        self._decision = self.stop_requested or self._stop_wished
        self._send_all({"kind": "value", "value": self._decision})

    def stops_after_step(self) -> bool:
        return self._decision

    def check(self) -> None:
        self.progressed()
        if self.stop_requested or self._stop_wished:
            raise StopRequestedError

    def broadcast(self, value: Any) -> Any:
        self._send_all({"kind": "value", "value": value})
        return value

    def broadcast_stop(self) -> None:
        self._send_all({"kind": "stopped"})

    def release(self) -> None:
        self._needs_others = False
        self._watch.stop()

    def finish(self, code: int) -> int:
        """End the others with `code`, with which this worker ends too."""
        if self._ending.acquire(blocking=False):
            self._say_goodbye({"kind": "end", "code": int(code), "message": ""})
        return code

    def fail(self, code: int, message: str) -> None:
        """End the others because of an error of this worker, which goes on to report it."""
        if self._ending.acquire(blocking=False):
            whole = f"worker 0 ({socket.gethostname()}): {message}"
            self._say_goodbye({"kind": "end", "code": int(code), "message": whole})

    def abandon(self, message: str) -> NoReturn:
        """End every worker, from any thread, because this one cannot go on."""
        self._end_all(ExitCode.WORKER_LOST, f"worker 0 ({socket.gethostname()}): {message}")
        leave(ExitCode.WORKER_LOST)

    def _say_goodbye(self, message: Message) -> None:
        """Send the last message and wait for the others to have read it: a connection closed earlier may lose it."""
        self.release()
        self._ended.set()
        self._send_all(message)
        for member in self._others:
            member.link.finish_sending()
        deadline = time.monotonic() + _GOODBYE_SECONDS
        while not all(member.gone for member in self._others) and time.monotonic() < deadline:
            time.sleep(0.02)


def _free_port(address: str) -> int:
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])
