"""Options of the backend slurm: nothing gets into the directives that sbatch would read in another way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.jobs.backends.options import read_options
from facejobs.jobs.backends.slurm_options import SlurmOptions, is_word
from facejobs.jobs.errors import SpecError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"partition": "gpu\n#SBATCH --uid=0"}, "backends.slurm.partition: expected one word"),
        ({"account": "a b"}, "one word"),
        ({"qos": "$(id)"}, "one word"),
        ({"constraint": "a#b"}, "one word"),
        ({"exclude": ""}, "one word"),
        ({"scratch": "tmp"}, "absolute path"),
        ({"python": "/a\nb"}, "absolute path"),
        ({"log_folder": "/logs/%j"}, "one word"),
        ({"runner": "docker"}, "'none', 'pyxis' or 'apptainer'"),
        ({"signal_seconds": 0}, "greater than or equal to 10"),
        ({"partitions": "gpu"}, "did you mean partition"),
        ({"sbatch": ["-p", "gpu"]}, "expected --name or --name=value"),
        ({"sbatch": ["--mail-user=a b"]}, "expected --name or --name=value"),
        ({"sbatch": ["--partition=gpu"]}, "--partition is set by facejobs"),
        ({"sbatch": ["--part=gpu"]}, "--partition is set by facejobs"),
        ({"sbatch": ["--wrap=id"]}, "--wrap is set by facejobs"),
    ],
)
def test_what_sbatch_would_misread_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        read_options(SlurmOptions, "slurm", options)


def test_usual_options_are_taken() -> None:
    options = {
        "partition": "gpu,gpu-long",
        "constraint": "[rack1*2&rack2*4]",
        "nodelist": "node[01-04,07]",
        "sbatch": ["--exclusive", "--reservation=night", "--mail-type=END", "--mem-per-gpu=8G"],
    }
    assert read_options(SlurmOptions, "slurm", options).model_dump(exclude_defaults=True) == options


def test_one_option_of_sbatch_needs_no_brackets() -> None:
    assert read_options(SlurmOptions, "slurm", {"sbatch": "--exclusive"}).sbatch == ["--exclusive"]


@given(st.text())
def test_a_word_holds_nothing_that_ends_it(text: str) -> None:
    if is_word(text):
        assert text and not re.search(r"[\s\"'\\#$%`]", text) and text.isascii()
