"""What a spec says to Slurm only, under `backends.slurm`, or by `-o name=value`."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from facejobs.jobs.backends.base import BackendOptions

# What sbatch takes as one word of a #SBATCH line: its own parser knows quotes, backslashes and comments.
_WORD = re.compile(r"[A-Za-z0-9_.,:;=+*/&|!@~^<>()\[\]{}?-]+", re.ASCII)
_OPTION = re.compile(r"--([a-z][a-z-]*)(?:=(.+))?", re.ASCII)
# Set by facejobs, from the spec or for its own ends; sbatch takes their beginnings for them too.
_OWN = (
    "account",
    "array",
    "batch",
    "begin",
    "chdir",
    "clusters",
    "comment",
    "constraint",
    "cpus-per-task",
    "error",
    "exclude",
    "export",
    "export-file",
    "get-user-env",
    "gpus-per-node",
    "gres",
    "help",
    "input",
    "job-name",
    "mem",
    "no-requeue",
    "nodelist",
    "nodes",
    "ntasks",
    "ntasks-per-node",
    "open-mode",
    "output",
    "parsable",
    "partition",
    "qos",
    "quiet",
    "requeue",
    "signal",
    "test-only",
    "time",
    "usage",
    "version",
    "wait",
    "wrap",
)


def is_word(text: str) -> bool:
    """Whether a text can stand in a #SBATCH line as it is."""
    return _WORD.fullmatch(text) is not None


def _word(text: str) -> str:
    if not is_word(text):
        raise ValueError("expected one word, without spaces, quotes, '#', '$' or '%'")
    return text


def _path(text: str) -> str:
    if not PurePosixPath(text).is_absolute() or any(ord(character) < 32 for character in text):
        raise ValueError("expected an absolute path")
    return text


def _log_folder(text: str) -> str:
    return _word(_path(text))


def _option(text: str) -> str:
    match = _OPTION.fullmatch(text)
    if match is None or (match[2] is not None and not is_word(match[2])):
        raise ValueError("expected --name or --name=value, without spaces, quotes, '#', '$' or '%'")
    own = next((name for name in _OWN if name.startswith(match[1])), None)
    if own is not None:
        raise ValueError(f"--{own} is set by facejobs: say it in the spec, or by an option of its own")
    return text


def _one_or_more(value: object) -> object:
    """One option is written without brackets, as on the command line."""
    return [value] if isinstance(value, str) else value


Word = Annotated[str, AfterValidator(_word)]
Path = Annotated[str, AfterValidator(_path)]


class SlurmOptions(BackendOptions):
    """Options of the backend `slurm`."""

    partition: Word | None = Field(None, description="partition; default: the cluster's")
    account: Word | None = Field(None, description="account that pays")
    qos: Word | None = Field(None, description="quality of service")
    constraint: Word | None = Field(None, description="features that nodes must have: a100&nvlink")
    nodelist: Word | None = Field(None, description="nodes that must be among those given")
    exclude: Word | None = Field(None, description="nodes that must not be among those given")
    gres: Word | None = Field(
        None,
        description="name of the generic resource by which GPUs are asked for, --gres=NAME; default: --gpus-per-node",
    )
    runner: Literal["none", "pyxis", "apptainer"] = Field(
        "none",
        description="what runs the image on the nodes: pyxis, apptainer, or none for the Python named by `python`",
    )
    python: Path | None = Field(
        None, description="Python with facejobs on every node, without an image; default: the one that submits"
    )
    scratch: Path = Field("/tmp", description="folder for the work of tasks, on each node's own disk")
    log_folder: Annotated[str, AfterValidator(_log_folder)] | None = Field(
        None,
        description="shared folder for Slurm's own output; default: `logs/` of the version in a store that is a "
        "directory, else the folder where the job is submitted",
    )
    signal_seconds: int = Field(
        120, ge=10, le=65535, description="seconds before the time limit at which the job is asked to save"
    )
    sbatch: Annotated[list[Annotated[str, AfterValidator(_option)]], BeforeValidator(_one_or_more)] = Field(
        default_factory=list, description="more options for sbatch: ['--exclusive', '--reservation=night']"
    )
