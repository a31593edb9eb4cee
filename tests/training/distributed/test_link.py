"""Links between workers: objects in order, and nobody without the token."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from facejobs.training.distributed.link import Link, LinkError, challenge, connect, welcome


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def admit(listener: socket.socket, token: str) -> Link | None:
    connection, _ = listener.accept()
    proven = challenge(connection, token)
    if proven is None:
        return None
    welcome(*proven, token)
    return proven[0]


def test_objects_arrive_in_order_and_the_end_is_seen(listener) -> None:
    with ThreadPoolExecutor(1) as pool:
        admitted = pool.submit(admit, listener, "token")
        here = connect("127.0.0.1", listener.getsockname()[1], "token", {"rank": 1})
        there = admitted.result()
    for number in range(3):
        here.send({"number": number, "text": "ü\n"})
    here.finish_sending()
    assert [there.receive() for _ in range(4)] == [*({"number": n, "text": "ü\n"} for n in range(3)), None]
    assert here.own_address == here.other_address == "127.0.0.1"


@pytest.mark.parametrize(("ours", "theirs"), [("token", "other"), ("", "token")])
def test_nobody_joins_without_the_token(listener, ours: str, theirs: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        admitted = pool.submit(admit, listener, theirs)
        with pytest.raises(LinkError, match="somebody else answers"):
            connect("127.0.0.1", listener.getsockname()[1], ours, {"rank": 1})
        assert admitted.result() is None


def test_an_answer_of_somebody_without_the_token_is_not_believed(listener) -> None:
    def impostor() -> None:
        connection, _ = listener.accept()
        link = Link(connection)
        link.send({"challenge": "1"})
        link.receive()
        link.send({"proof": "0" * 64})

    with ThreadPoolExecutor(1) as pool:
        pool.submit(impostor)
        with pytest.raises(LinkError, match="somebody else answers"):
            connect("127.0.0.1", listener.getsockname()[1], "token", {})


def test_a_closed_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkError, match="refused"):
        connect("127.0.0.1", port, "token", {})


@pytest.mark.parametrize("sent", [b"", b"no json\n", b"[1]\n", b'{"cut": '])
def test_what_is_no_object_ends_the_link(sent: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    theirs.sendall(sent)
    theirs.close()
    link = Link.__new__(Link)
    link._socket, link._reader = ours, ours.makefile("rb")
    assert link.receive() is None
    ours.close()
