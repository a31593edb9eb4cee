"""Where the workers of a job meet: the first one says in the job's storage where it listens, the others look there."""

import hashlib
import json
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Protocol

from facejobs.storage import environment as names
from facejobs.storage.environment import BootEnvironment
from facejobs.storage.errors import NotFoundError
from facejobs.storage.hooks import RENDEZVOUS
from facejobs.storage.opening import open_store
from facejobs.storage.store import ObjectStore
from facejobs.training.errors import ParameterError

# Below the ports that Linux and Kubernetes give away by themselves.
_FIRST_PORT, _PORTS = 10_000, 20_000
_ANYWHERE = ("192.0.2.1", 9)


@dataclass(frozen=True)
class Meeting:
    """Where the first worker listens: the best address first, and what proves that it is this job's."""

    addresses: list[str]
    port: int
    token: str


class MeetingPlace(Protocol):
    """How the others learn of the meeting."""

    port: int
    """Where the first worker listens; 0 is any free port."""

    def announce(self, port: int) -> Meeting:
        """Called by the first worker once it listens. Raises StorageError."""

    def find(self) -> Meeting | None:
        """Called by the others, again and again. Raises StorageError."""

    def clear(self) -> None:
        """Called by the first worker once all are here."""

    def __str__(self) -> str:
        """Where it is, for an error."""


class StoredMeeting:
    """An object beside the job's outputs. A stale one names a port where nobody knows its token."""

    port = 0

    def __init__(self, store: ObjectStore, hosts: tuple[str, ...]) -> None:
        self._store, self._hosts = store, hosts

    def announce(self, port: int) -> Meeting:
        """Write the object, in place of that of an earlier attempt."""
        meeting = Meeting(list(_addresses(self._hosts)), port, secrets.token_hex())
        self._store.write(RENDEZVOUS, json.dumps(asdict(meeting)).encode())
        return meeting

    def find(self) -> Meeting | None:
        """The object, if it is there."""
        try:
            document = json.loads(self._store.read(RENDEZVOUS))
            return Meeting([str(item) for item in document["addresses"]], int(document["port"]), document["token"])
        except (NotFoundError, ValueError, KeyError, TypeError):
            return None

    def clear(self) -> None:
        """Remove the object."""
        self._store.delete([RENDEZVOUS])

    def __str__(self) -> str:
        return f"{self._store.url}/{RENDEZVOUS}"


class AgreedMeeting:
    """Without storage: the first of the job's hosts, at a port and with a token that follow from the job's name.

    The token then keeps jobs apart; it is no secret.
    """

    def __init__(self, environment: BootEnvironment) -> None:
        digest = hashlib.sha256(f"{environment.job}\n{environment.attempt}".encode()).hexdigest()
        self.port = _FIRST_PORT + int(digest, 16) % _PORTS
        self._meeting = Meeting([environment.hosts[0]], self.port, digest)

    def announce(self, _port: int) -> Meeting:
        """Nothing needs saying."""
        return self._meeting

    def find(self) -> Meeting | None:
        """What follows from the name."""
        return self._meeting

    def clear(self) -> None:
        """Nothing was written."""

    def __str__(self) -> str:
        return f"{self._meeting.addresses[0]}:{self.port}"


def meeting_place(environment: BootEnvironment) -> MeetingPlace:
    """Where the workers of this environment's job meet; raises ParameterError if nothing says so."""
    if url := environment.version_url or environment.train_url:
        return StoredMeeting(open_store(url), environment.hosts)
    if environment.hosts:
        return AgreedMeeting(environment)
    raise ParameterError(
        f"{names.TASK_NUMBER} says that {environment.tasks} tasks train together, but nothing says where they meet: "
        f"set {names.TRAIN_URL} to a folder that all of them reach, or {names.TASK_HOSTS} to their addresses"
    )


def _addresses(hosts: tuple[str, ...]) -> Iterator[str]:
    """IPv4 addresses of this machine, those that only it can reach last."""
    found: dict[str, None] = {}
    for name in (*hosts[:1], _outward_address(), socket.gethostname(), "127.0.0.1"):
        try:
            entries = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            continue
        found |= {str(entry[4][0]): None for entry in entries}
    yield from sorted(found, key=lambda address: ip_address(address).is_loopback)


def _outward_address() -> str:
    """The address from which packets to other networks would leave; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ANYWHERE)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
