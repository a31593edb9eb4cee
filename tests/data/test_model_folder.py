"""model.json is checked against the files beside it."""

import contextlib
import errno
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facejobs.data.detection.detector_description import DetectionDescription
from facejobs.data.errors import ModelError
from facejobs.data.model_description import Metric, ModelInput, ModelOutput, OperatingPoint, RecognitionDescription
from facejobs.data.model_folder import describe_files, find_model_folder, load_description, write_description
from facejobs.errors import ExitCode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a model, and no description yet."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "engine.params").write_bytes(b"arrays")
    return tmp_path


def describe_detector(folder: Path, **changes: Any) -> DetectionDescription:
    fields: dict[str, Any] = {
        "detector": "retinaface",
        "input": {"name": "images", "multiple": 32},
        "outputs": {"scores": "scores", "boxes": "boxes", "landmarks": None},
        "anchors": {"strides": [8, 16], "sizes": [[16, 32], [64]], "variances": [0.1, 0.2]},
        "backbone": "mobilenet0.25",
        "score_threshold": 0.5,
        "nms_iou": 0.4,
        "files": describe_files(folder, ["model.onnx"]),
    }
    return DetectionDescription(**{**fields, **changes})


def describe(folder: Path) -> RecognitionDescription:
    return RecognitionDescription(
        input=ModelInput(name="data", height=112, width=112),
        output=ModelOutput(name="embedding", embedding_size=128),
        backbone="mobilefacenet",
        loss="cosface",
        training={"steps": 3, "nested": {"a": [1, 2]}},
        metrics=(Metric(name="verification_accuracy", value=0.9, protocol="p", interval=(0.8, 0.95)),),
        thresholds=(OperatingPoint(protocol="p", far=0.1, threshold=0.3, tar=0.8),),
        files=describe_files(folder, ["model.onnx", "engine.params"]),
    )


def test_what_is_written_is_loaded(folder: Path) -> None:
    description = describe(folder)
    written = write_description(folder, description)
    assert load_description(folder, RecognitionDescription) == description
    document = json.loads(written.read_text())
    assert document["input"] == {
        "name": "data", "height": 112, "width": 112, "channel_order": "RGB", "layout": "NCHW", "dtype": "float32",
        "mean": 127.5, "scale": 0.0078125, "batch": None,
    }  # fmt: skip
    assert document["files"]["model.onnx"]["bytes"] == 5
    assert sorted(path.name for path in folder.iterdir()) == ["engine.params", "model.json", "model.onnx"]


def test_a_detector_is_loaded_as_a_detector_only(folder: Path) -> None:
    description = describe_detector(folder)
    write_description(folder, description)
    assert load_description(folder, DetectionDescription) == description
    assert json.loads((folder / "model.json").read_text())["anchors"]["sizes"] == [[16, 32], [64]]
    with pytest.raises(ModelError, match="holds a detector, where a recogniser is needed"):
        load_description(folder, RecognitionDescription)
    write_description(folder, describe(folder))
    with pytest.raises(ModelError, match="holds a recogniser, where a detector is needed"):
        load_description(folder, DetectionDescription)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("anchors", "sizes"), [[16]], "2 strides, but sizes for 1"),
        (("anchors", "strides", 1), 64, "stride 64"),
        (("anchors", "sizes", 0), [], "anchors.sizes.0"),
        (("score_threshold",), 2, "score_threshold"),
        (("outputs", "landmarks"), "", "outputs.landmarks"),
        (("loss",), "cosface", "loss: Extra"),
        (("outputs", "classes"), 3, "outputs.classes: Input should be 1 or 2"),
        (("outputs", "scores"), ["s8"], "outputs.boxes: Input should be a valid array"),
        (("outputs",), {"scores": ["s"], "boxes": ["b"], "landmarks": None}, "and no other, has lists of outputs"),
        (("outputs",), "scores", "outputs: "),
        (("input", "mean"), [1, 2], "input.mean: "),
        (("input", "scale"), [1, 1, 0], "input.scale.2: Input should be greater than 0"),
        (("input", "batch"), 2, "input.batch"),
        (("input", "size"), [640, 650], "32 must divide both"),
        (("points",), {"strides": [8, 16], "per_cell": 2}, "either anchors or points or a cascade"),
        (("anchors",), None, "either anchors or points or a cascade"),
    ],
)
def test_a_wrong_field_of_a_detector_is_named(folder: Path, keys: tuple[Any, ...], value: Any, message: str) -> None:
    write_description(folder, describe_detector(folder))
    change(folder, *keys, value=value)
    with pytest.raises(ModelError, match="not a valid model description") as caught:
        load_description(folder, DetectionDescription)
    assert message in str(caught.value)


POINTS = {
    "detector": "scrfd",
    "anchors": None,
    "points": {"strides": [8, 16, 32], "per_cell": 2},
    "outputs": {"scores": ["a", "b", "c"], "boxes": ["d", "e", "f"], "landmarks": ["g", "h", "i"]},
}


