"""Which model gave an answer: the same for every copy of a model, another for one that would answer otherwise."""

import hashlib
import json
from dataclasses import dataclass

from facejobs.data.detection.detector_description import DetectionDescription
from facejobs.data.model_description import RecognitionDescription

# What describes a model's past, not its answers.
_HISTORY = {"backbone", "training", "metrics", "files", "loss", "thresholds"}


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """`name` is for people; `sha256`, 64 hexadecimal digits, is what two models are compared by."""

    name: str
    sha256: str


def identity_of(description: DetectionDescription | RecognitionDescription) -> ModelIdentity:
    """Return the identity of a described model.

    Its SHA-256 is that of the graphs' digests and of the fields of model.json that change what the model answers, as
    JSON with sorted keys; fields that have their default are left out, so that a new field changes no identity.
    """
    document = {
        "task": description.task,
        "graphs": [description.files[name].sha256 for name in description.graphs],
        "description": description.model_dump(mode="json", exclude=_HISTORY, exclude_defaults=True),
    }
    encoded = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    kind = description.detector if isinstance(description, DetectionDescription) else "recogniser"
    return ModelIdentity(f"{kind} {description.backbone}", hashlib.sha256(encoded).hexdigest())
