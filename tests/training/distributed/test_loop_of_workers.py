"""The training loop of two workers: the same steps, the same standing, and one place that writes."""

from contextlib import contextmanager
from threading import Barrier, Thread

import pytest

from facejobs.data.model_description import Metric
from facejobs.training import loop as module
from facejobs.training.errors import DivergedError
from facejobs.training.loop import TrainingLoop
from facejobs.training.parameters import Parameters
from facejobs.training.run_folder import RunFolder
from facejobs.training.stop_signal import StopSignal

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Pair:
    """Two workers' loops around toy engines that wait for each other in every step, as in an exchange."""

    def __init__(self, gathered, toy_engine, toy_batches, folder, scores=(), nan_at=None, **values) -> None:
        self.first, (self.other,) = gathered()
        meeting, engines = Barrier(2, timeout=20), []

        class Engine(toy_engine):
            def step(self, *arguments):
                meeting.wait()
                return super().step(*arguments)

            def share_state(self) -> None:
                meeting.wait()
                self.load_state(engines[0].state())
                meeting.wait()

        engines += [Engine(nan_at), Engine(nan_at)]
        self.engines = engines
        parameters = Parameters(**{"lr": 0.05, "warmup_steps": 3, "epochs": 4, "checkpoint_every": 5, **values})
        self.folder = RunFolder(folder, "toy", parameters, {"fingerprint": "f"})
        self.folder.path.mkdir(exist_ok=True)
        waiting = iter(scores)

        def evaluate(check_stop, progress):
            check_stop()
            return [
                Metric(name="toy_accuracy", value=score, protocol="toy")
                for score in [next(waiting, None)]
                if score is not None
            ]

        self.loops = [
            TrainingLoop(engine, toy_batches, parameters, place, evaluate, lambda batch: {}, group)
            for engine, place, group in zip(engines, (self.folder, None), (self.first, self.other), strict=True)
        ]

    def run(self) -> list:
        """What both loops return; an exception of the first is raised."""
        results: list = [None, None]

        def run_other() -> None:
            results[1] = self.loops[1].run()

        thread = Thread(target=run_other, daemon=True)
        thread.start()
        results[0] = self.loops[0].run()
        thread.join(20)
        self.first.finish(0)
        return results


@pytest.fixture
def pair(gathered, toy_engine, toy_batches, tmp_path, monkeypatch):
    """Makes pairs that go on in one folder. Threads cannot take signals, so each loop gets a wish to stop to set."""
    wishes: list[StopSignal] = []

    @contextmanager
    def wish():
        wishes.append(StopSignal())
        yield wishes[-1]

    monkeypatch.setattr(module, "StopSignal", wish)

    def make(**values) -> Pair:
        made = Pair(gathered, toy_engine, toy_batches, tmp_path / "out", **values)
        made.wishes = wishes
        return made

    return make


def test_both_make_the_same_steps_and_know_how_they_stand(pair) -> None:
    workers = pair(scores=[0.5, 0.9, 0.7, 0.6], eval_every=7, early_stop=2)
    results = workers.run()
    assert [result.step for result in results] == [28, 28]
    assert workers.loops[0].standing == workers.loops[1].standing
    assert (workers.loops[1].standing.best, workers.loops[1].standing.best_step) == (0.9, 14)
    assert workers.engines[0].weight.tobytes() == workers.engines[1].weight.tobytes()


def test_an_early_stop_is_everybodys(pair) -> None:
    workers = pair(scores=[0.5, 0.4, 0.4, 0.9], eval_every=7, early_stop=2)
    assert [result.step for result in workers.run()] == [21, 21]


def test_the_rate_falls_for_all_when_an_evaluation_says_so(pair) -> None:
    workers = pair(scores=[0.5, 0.4, 0.3], eval_every=7, schedule="plateau", plateau_patience=1)
    workers.run()
    rates = [loop._schedule.rate(27) for loop in workers.loops]
    assert rates[0] == rates[1] < 0.05


def test_the_second_goes_on_with_what_the_first_has_saved(pair) -> None:
    stopped = pair()
    step = stopped.engines[0].step

    def asked(batch, number, *arguments):
        if number == 11:
            for wish in stopped.wishes:
                wish.requested = True
        return step(batch, number, *arguments)

    stopped.engines[0].step = asked
    assert [(result.step, result.stopped_by_signal) for result in stopped.run()] == [(13, True), (13, True)]
    again = pair()
    assert [result.step for result in again.run()] == [28, 28]
    assert again.engines[0].weight.tobytes() == again.engines[1].weight.tobytes()


def test_a_divergence_is_written_by_the_first_which_ends_the_other(pair, left) -> None:
    workers = pair(nan_at=6)
    with pytest.raises(DivergedError, match="step 6") as raised:
        workers.run()
    workers.first.fail(raised.value.exit_code, str(raised.value))
    assert workers.folder.divergence_report.is_file()
    workers.other._ended.wait(10)
    (end,) = left
    assert end[:2] == ("other", 5) and "training diverged at step 6" in end[2]
