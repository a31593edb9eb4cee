"""Changes of a spec from the command line, and the small grammars they use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_records import a_spec

from facejobs.jobs.errors import SpecError
from facejobs.jobs.overrides import apply_options, apply_overrides, option_values, parse_scalar
from facejobs.jobs.quantities import parse_duration, parse_memory
from facejobs.jobs.secrets import holds_credentials, looks_secret, place_of_secret
from facejobs.jobs.spec import parameter_text
from facejobs.jobs.version_record import BackendBlock

SPEC = a_spec(parameters={"lr": 0.1, "batch-size": 8, "gpus": "0", "margin_ramp": 0.5}, inputs={"data": "/d"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("-3", -3), ("0", 0), ("0.5", 0.5), (".5", 0.5), ("1e-3", 0.001), ("1E3", 1000.0),
        ("true", True), ("false", False), ("True", "True"), ("007", "007"), ("0,1", "0,1"), ("", ""),
        ("1e999", "1e999"), ("nan", "nan"), ("1_000", "1_000"), ("٣", "٣"), ("9" * 30, "9" * 30),
    ],
)  # fmt: skip
def test_scalars(text: str, value: object) -> None:
    found = parse_scalar(text)
    assert (found, type(found)) == (value, type(value))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**17), 10**17) | st.booleans())
def test_what_a_command_receives_means_the_same(value: float | bool) -> None:
    assert parse_scalar(parameter_text(value)) == value


def test_spellings_of_one_parameter() -> None:
    changed = apply_overrides(SPEC, ["batch_size=16", "--margin-ramp=0", "LR=0.2", "seed=3"]).parameters
    assert changed == {"lr": 0.2, "batch-size": 16, "gpus": "0", "margin_ramp": 0, "seed": 3}
    assert type(apply_overrides(SPEC, ["gpus=1"]).parameters["gpus"]) is str


@pytest.mark.parametrize("name", ["batch-sizes", "batchsize", "margin-ram", "gpu"])
def test_a_slip_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="did you mean"):
        apply_overrides(SPEC, [f"{name}=1"])


@pytest.mark.parametrize("name", ["momentum", "margin", "weight-decay", "seed", "max-steps"])
def test_another_parameter_is_added(name: str) -> None:
    assert apply_overrides(SPEC, [f"{name}=1"]).parameters[name] == 1


def test_inputs_and_environment() -> None:
    changed = apply_overrides(SPEC, inputs=["data=s3://b/x=y"], environment=["A=b=c", "E="])
    assert changed.inputs == {"data": "s3://b/x=y"}
    assert changed.environment == {"A": "b=c", "E": ""}


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("2h", 7200), ("1d", 86400), ("3600", 3600), ("5 s", 5)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("16GiB", 2**34), ("16Gi", 2**34), ("16GB", 16 * 10**9), ("500M", 5 * 10**8), ("1TiB", 2**40)]
)
def test_memory(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "0", "m", "-1m", "1.5h", "1h30m", "٣m", "1w", "9" * 30, "16", "16B", "GiB"])
def test_what_is_neither(text: str) -> None:
    for parse in (parse_memory, parse_duration):
        if parse is parse_duration and text == "16":
            continue
        with pytest.raises(ValueError, match="expected"):
            parse(text)


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "MLFLOW_TRACKING_PASSWORD", "GITHUB_TOKEN",
        "api-key", "apikey", "OPENAI_API_KEY", "db-password", "Client.Secret", "PRIVATE_KEY",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "TOKENIZERS_PARALLELISM",
        "max-tokens",
        "AWS_SHARED_CREDENTIALS_FILE",
        "OMP_NUM_THREADS",
        "key",
        "lr",
        "secretary",
    ],
)
def test_other_names(name: str) -> None:
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("s3://bucket/a@b", False), ("s3://key:secret@bucket/x", True), ("http://user@host", True),
        ("/home/a@b", False), ("http://host/?q=a@b", False),
    ],
)  # fmt: skip
def test_credentials_in_urls(url: str, holds: bool) -> None:
    assert holds_credentials(url) is holds


def test_options_of_a_backend_come_from_the_spec_its_parent_and_the_command_line() -> None:
    spec = a_spec(backends={"slurm": {"partition": "gpu", "account": "faces"}})
    sent = BackendBlock(name="slurm", options={"partition": "night"})
    assert apply_options(spec, "slurm") == {"partition": "gpu", "account": "faces"}
    assert apply_options(spec, "slurm", ["partition=debug"]) == {"partition": "debug", "account": "faces"}
    assert apply_options(spec, "slurm", ["signal_seconds=9"], sent) == {"partition": "night", "signal_seconds": 9}
    assert apply_options(spec, "slurm", parent=BackendBlock(name="local")) == spec.backends["slurm"]
    assert apply_options(spec, "local", parent=sent) == {}
    with pytest.raises(SpecError, match="write it as -o name=value"):
        apply_options(spec, "slurm", ["partition"])


@pytest.mark.parametrize(
    ("backend", "typed", "value"),
    [
        ("slurm", "account=0815", "0815"), ("slurm", "partition=7", "7"), ("slurm", "qos=1e3", "1e3"),
        ("slurm", "signal_seconds=300", 300), ("kubernetes", "namespace=123", "123"), ("kubernetes", "ttl=0", 0),
        ("kubernetes", "jobset=false", False), ("kubernetes", "image_pull_secrets=5", "5"),
        ("container", "user=1000", "1000"), ("modelarts", "flavor=8", "8"), ("moon", "phase=1", 1),
        ("slurm", "partiton=7", 7),
    ],
)  # fmt: skip
def test_an_option_that_is_text_stays_as_it_was_typed(backend: str, typed: str, value: object) -> None:
    (found,) = option_values(backend, [typed]).values()
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": {"b": ["x", "is hush-hush-1"]}}, "a.b.1"), ({"a": {"hush-hush-1": 1}}, "a.a name"),
        ({"a": "hush-hush", "b": 7, "c": None}, None), ({}, None),
    ],
)  # fmt: skip
def test_places_of_secrets(value: object, place: str | None) -> None:
    assert place_of_secret(value, ["short", "hush-hush-1"]) == place
    assert place_of_secret({"a": "short"}, ["short"]) is None


def test_an_option_with_a_password_is_refused() -> None:
    with pytest.raises(SpecError, match="-o proxy holds a user and a password") as refusal:
        option_values("slurm", ["proxy=http://ann:hidden@proxy.example.com"])
    assert "hidden" not in str(refusal.value)
