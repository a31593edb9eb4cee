"""The metrics journal survives kills and forgets what will be made again."""

import json

from facejobs.training.journal import Journal


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_carry_step_epoch_name_value_and_time(tmp_path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path, 0)
    journal.write(10, 1, {"loss": 2.5, "lr": 0.1}, protocol="p")
    assert [(line["step"], line["epoch"], line["name"], line["value"], line["protocol"]) for line in lines(path)] == [
        (10, 1, "loss", 2.5, "p"),
        (10, 1, "lr", 0.1, "p"),
    ]
    journal.close()


def test_resuming_drops_later_steps_and_a_line_cut_short(tmp_path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path, 0)
    for step in (10, 20, 30):
        journal.write(step, 0, {"loss": 1.0})
    journal.close()
    with path.open("a") as file:
        file.write('{"step": 1')
    Journal(path, 20).close()
    assert [line["step"] for line in lines(path)] == [10, 20]
