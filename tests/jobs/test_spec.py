"""Job specs: what they mean, and that every mistake is named with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.jobs.errors import SpecError
from facejobs.jobs.spec import JobSpec, load_spec
from facejobs.jobs.spec_file import validate_spec
from facejobs.jobs.yaml_document import parse_yaml

REPOSITORY = Path(__file__).parents[2]
WHOLE = """\
name: faces
description: a test
command: sh run.sh 'two words'
inputs:
  data: s3://bucket/faces
  more: here
outputs:
  model:
parameters:
  lr: 0.001
  batch-size: 32
  mirror: true
  lr-steps: '0.5,0.9'
resources:
  gpus: 1
  memory: 16GiB
retries: 2
time_limit: 90m
environment:
  OMP_NUM_THREADS: 2
secrets: [TOKEN]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    return path


def error_of(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        document = parse_yaml(text, "spec.yaml")
        assert isinstance(document.value, dict)
        validate_spec(document.value, document)
    return str(caught.value)


def test_whole_spec(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, WHOLE))
    assert spec.resources.memory == 16 * 2**30
    assert spec.time_limit == 5400
    assert spec.environment == {"OMP_NUM_THREADS": "2"}
    assert (spec.output, spec.output_url) == ("model", None)
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


def test_command_line_appends_paths_then_parameters(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, WHOLE))
    words = spec.command_line({"data": "/in/a b", "more": "/m"}, {"model": "/out"})
    assert words[:6] == ["sh", "run.sh", "two words", "/in/a b", "/m", "/out"]
    assert words[6:] == ["--lr", "0.001", "--batch-size", "32", "--mirror", "true", "--lr-steps", "0.5,0.9"]


