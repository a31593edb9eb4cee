"""Parameters of detection training: what is refused, and that they agree with what they are handed to."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facejobs.cli.parameter_help import parameter_rows
from facejobs.data.detection.matching import MatchingRule
from facejobs.data.detection.photo_augmentation import PhotoAugmentation
from facejobs.training.detection_parameters import LAYOUT, DetectionParameters
from facejobs.training.errors import ParameterError
from facejobs.training.parameters import read_recipe


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"image-sizes": "500"}, "--image-sizes '500'.*multiples of 32"),
        ({"image-sizes": ""}, "--image-sizes.*multiples of 32"),
        ({"image-sizes": "320000"}, "--image-sizes.*multiples of 32"),
        ({"crop-scales": "0.3,nan"}, "--crop-scales 'nan'"),
        ({"crop-scales": "0"}, "--crop-scales '0'"),
        ({"eval-scale": "short"}, "--eval-scale 'short'.*short-640"),
        ({"negative-iou": "0.5"}, "^--negative-iou is above --positive-iou"),
        ({"best-iou": "0.5"}, "^--best-iou is above --positive-iou"),
        ({"backbone": "mobilenet_0.25"}, "did you mean mobilenet0.25"),
        ({"detector": "retinanet"}, "did you mean retinaface"),
        ({"embedding-size": "2"}, "unknown parameter --embedding-size"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(values: dict[str, str], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        DetectionParameters.from_texts(values)


def test_one_number_in_a_recipe_is_a_list_of_one(tmp_path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("parameters: {image-sizes: 512, crop-scales: [0.5, 1], lr-steps: '0.2,0.4'}")
    parameters = DetectionParameters.from_texts(read_recipe(recipe))
    assert (parameters.image_sizes, parameters.crop_scales, parameters.lr_steps) == ((512,), (0.5, 1.0), (0.2, 0.4))


def test_photographs_are_shown_whole_without_crop_scales() -> None:
    assert DetectionParameters.from_texts({"crop-scales": ""}).crop_scales == ()


@given(
    positive=st.floats(0.01, 0.99), negative=st.floats(0.01, 0.99), best=st.floats(0.01, 0.99),
    size=st.integers(-64, 5000), scale=st.floats(allow_nan=False),
)  # fmt: skip
def test_what_is_accepted_can_be_trained(positive, negative, best, size, scale) -> None:
    values = {"positive_iou": positive, "negative_iou": negative, "best_iou": best, "image_sizes": [size]}
    try:
        parameters = DetectionParameters.from_texts({**values, "crop_scales": [scale]})
    except ParameterError:
        return
    MatchingRule(parameters.positive_iou, parameters.negative_iou, parameters.best_iou)
    PhotoAugmentation(crop_scales=parameters.crop_scales)
    assert LAYOUT.count(size, size)


def test_defaults_are_those_of_what_they_are_handed_to() -> None:
    parameters = DetectionParameters()
    for kind in (MatchingRule, PhotoAugmentation):
        for name, field in inspect.signature(kind).parameters.items():
            assert getattr(parameters, name) == field.default, name


def test_the_help_describes_what_differs_from_other_tasks() -> None:
    rows = dict(parameter_rows(DetectionParameters))
    assert rows["--backbone"].endswith("[mobilenet0.25, mobilenet_v2, resnet50; default: mobilenet0.25]")
    assert rows["--image-sizes"].endswith("[default: 640]")
    assert "val" in rows["--eval-data"]
