"""A TCP connection between two workers that carries JSON objects, one a line, once both have proven who they are."""

import contextlib
import hashlib
import hmac
import json
import secrets
import socket
from threading import Lock
from typing import Any

Message = dict[str, Any]

_HANDSHAKE_SECONDS = 10.0
_LONGEST_LINE = 1 << 20


class LinkError(Exception):
    """The other side cannot be reached, or is not who it should be."""


class Link:
    """Sends from any thread, receives in one. Nothing but a broken connection ends it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._reader = connection.makefile("rb")
        self._lock = Lock()

    @property
    def own_address(self) -> str:
        """The address of this machine by which the other side reaches it."""
        return str(self._socket.getsockname()[0])

    @property
    def other_address(self) -> str:
        """The address by which this machine reaches the other side."""
        return str(self._socket.getpeername()[0])

    def send(self, message: Message) -> None:
        """Send one object; raises OSError if the connection is gone."""
        with self._lock:
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def send_if_there(self, message: Message) -> None:
        """Send one object, or nothing if the connection is gone: who receives notices that."""
        with contextlib.suppress(OSError):
            self.send(message)

    def receive(self) -> Message | None:
        """The next object; None once the connection has ended or what comes is no object."""
        try:
            line = self._reader.readline(_LONGEST_LINE)
            message = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            return None
        return message if isinstance(message, dict) else None

    def receive_within(self, seconds: float) -> Message | None:
        """The next object; None also if it does not come in time, and then nothing can be received any more."""
        self._socket.settimeout(seconds)
        message = self.receive()
        self._socket.settimeout(None)
        return message

    def finish_sending(self) -> None:
        """Let the other side see the end after all that was sent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection, also for a thread that receives."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def connect(address: str, port: int, token: str, introduction: Message) -> Link:
    """A link to the first worker, to whom `introduction` is sent; raises LinkError saying why there is none."""
    try:
        connection = socket.create_connection((address, port), timeout=_HANDSHAKE_SECONDS)
    except OSError as error:
        raise LinkError(str(error.strerror or error)) from None
    link = Link(connection)
    try:
        theirs = (link.receive() or {}).get("challenge")
        mine = secrets.token_hex()
        link.send({**introduction, "challenge": mine, "proof": _proof(token, "other", theirs)})
        answer = link.receive() or {}
        if "refused" in answer:
            raise LinkError(str(answer["refused"]))
        if not _proves(answer, token, "first", mine):
            raise LinkError("somebody else answers there")
    except BaseException as error:
        link.close()
        if isinstance(error, OSError):
            raise LinkError(str(error)) from None
        raise
    connection.settimeout(None)
    return link


def challenge(connection: socket.socket, token: str) -> tuple[Link, Message] | None:
    """The link of somebody who connected and who knows the token, and the introduction; None of anybody else.

    `welcome` or `refuse` answers.
    """
    connection.settimeout(_HANDSHAKE_SECONDS)
    link = Link(connection)
    mine = secrets.token_hex()
    with contextlib.suppress(OSError):
        link.send({"challenge": mine})
        introduction = link.receive()
        if introduction is not None and _proves(introduction, token, "other", mine):
            connection.settimeout(None)
            return link, introduction
    link.close()
    return None


def welcome(link: Link, introduction: Message, token: str) -> None:
    """Prove to who connected that this is the first worker."""
    link.send_if_there({"proof": _proof(token, "first", introduction.get("challenge"))})


def refuse(link: Link, reason: str) -> None:
    """Say why who connected may not join, and hang up."""
    link.send_if_there({"refused": reason})
    link.finish_sending()
    link.close()


def _proof(token: str, side: str, challenge: object) -> str:
    return hmac.new(token.encode(), f"{side}:{challenge}".encode(), hashlib.sha256).hexdigest()


def _proves(message: Message, token: str, side: str, challenge: str) -> bool:
    return hmac.compare_digest(str(message.get("proof")).encode(), _proof(token, side, challenge).encode())
