"""The words that name who stalls."""

from facejobs.training.distributed.hang_report import Whereabouts, name_the_stalled


def test_the_one_outside_the_exchange_stalls_and_the_others_wait() -> None:
    said = name_the_stalled(
        [
            Whereabouts(0, "a", "exchanging", 5, True),
            Whereabouts(1, "b", "computing", 5, True),
            Whereabouts(2, "c", "waiting", 5, True),
        ]
    )
    assert said == "worker 1 (b) stalled computing at step 5; worker 0 (a), worker 2 (c) wait for that"


def test_one_that_does_not_answer_is_named_as_such() -> None:
    said = name_the_stalled(
        [Whereabouts(0, "a", "exchanging", 5, True), Whereabouts(1, "b", "exchanging", 4, answers=False)]
    )
    assert said.startswith("worker 1 (b) does not answer at all, last heard exchanging at step 4; worker 0 (a) waits")


def test_where_all_wait_it_is_none_of_them() -> None:
    said = name_the_stalled([Whereabouts(rank, "a", "exchanging", 3, True) for rank in (0, 1)])
    assert said == "all workers wait in the exchange of step 3: a server or the network stalls"
