"""Tells a user who names the data of another task which command they are for."""

from pathlib import Path
from typing import Literal

from facejobs.data.check.kind import kind_of_data
from facejobs.data.errors import DataError

_TRAINS = {"records": ("face records", "recognition"), "photographs": ("labelled photographs", "detection")}


def refuse_other_kind(data: Path, wanted: Literal["records", "photographs"]) -> None:
    """Raise DataError, naming the right command, where `data` holds the other kind, and where it is no folder."""
    try:
        found = kind_of_data(data)
    except DataError:
        if not data.is_dir():
            raise
        return  # what holds neither is refused by what opens it
    if found != wanted:
        what, task = _TRAINS[found]
        raise DataError(f"{data} holds {what}: train on them with `facejobs train {task} {data} OUTPUT`")
