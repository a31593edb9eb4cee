"""The bootstrap of a detection as a file: what two detectors are compared with, draw by draw."""

from io import BytesIO
from pathlib import Path

import numpy as np

from facejobs.evaluation.detection import DetectionResult


def write_resamples(result: DetectionResult, path: Path, prefix: str = "") -> None:
    """Write `path`, an .npz file, atomically, making its folder; docs/reference/file-formats.md has the format.

    `prefix` is what the names of its metrics begin with in the journal. Where two files have an average precision of
    one protocol, the same photographs were drawn for both. Raises OSError on a full disk.
    """
    # In memory first: on a full disk zipfile would print what it cannot close.
    content = BytesIO()
    np.savez_compressed(
        content,
        set=np.array(result.name),
        photographs=np.array(result.images),
        names=np.array([measured.name for measured in result.precisions], str),
        metrics=np.array([f"{prefix}ap_{measured.name}_{result.scale}" for measured in result.precisions], str),
        protocols=np.array([measured.protocol for measured in result.precisions], str),
        values=np.array([measured.value for measured in result.precisions], np.float64),
        **{measured.name: measured.resampled for measured in result.precisions},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content.getbuffer())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
