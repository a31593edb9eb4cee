"""Publishes the model of a finished run: all of it, proven, or nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

from facejobs.data.model_folder import ModelDescription, write_description
from facejobs.training.run_folder import RunFolder


def publish_model(
    folder: RunFolder, export: Callable[[Path], None], describe: Callable[[Path], ModelDescription]
) -> None:
    """Let `export` write the files of a model, `describe` them, and rename the whole into place."""
    temporary = folder.path / ".model-writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        export(temporary)
        write_description(temporary, describe(temporary))
        temporary.rename(folder.model)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
