"""The training loop on a toy engine: it resumes exactly, evaluates when due, stops when asked and when it must."""

import json
import os
import signal

import numpy as np
import pytest

from facejobs.data.model_description import Metric
from facejobs.training.errors import DivergedError
from facejobs.training.loop import TrainingLoop, total_steps
from facejobs.training.parameters import Parameters
from facejobs.training.run_folder import RunFolder
from facejobs.training.schedules import Schedule


@pytest.fixture
def make_loop(tmp_path, toy_engine, toy_batches):
    """Builds a loop on a fresh toy engine into `tmp_path/name`, with scores for its evaluations."""

    def make(name: str = "out", scores=(), evaluated=None, nan_at=None, engine=None, **values):
        parameters = Parameters(**{"lr": 0.05, "warmup_steps": 3, "epochs": 4, "checkpoint_every": 5, **values})
        engine = engine or toy_engine(nan_at)
        folder = RunFolder(tmp_path / name, "toy", parameters, {"fingerprint": "f"})
        folder.path.mkdir(exist_ok=True)
        waiting = iter(scores)

        def evaluate(check_stop, progress):
            check_stop()
            if evaluated is not None:
                evaluated.append(1)
            return [
                Metric(name="toy_accuracy", value=score, protocol="toy")
                for score in [next(waiting, None)]
                if score is not None
            ]

        return TrainingLoop(
            engine, toy_batches, parameters, folder, evaluate, lambda batch: {"rows": len(batch.inputs)}
        )

    return make


def arrays_of(loop) -> dict[str, bytes]:
    checkpoint, _ = loop._folder.checkpoints.load_last()
    return {name: array.tobytes() for name, array in checkpoint.arrays.items()}


def test_steps_are_epochs_unless_max_steps_is_less() -> None:
    assert total_steps(Parameters(epochs=4), 7) == 28
    assert total_steps(Parameters(epochs=4, max_steps=9), 7) == 9


def test_an_interrupted_run_ends_bit_identical_to_one_that_was_not(make_loop, toy_engine, monkeypatch) -> None:
    whole = make_loop("whole")
    whole.run()
    step, calls = toy_engine.step, []

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == 13:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(toy_engine, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        make_loop("killed").run()
    resumed = make_loop("killed")
    result = resumed.run()
    assert result.step == 28
    assert len(calls) == 13 + (28 - 10)
    assert arrays_of(resumed) == arrays_of(whole)


def test_a_signal_saves_at_once_and_the_run_goes_on_to_the_same_end(make_loop, toy_engine, monkeypatch) -> None:
    whole = make_loop("whole")
    whole.run()
    step = toy_engine.step

    def signalled(self, batch, number, *arguments):
        if number == 11:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, number, *arguments)

    monkeypatch.setattr(toy_engine, "step", signalled)
    stopped = make_loop("stopped").run()
    assert (stopped.step, stopped.stopped_by_signal) == (12, True)
    monkeypatch.undo()
    resumed = make_loop("stopped")
    assert resumed.resume() == 12
    resumed.run()
    assert arrays_of(resumed) == arrays_of(whole)


def test_a_signal_during_an_evaluation_loses_nothing(make_loop) -> None:
    evaluated: list[int] = []
    loop = make_loop(scores=[0.1, 0.2, 0.3], evaluated=evaluated, eval_every=14)
    observe = loop._observe

    def signalled(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        observe(*arguments)

    loop._observe = signalled
    result = loop.run()
    assert (result.step, result.stopped_by_signal, evaluated) == (14, True, [])
    again = make_loop(scores=[0.1, 0.2, 0.3], evaluated=evaluated, eval_every=14)
    assert again.run().step == 28
    assert len(evaluated) == 2


def test_the_best_evaluation_decides_the_best_checkpoint(make_loop) -> None:
    loop = make_loop(scores=[0.5, 0.9, 0.7, 0.6], eval_every=7)
    loop.run()
    assert (loop.standing.best, loop.standing.best_step, loop._folder.checkpoints.best_step()) == (0.9, 14, 14)


def test_early_stop_waits_for_its_patience(make_loop) -> None:
    evaluated: list[int] = []
    loop = make_loop(scores=[0.5, 0.4, 0.4, 0.9], evaluated=evaluated, eval_every=7, early_stop=2)
    assert loop.run().step == 21
    assert len(evaluated) == 3


def test_without_eval_every_the_end_is_evaluated_once(make_loop) -> None:
    evaluated: list[int] = []
    make_loop(scores=[0.5], evaluated=evaluated).run()
    assert len(evaluated) == 1


def test_a_nan_stops_the_run_keeps_the_checkpoint_and_writes_what_is_needed(make_loop) -> None:
    loop = make_loop(nan_at=12)
    with pytest.raises(DivergedError, match=r"step 12: the loss is nan; the checkpoint of step 10 is kept"):
        loop.run()
    report = json.loads((loop._folder.path / "divergence.json").read_text())
    assert (report["step"], report["loss"], report["batch"]) == (12, "nan", {"rows": 8})
    assert report["last_good_checkpoint_step"] == 10
    assert report["lr"] == pytest.approx(Schedule(loop._parameters, 28).rate(12))
    assert set(report["gradient_norms"]) == {"weight"}
    checkpoint, _ = loop._folder.checkpoints.load_last()
    assert np.isfinite(checkpoint.arrays["weight"]).all()


def test_a_loss_that_explodes_stops_the_run(make_loop) -> None:
    with pytest.raises(DivergedError, match="more than 10 times its running mean"):
        make_loop(lr=1.0, epochs=30).run()


def test_the_journal_holds_each_step_once_across_a_resume(make_loop, toy_engine, monkeypatch) -> None:
    step, calls = toy_engine.step, []

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == 24:
            raise KeyboardInterrupt
        return step(self, *arguments)

    monkeypatch.setattr(toy_engine, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        make_loop(checkpoint_every=8).run()
    loop = make_loop(checkpoint_every=8)
    loop.run()
    lines = [json.loads(line) for line in loop._folder.journal.read_text().splitlines()]
    assert [line["step"] for line in lines if line["name"] == "loss"] == [10, 20, 28]