def test_placeholders_take_the_place_of_appended_paths() -> None:
    spec = validate_spec(
        {
            "name": "a",
            "command": "run --in={inputs.data} -o {outputs.model} '{}' ${HOME}",
            "inputs": {"data": "x"},
            "outputs": {"model": None},
        }
    )
    words = spec.command_line({"data": "/in/{outputs.model} b"}, {"model": "/out"})
    assert words == ["run", "--in=/in/{outputs.model} b", "-o", "/out", "{}", "${HOME}"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("run {inputs.dat} {outputs.model}", "{inputs.dat} is not in the spec; there are inputs.data, outputs.model"),
        ("run {inputs.data}", "none for outputs.model"),
        ("run 'unclosed", "no closing quotation"),
        ("'' ", None),
    ],
)
def test_command_mistakes(command: str, said: str | None) -> None:
    values = {"name": "a", "command": command, "inputs": {"data": "x"}, "outputs": {"model": None}}
    if said is None:
        assert validate_spec(values).command_line({"data": "d"}, {"model": "m"}) == ["", "d", "m"]
        return
    with pytest.raises(SpecError) as caught:
        validate_spec(values)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("parameters:", "paramters:", "spec.yaml:9: unknown key 'paramters': did you mean parameters?"),
        ("  gpus: 1", "  gpu: 1", "spec.yaml:15: unknown key 'gpu' in resources: did you mean gpus?"),
        ("retries: 2", "retires: 2", "spec.yaml:17: unknown key 'retires': did you mean retries?"),
        ("retries: 2", "Time-Limit: 2h", "spec.yaml:17: unknown key 'Time-Limit': did you mean time_limit?"),
        ("  gpus: 1", "  gpus: one", "spec.yaml:15: resources.gpus: expected a whole number, found 'one'"),
        ("  gpus: 1", "  gpus: 1.0", "spec.yaml:15: resources.gpus: expected a whole number, found 1.0"),
        ("  gpus: 1", "  gpus: yes", "spec.yaml:15: resources.gpus: expected a whole number, found True"),
        ("memory: 16GiB", "memory: much", "spec.yaml:16: resources.memory: expected an amount of memory"),
        ("90m", "soon", "spec.yaml:18: time_limit: expected a duration such as 90m"),
        ("90m", "0", "spec.yaml:18: time_limit:"),
        ("90m", "999999999d", "spec.yaml:18: time_limit: input should be less than or equal to 3153600000"),
        ("memory: 16GiB", "memory: 999999999TiB", "spec.yaml:16: resources.memory: input should be less than"),
        ("  lr: 0.001", "  lr: [0.1, 0.2]", "spec.yaml:10: parameters.lr: expected text, a number, true or false"),
        ("  lr: 0.001", "  lr:", "spec.yaml:10: parameters.lr: expected text, a number, true or false; leave"),
        ("  lr: 0.001", "  lr: .nan", "spec.yaml:10: parameters.lr: expected a finite number"),
        ("  lr: 0.001", "  api-token: x", "api-token looks like a secret"),
        ("  model:\n", "  model:\n  other:\n", "outputs: expected exactly one output, found 2"),
        ("name: faces", "name: faces/1", "spec.yaml:1: name: expected 1 to 64 letters"),
        ("name: faces", "name: " + 65 * "x", "spec.yaml:1: name: expected 1 to 64 letters"),
        ("name: faces", "name: 7", "spec.yaml:1: name: expected text; put it in quotes, found 7"),
        ("name: faces\n", "", "name is missing"),
        ("retries: 2", "name: again", "spec.yaml:17: 'name' is given twice (first on line 1)"),
        ("  gpus: 1", "  gpus: 1\n  gpus: 2", "spec.yaml:16: 'gpus' is given twice (first on line 15)"),
        ("  OMP_NUM_THREADS: 2", "  TOKEN2: yes", "spec.yaml:20: environment.TOKEN2: expected text; put it in quotes"),
        ("  OMP_NUM_THREADS: 2", "  TOKEN: x", "put its name into 'secrets'"),
        ("  OMP_NUM_THREADS: 2", "  AWS_SECRET_ACCESS_KEY: x", "AWS_SECRET_ACCESS_KEY looks like a secret"),
        ("  OMP_NUM_THREADS: 2", "  PROXY: http://a:b@host/", "PROXY looks like a secret"),
        ("  OMP_NUM_THREADS: 2", "  DLS_JOB_ID: x", "DLS_JOB_ID is set by facejobs itself"),
        ("secrets: [TOKEN]", "secrets: [OMP_NUM_THREADS]", "in 'environment' and in 'secrets'"),
        ("secrets: [TOKEN]", "secrets: TOKEN", "spec.yaml:21: secrets: expected a list, found 'TOKEN'"),
        ("s3://bucket/faces", "s3://key:secret@bucket/faces", "data holds credentials"),
        ("  lr: 0.001", "  url: http://me:pw@host/", "url holds credentials"),
        ("  lr: 0.001", "  url: --proxy=http://me:pw@host/", "url holds credentials"),
        ("command: ", "command: curl 'x http://me:pw@host/' ", "it holds credentials"),
        ("name: faces", "name: -faces", "spec.yaml:1: name: expected 1 to 64 letters"),
        ("inputs:\n", "inputs: !!python/object:os.system\n", "spec.yaml:4"),
        ("retries: 2", "retries: *nowhere", "spec.yaml:17: not YAML"),
        ("retries: 2", "\tretries: 2", "spec.yaml:17: not YAML"),
    ],
)
def test_mistakes_are_named_with_their_line(before: str, after: str, said: str) -> None:
    assert before in WHOLE
    assert said in error_of(WHOLE.replace(before, after, 1))


def test_several_mistakes_are_told_at_once() -> None:
    said = error_of("name: a b\ncommand: x\noutput: {model: }\n")
    assert [line.split(": ")[1] for line in said.splitlines()] == ["name", "outputs is missing", "unknown key 'output'"]


@pytest.mark.parametrize(
    "content", [b"", b"# nothing\n", b"\xff\xfe", b"- a list\n", b"a: " + b"[" * 3000, b"x" * 2**21]
)
def test_files_that_are_no_spec(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"spec\.yaml"):
        load_spec(path)


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        load_spec(tmp_path / "absent.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path)


def test_aliases_that_multiply_are_bounded() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join(9 * [f'*a{n - 1}'])}]" for n in range(1, 12))]
    assert "too large" in error_of("\n".join(lines))
    assert "nested too deeply" in error_of("a: &a {b: *a}")


