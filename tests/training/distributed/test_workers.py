"""The first worker and the others: they meet, agree on what the first says, and notice who is lost or hangs."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from facejobs.storage.local import LocalStore
from facejobs.training.distributed import first_worker, other_worker
from facejobs.training.distributed.first_worker import FirstWorker
from facejobs.training.distributed.meeting import StoredMeeting
from facejobs.training.distributed.other_worker import OtherWorker
from facejobs.training.errors import WorkerLostError
from facejobs.training.stop_signal import StopRequestedError, StopSignal

# The end of the process, which here ends the thread that calls for it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asked_to_stop() -> StopSignal:
    stop = StopSignal()
    stop.requested = True
    return stop


def test_all_have_the_first_ones_address_and_port_and_the_announcement_is_gone(gathered, tmp_path) -> None:
    first, others = gathered(3)
    assert {other.engine_port for other in others} == {first.engine_port} != {0}
    assert {other.first_address for other in others} == {first.first_address}
    assert not (tmp_path / "store" / "rendezvous.json").exists()
    first.finish(0)


def test_shares_are_the_batch_in_order(gathered) -> None:
    first, others = gathered(3)
    assert [slot for worker in (first, *others) for slot in worker.share(12)] == list(range(12))
    first.finish(0)


def test_others_receive_what_the_first_says_in_order_and_end_with_its_code(gathered) -> None:
    first, (other,) = gathered()
    assert [first.broadcast(value) for value in ({"a": 0.1}, None)] == [{"a": 0.1}, None]
    assert [other.broadcast("ignored"), other.broadcast("ignored")] == [{"a": 0.1}, None]
    assert first.finish(75) == 75 == other.finish()


def test_a_stop_asked_of_another_worker_stops_all_after_the_same_step(gathered) -> None:
    first, (other,) = gathered()
    other.heed(asked_to_stop())
    first.before_step()
    other.before_step()
    assert (first.stops_after_step(), other.stops_after_step()) == (False, False)
    until(lambda: first._stop_wished)
    first.before_step()
    assert (first.stops_after_step(), other.stops_after_step()) == (True, True)
    first.finish(75)


def test_a_stop_asked_of_a_waiting_worker_ends_the_first_ones_evaluation(gathered) -> None:
    first, (other,) = gathered()
    other.heed(asked_to_stop())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(other.broadcast, None)
        with pytest.raises(StopRequestedError):
            until(lambda: first.check())
        first.broadcast_stop()
        with pytest.raises(StopRequestedError):
            waiting.result(timeout=5)
    first.finish(75)
    assert other.finish() == 75


def test_a_lost_worker_ends_all_and_is_named(gathered, left) -> None:
    _, others = gathered(3)
    others[0]._link.close()
    until(lambda: len(left) >= 3)
    ends = {who: (code, message) for who, code, message in left}
    assert ends["first"][0] == 12 and "worker 1 (" in ends["first"][1] and "its connection ended" in ends["first"][1]
    assert [code for _, code, _ in left] == [12] * len(left)


def test_the_first_worker_lost_ends_the_others(gathered, left) -> None:
    first, _ = gathered()
    first._needs_others = False
    first._members[1].link.close()
    until(lambda: left)
    assert left[0][:2] == ("other", 12) and "first worker" in left[0][2]


def test_a_silent_worker_is_lost(gathered, left, monkeypatch) -> None:
    monkeypatch.setattr(first_worker, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(first_worker, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(other_worker, "BEAT_SECONDS", 100.0)
    gathered()
    until(lambda: ("first", 12) in [end[:2] for end in left])
    assert "no sign of life" in next(message for who, _, message in left if who == "first")


def test_who_failed_decides_how_all_end(gathered, left) -> None:
    _, (other,) = gathered()
    other.fail(3, "record 7 is damaged")
    until(lambda: left)
    assert left[0][:2] == ("first", 3) and "worker 1 (" in left[0][2] and "record 7 is damaged" in left[0][2]


def test_an_error_of_the_first_is_told_to_the_others(gathered, left) -> None:
    first, _ = gathered()
    first.fail(8, "No space left on device")
    until(lambda: left)
    assert left[0][:2] == ("other", 8) and "worker 0 (" in left[0][2] and "No space left" in left[0][2]


def test_once_the_steps_are_made_a_lost_worker_is_no_loss(gathered, left) -> None:
    first, (other,) = gathered()
    first.release()
    other._ended.set()
    other._link.close()
    until(lambda: first._members[1].gone)
    assert first.finish(0) == 0 and left == []


def test_a_hang_names_who_stalls_and_ends_all(gathered, left, monkeypatch, capfd) -> None:
    monkeypatch.setattr(other_worker, "BEAT_SECONDS", 0.05)
    first, (other,) = gathered(hang_seconds=1.0)
    first.progressed()
    first.enter("exchanging", 7)
    other.enter("computing", 7)
    until(lambda: len(left) == 2)
    assert {code for _, code, _ in left} == {13}
    assert "worker 1 (" in left[0][2] and "stalled computing at step 7; worker 0" in left[0][2]
    assert "stacks of worker 0" in (said := capfd.readouterr().err) and "stacks of worker 1" in said


def test_who_does_not_come_is_named(tmp_path) -> None:
    place = StoredMeeting(LocalStore(tmp_path), ())
    with pytest.raises(WorkerLostError, match=r"number 1, 2 did not come within 0\.005 minutes"):
        FirstWorker(3, 0.3).gather(place)
    assert not (tmp_path / "rendezvous.json").exists()


def test_nobody_there_is_said_with_where_was_looked(tmp_path) -> None:
    with pytest.raises(
        WorkerLostError, match=r"did not find the first one .*rendezvous\.json \(nothing is there yet\)"
    ):
        OtherWorker(1, 2, 0.3).join(StoredMeeting(LocalStore(tmp_path), ()))


def test_what_an_earlier_attempt_announced_is_passed_over(gathered, tmp_path) -> None:
    stale = {"addresses": ["127.0.0.1"], "port": 9, "token": "old"}
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "rendezvous.json").write_text(json.dumps(stale))
    first, _ = gathered()
    first.finish(0)


@pytest.mark.parametrize(
    ("rank", "size", "said"),
    [(1, 3, "3 workers are said there, 2 here"), (2, 2, "there is no worker 2"), (0, 2, "there is no worker 0")],
)
def test_who_does_not_belong_is_refused_with_the_reason(tmp_path, left, rank: int, size: int, said: str) -> None:
    place = StoredMeeting(LocalStore(tmp_path), ())
    with ThreadPoolExecutor(1) as pool:
        gathering = pool.submit(FirstWorker(2, 2.0).gather, place)
        with pytest.raises(WorkerLostError, match=said):
            OtherWorker(rank, size, 1.5).join(place)
        with pytest.raises(WorkerLostError, match="number 1 did not come"):
            gathering.result()