def test_a_detector_of_points_is_loaded_as_it_was_written(folder: Path) -> None:
    description = describe_detector(folder, **POINTS)
    write_description(folder, description)
    assert load_description(folder, DetectionDescription) == description


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("outputs", "boxes"), ["d", "e"], "3 strides, but 2 outputs of a kind"),
        (("outputs", "landmarks", 1), "", "outputs.landmarks.1"),
        (("outputs",), {"scores": "s", "boxes": "b", "landmarks": None}, "and no other, has lists of outputs"),
        (("points", "per_cell"), 0, "points.per_cell"),
        (("points", "strides", 2), 64, "points have the stride 64"),
        (("points",), {"strides": [8]}, "points.per_cell: Field required"),
    ],
)
def test_a_wrong_field_of_a_detector_of_points_is_named(
    folder: Path, keys: tuple[Any, ...], value: Any, message: str
) -> None:
    write_description(folder, describe_detector(folder, **POINTS))
    change(folder, *keys, value=value)
    with pytest.raises(ModelError, match="not a valid model description") as caught:
        load_description(folder, DetectionDescription)
    assert message in str(caught.value)


def change(folder: Path, *keys: Any, value: Any) -> None:
    path = folder / "model.json"
    document = part = json.loads(path.read_text())
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("format_version",), 2, "format_version"),
        (("task",), "matting", "'task'"),
        (("input", "channel_order"), "HSV", "input.channel_order"),
        (("input", "height"), 0, "input.height"),
        (("input", "scale"), 0.0, "input.scale"),
        (("output", "embedding_size"), "many", "output.embedding_size"),
        (("backbones",), "r50", "backbones"),
        (("thresholds", 0, "far"), 1.5, "thresholds.0.far"),
        (("metrics", 0, "value"), float("nan"), "metrics.0.value"),
        (("files", "model.onnx", "sha256"), "abc", "files.model.onnx.sha256"),
        (("files", "../model.onnx"), {"sha256": "0" * 64, "bytes": 1}, "not the plain name"),
        (("files", "model.json"), {"sha256": "0" * 64, "bytes": 1}, "not the plain name"),
    ],
)
def test_a_wrong_field_is_named(folder: Path, keys: tuple[Any, ...], value: Any, message: str) -> None:
    write_description(folder, describe(folder))
    change(folder, *keys, value=value)
    with pytest.raises(ModelError, match="not a valid model description") as caught:
        load_description(folder, RecognitionDescription)
    assert message in str(caught.value)
    assert caught.value.exit_code == ExitCode.BAD_MODEL


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_what_is_no_description_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match="not a valid model description"):
        load_description(folder, RecognitionDescription)


def test_a_changed_file_is_named(folder: Path) -> None:
    write_description(folder, describe(folder))
    (folder / "engine.params").write_bytes(b"ARRAYS")
    with pytest.raises(ModelError, match=r"engine\.params has SHA-256 .* model\.json says"):
        load_description(folder, RecognitionDescription)
    (folder / "engine.params").write_bytes(b"arr")
    with pytest.raises(ModelError, match=r"engine\.params is 3 bytes long, model\.json says 6"):
        load_description(folder, RecognitionDescription)
    (folder / "engine.params").unlink()
    with pytest.raises(ModelError, match=r"engine\.params is missing"):
        load_description(folder, RecognitionDescription)


def test_an_unlisted_graph_is_refused(folder: Path) -> None:
    files = describe_files(folder, ["engine.params"])
    write_description(folder, describe(folder).model_copy(update={"files": files}))
    with pytest.raises(ModelError, match=r"does not list model\.onnx"):
        load_description(folder, RecognitionDescription)


def test_a_description_that_does_not_fit_is_not_written(folder: Path) -> None:
    write_description(folder, describe(folder))
    before = (folder / "model.json").read_bytes()
    description = describe(folder)
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"model\.onnx has SHA-256"):
        write_description(folder, description)
    assert (folder / "model.json").read_bytes() == before
    with pytest.raises(ModelError, match=r"absent is missing"):
        describe_files(folder, ["absent"])


def test_the_model_of_a_run_is_found(folder: Path) -> None:
    write_description(folder, describe(folder))
    assert find_model_folder(folder) == folder
    run = folder / "run"
    run.mkdir()
    with pytest.raises(ModelError, match=r"no model\.json in"):
        find_model_folder(run)
    (run / "model").mkdir()
    (run / "model" / "model.json").touch()
    assert find_model_folder(run) == run / "model"
    with pytest.raises(ModelError, match="does not exist"):
        find_model_folder(folder / "absent")


def test_wrong_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no model\.json"):
        load_description(tmp_path, RecognitionDescription)
    with pytest.raises(ModelError, match="is not a folder"):
        load_description(tmp_path / "absent", RecognitionDescription)


def test_a_model_that_may_not_be_read_is_a_bad_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(ModelError, match=f"{tmp_path}: permission denied; "):
        load_description(tmp_path, RecognitionDescription)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(document: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document where something else can be put."""
    keys = document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in keys:
        yield (*here, key)
        yield from places(document[key], (*here, key))


@settings(max_examples=50)
@given(st.data(), ANYTHING)
def test_any_document_is_a_description_or_a_model_error(data: st.DataObject, other: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(b"graph")
        write_description(folder, describe_detector(folder, **data.draw(st.sampled_from([{}, POINTS]))))
        document = json.loads((folder / "model.json").read_text())
        change(folder, *data.draw(st.sampled_from(list(places(document)))), value=other)
        with contextlib.suppress(ModelError):
            load_description(folder, DetectionDescription)


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | ANYTHING.map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_are_a_description_or_a_model_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "model.json").write_bytes(content)
        with pytest.raises(ModelError):
            load_description(Path(name), DetectionDescription)
