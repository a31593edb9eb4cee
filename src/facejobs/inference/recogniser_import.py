"""What can be told of a foreign embedder by running it."""

import numpy as np

from facejobs.data.errors import ModelError
from facejobs.data.model_description import ModelInput, ModelOutput
from facejobs.data.normalization import IMAGE_SIZE
from facejobs.inference.foreign_graph import ForeignGraph, noise, shapes
from facejobs.inference.import_choices import Findings, ImportChoices

_DEFAULT_MEAN = 127.5
_DEFAULT_SCALE = 1 / 127.5
_HARDLY_DIFFERENT = 0.995


def examine_recogniser(
    graph: ForeignGraph, choices: ImportChoices, findings: Findings
) -> tuple[ModelInput, ModelOutput]:
    """Return what model.json says of the tensors of an embedder of faces of 112 x 112 pixels.

    Raises ModelError where the graph takes faces of another size, or where its output is not one embedding a face.
    """
    if graph.height not in (IMAGE_SIZE, None) or graph.width not in (IMAGE_SIZE, None):
        raise ModelError(
            f"{graph.path} takes images of {graph.width or 'any'}x{graph.height or 'any'} pixels; faces are aligned to "
            f"{IMAGE_SIZE}x{IMAGE_SIZE}, and a recogniser of those can be imported"
        )
    name, size = _embedding(graph, choices, findings)
    batches = graph.takes_batches(name, IMAGE_SIZE, IMAGE_SIZE)
    findings.found(f"output {name}: an embedding of {size} values")
    findings.found(f"input {graph.input_name}: {'any number of faces' if batches else 'one face'} at a time")
    tensor = ModelInput(
        name=graph.input_name,
        height=IMAGE_SIZE,
        width=IMAGE_SIZE,
        batch=None if batches else 1,
        **choices.pixels(_DEFAULT_MEAN, _DEFAULT_SCALE, "RGB", findings),
    )
    return tensor, ModelOutput(name=name, embedding_size=size)


def _embedding(graph: ForeignGraph, choices: ImportChoices, findings: Findings) -> tuple[str, int]:
    """Name and length of the output that is an embedding."""
    wanted = choices.output
    one, other = (graph.run(image[None]) for image in noise(2, IMAGE_SIZE, IMAGE_SIZE))
    if wanted is not None and wanted not in one:
        raise ModelError(f"{graph.path} has no output {wanted}; it has {shapes(one)}")
    fitting = [
        name
        for name, value in one.items()
        if value.ndim == 2 and len(value) == 1 and value.shape[1] > 1 and value.dtype == np.float32
    ]
    if wanted is not None:
        fitting = [name for name in fitting if name == wanted]
    if len(fitting) != 1:
        reason = "none of them is float32 (1, embedding size)" if not fitting else "name the embedding with --output"
        raise ModelError(f"{graph.path} gives {shapes(one)} for one face: {reason}")
    (name,) = fitting
    if not np.isfinite(one[name]).all() or np.allclose(one[name], other[name], rtol=1e-5, atol=0):
        raise ModelError(
            f"{graph.path}: output {name} is {'the same' if np.isfinite(one[name]).all() else 'not finite'} for "
            "different images; that is no embedding"
        )
    similarity = np.sum(one[name] * other[name]) / (np.linalg.norm(one[name]) * np.linalg.norm(other[name]))
    if similarity > _HARDLY_DIFFERENT and choices.mean is None:
        findings.assume(
            f"that the graph does not subtract a mean itself; images of noise are so alike (cosine similarity "
            f"{similarity:.4f}) that it may: then give --mean 0 --scale 1"
        )
    return name, one[name].shape[1]
