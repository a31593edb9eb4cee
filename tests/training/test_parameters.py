"""Training parameters: what users type, what they are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.training.errors import ParameterError
from facejobs.training.parameters import Parameters, option_name, parse_options, read_recipe
from facejobs.training.recognition_parameters import RecognitionParameters

TYPED_NAMES = [
    *("--backbone", "--loss", "--embedding-size", "--batch-size", "--epochs", "--max-steps", "--lr", "--schedule"),
    *("--warmup-steps", "--weight-decay", "--checkpoint-every", "--eval-every", "--eval-data", "--seed", "--threads"),
    *("--gpus", "--init"),
]


@pytest.mark.parametrize("name", TYPED_NAMES)
def test_the_names_users_type_exist(name: str) -> None:
    assert name in {option_name(field) for field in RecognitionParameters.model_fields}


def test_text_becomes_typed_values() -> None:
    parameters = RecognitionParameters.from_texts(
        {"lr": "0.05", "--batch-size": "32", "eval_data": "a,b", "mirror": "false"}
    )
    assert (parameters.lr, parameters.batch_size, parameters.eval_data, parameters.mirror) == (
        0.05,
        32,
        ("a", "b"),
        False,
    )


@pytest.mark.parametrize(
    ("typed", "meant"), [("--bakbone", "--backbone"), ("--learning-rate", "--lr"), ("--batchsize", "--batch-size")]
)
def test_a_misspelt_name_lists_the_nearest_ones(typed: str, meant: str) -> None:
    with pytest.raises(ParameterError, match=f"unknown parameter {typed}.*{meant}"):
        RecognitionParameters.from_texts({typed: "1"})


def test_a_name_like_no_other_lists_all_of_them() -> None:
    with pytest.raises(ParameterError, match="the parameters are: --batch-size"):
        Parameters.from_texts({"--qqqqqqqq": "1"})


@pytest.mark.parametrize(
    ("name", "value"), [("lr", "fast"), ("lr", "nan"), ("batch-size", "0"), ("schedule", "cosin"), ("momentum", "1")]
)
def test_a_bad_value_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ParameterError, match=f"--{name} '{value}'"):
        RecognitionParameters.from_texts({name: value})


def test_options_with_and_without_equals() -> None:
    assert parse_options(["--lr", "0.1", "--loss=arcface"]) == {"--lr": "0.1", "--loss": "arcface"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lr", "1"], "unexpected argument 'lr'"),
        (["--lr"], "--lr needs a value"),
        (["--lr", "--max-steps", "2"], "--lr needs a value"),
        (["--lr", "1", "--lr", "2"], "--lr is given twice"),
        (["--batch-size", "8", "--batch_size=4"], "--batch-size is given twice"),
    ],
)
def test_malformed_options_are_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        parse_options(arguments)


def test_two_spellings_of_one_parameter_are_refused(tmp_path) -> None:
    with pytest.raises(ParameterError, match="--batch-size is given twice"):
        Parameters.from_texts({"batch-size": 8, "batch_size": 4})
    recipe = tmp_path / "r.yaml"
    recipe.write_text("parameters: {batch-size: 8, batch_size: 8}\n")
    with pytest.raises(ParameterError, match=r"r\.yaml gives --batch-size twice"):
        read_recipe(recipe)


@pytest.mark.parametrize("steps", ["5,-1", "0.9,0.5", "0.5,0.5", "0,0.5", "0.5,1", "nan"])
def test_lr_steps_are_ascending_fractions_of_the_run(steps: str) -> None:
    with pytest.raises(ParameterError, match=f"--lr-steps '{steps.partition(',')[0]}"):
        Parameters.from_texts({"lr-steps": steps})


@pytest.mark.parametrize(
    ("name", "typed", "meant"), [("backbone", "mobilefacnet", "mobilefacenet"), ("schedule", "cosin", "cosine")]
)
def test_a_misspelt_choice_names_the_nearest(name: str, typed: str, meant: str) -> None:
    with pytest.raises(ParameterError, match=f"--{name} '{typed}'.*did you mean {meant}"):
        RecognitionParameters.from_texts({name: typed})


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_arguments_parse_or_are_refused(arguments: list[str]) -> None:
    try:
        RecognitionParameters.from_texts(parse_options(arguments))
    except ParameterError as error:
        assert str(error)


def test_what_may_change_on_resume_is_no_difference() -> None:
    first = RecognitionParameters(threads=1, gpus="", checkpoint_every=5)
    second = RecognitionParameters(threads=4, gpus="0", checkpoint_every=7)
    assert first.differences(second.as_json()) == []
    assert first.digest() == second.digest()


def test_differences_name_both_values() -> None:
    assert RecognitionParameters(lr=0.1).differences(RecognitionParameters(lr=0.2).as_json()) == [
        "--lr 0.2 there, 0.1 here"
    ]


def test_a_recipe_gives_its_parameters(tmp_path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: x\nparameters:\n  lr: 0.2\n  batch-size: 16\n")
    assert RecognitionParameters.from_texts(read_recipe(recipe)).lr == 0.2


@pytest.mark.parametrize("text", ["", "parameters: 3", "a: [", "parameters: {1: 2}"])
def test_a_recipe_without_parameters_is_refused(tmp_path, text: str) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(text)
    with pytest.raises(ParameterError, match=r"r\.yaml"):
        read_recipe(recipe)


def test_a_missing_recipe_is_refused(tmp_path) -> None:
    with pytest.raises(ParameterError, match="cannot read"):
        read_recipe(tmp_path / "none.yaml")


def test_verification_sets_may_lie_elsewhere_but_not_be_others() -> None:
    here, there = Parameters(eval_data=("/work/a/lfw", "/b/cfp.bin")), Parameters(eval_data=("/tmp/lfw", "/c/cfp.bin"))
    assert here.differences(there.as_json()) == [] and here.digest() == there.digest()
    other = Parameters(eval_data=("/work/a/lfw", "/b/agedb.bin"))
    assert [text.split()[0] for text in here.differences(other.as_json())] == ["--eval-data"]
    assert here.digest() != other.digest()


def test_initial_weights_may_lie_elsewhere_but_not_be_others() -> None:
    here, there = Parameters(init="/work/a.npz"), Parameters(init="/tmp/a.npz")
    assert here.differences(there.as_json()) == [] and here.digest() == there.digest()
    assert here.differences(Parameters(init="/work/b.npz").as_json()) and here.differences(Parameters().as_json())
