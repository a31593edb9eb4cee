"""The help page of training says what each parameter takes, as the parameter classes define it."""

import pytest

from facejobs.cli.parameter_help import parameter_rows
from facejobs.training.recognition_parameters import RecognitionParameters

ROWS = dict(parameter_rows(RecognitionParameters))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("--batch-size", "[x>=2; default: 64]"),
        ("--lr", "[x>0; default: 0.1]"),
        ("--lr-decay", "[0<x<1; default: 0.1]"),
        ("--threads", "[1<=x<=64; default: 2]"),
        ("--margin", "[0<=x<1.5; default: none]"),
        ("--optimizer", "[sgd, adam; default: sgd]"),
        ("--mirror", "[true, false; default: true]"),
        ("--lr-steps", "[default: 0.55,0.9]"),
    ],
)
def test_values_ranges_and_defaults_are_shown(name: str, facts: str) -> None:
    assert ROWS[name].endswith(f" {facts}")


def test_every_parameter_has_a_row_and_backbones_their_names() -> None:
    assert len(ROWS) == len(RecognitionParameters.model_fields)
    assert "iresnet50, mobilefacenet, mobilenet_v2" in ROWS["--backbone"]