def test_resolved_paths_mean_the_same_anywhere(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, WHOLE)).resolved(tmp_path)
    assert spec.inputs == {"data": "s3://bucket/faces", "more": str(tmp_path / "here")}
    assert spec.resolved(Path("/")) == spec


def test_with_parameters() -> None:
    spec = validate_spec({"name": "a", "command": "b", "outputs": {"m": None}, "parameters": {"lr": 1}})
    assert spec.changed(parameters={**spec.parameters, "lr": 0.5, "seed": 2}).parameters == {"lr": 0.5, "seed": 2}
    assert spec.parameters == {"lr": 1}
    with pytest.raises(SpecError, match="finite"):
        spec.changed(parameters={**spec.parameters, "lr": float("inf")})


@pytest.mark.parametrize("name", ["face-recognition.yaml", "quickstart.yaml", "face-detection.yaml"])
def test_shipped_specs_are_valid_and_recipes(name: str) -> None:
    from facejobs.training.detection_parameters import DetectionParameters
    from facejobs.training.parameters import read_recipe
    from facejobs.training.recognition_parameters import RecognitionParameters

    path = REPOSITORY / "jobs" / name
    parameters = DetectionParameters if name == "face-detection.yaml" else RecognitionParameters
    spec = load_spec(path)
    assert spec.name == path.stem
    parameters.from_texts(read_recipe(path))
    parameters.from_texts({name: str(value) for name, value in spec.parameters.items()})


@given(st.text(max_size=200))
def test_any_text_is_a_spec_or_a_spec_error(text: str) -> None:
    try:
        document = parse_yaml(text, "s")
        validate_spec(document.value if isinstance(document.value, dict) else {}, document)
    except SpecError:
        pass


_KEYS = st.sampled_from([*JobSpec.model_fields, "gpus", "memory", "data", "<<", "x"])
_WORDS = "1 1.5 true ~ text '' 0x1g 1:60 190:20:30 1e999 .inf 2001-99-99 * & ? | > % 08 0b2 _ - [] {} ="
_ODD = [
    "",
    "\ud800",
    "\x00",
    "\x85",
    "!!int ''",
    "!!int x",
    "!!bool x",
    "!!float",
    "!!map 1",
    "!!set {a}",
    "!x",
    "9" * 5000,
]
_SCALARS = st.sampled_from([*_WORDS.split(), *_ODD])


@given(
    st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.dictionaries(_KEYS, inner, max_size=4).map(
                lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
            ),
            st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        ),
        max_leaves=12,
    )
)
def test_any_yaml_is_a_spec_or_a_spec_error(text: str) -> None:
    try:
        document = parse_yaml(text, "s")
        validate_spec(document.value if isinstance(document.value, dict) else {}, document)
    except SpecError:
        pass


@given(st.binary(max_size=100))
def test_any_bytes_are_a_spec_or_a_spec_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError):
        load_spec(path)


def test_a_misspelt_backend_names_the_right_one() -> None:
    with pytest.raises(SpecError, match="'slrum' is no backend: did you mean slurm"):
        validate_spec(
            {"name": "x", "command": "true", "outputs": {"model": None}, "backends": {"slrum": {"partition": "gpu"}}}
        )


def test_credentials_in_backend_options_are_refused() -> None:
    with pytest.raises(SpecError, match="holds credentials"):
        validate_spec(
            {
                "name": "x",
                "command": "true",
                "outputs": {"model": None},
                "backends": {"container": {"extra": ["--env=x", "s3://key:secret@host/x"]}},
            }
        )


@pytest.mark.parametrize(
    "image",
    [
        "--privileged",
        "$(touch /tmp/x)",
        "https://registry.example.com/a",
        "Faces",
        "registry.example.com/faces:1 2",
        "faces@sha256:1",
    ],
)
def test_what_is_no_name_of_an_image_is_refused(image: str) -> None:
    with pytest.raises(SpecError, match="is no name of an image"):
        validate_spec({"name": "x", "command": "true", "outputs": {"model": None}, "image": image})
