"""Reads what the ModelArts V1 API says of training jobs: the saved answers of its lists and of its details.

Three answers are understood, alone or in a list: one version (`GET …/versions/{version_id}`), the versions of a job
(`GET …/versions`), and the jobs of a project (`GET …/training-jobs`), which only names them.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from facejobs.errors import ExitCode
from facejobs.jobs.errors import JobError

_LARGEST_FILE = 256 << 20
# In milliseconds: the year 3000, and thirty years.
_LATEST, _LONGEST = 32_503_680_000_000, 946_080_000_000
_OF_THE_JOB = ("job_id", "job_name", "job_desc")
# What a job says of its versions, beside each of them.
_COUNT = "version_count"
_COUNT_OF_JOB = "versions_of_the_job"


class ExportError(JobError):
    """A file does not hold what ModelArts answers; names the file and the place in it."""

    exit_code = ExitCode.BAD_DATA


def _listed(value: object) -> object:
    return [] if value is None or value == "" else value


def _optional_number(value: object) -> object:
    return None if value in ("", None) else value


class ExportedParameter(BaseModel):
    """A label with its value, which is text or a number."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    label: str | None = None
    value: Any = None


class ExportedSource(BaseModel):
    """One data set of several."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: str | None = None
    data_url: str | None = None
    dataset_id: str | None = None
    dataset_version: str | None = None


_Number = Annotated[int | None, BeforeValidator(_optional_number)]
_Time = Annotated[Annotated[int, Field(ge=0, le=_LATEST)] | None, BeforeValidator(_optional_number)]
_Duration = Annotated[Annotated[int, Field(le=_LONGEST)] | None, BeforeValidator(_optional_number)]
_Text = Annotated[str | None, Field(coerce_numbers_to_str=True)]


class ExportedVersion(BaseModel):
    """One version, by the names of the V1 reference. Times in milliseconds since 1970, `duration` in milliseconds."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, protected_namespaces=())

    job_id: int
    job_name: str
    job_desc: _Text = None
    version_id: int
    version_name: _Text = None
    pre_version_id: _Number = None
    status: int
    create_time: int = Field(ge=0, le=_LATEST)
    start_time: _Time = None
    duration: _Duration = None
    parameter: Annotated[list[ExportedParameter], BeforeValidator(_listed)] = []
    app_url: _Text = None
    boot_file_url: _Text = None
    user_image_url: _Text = None
    user_command: _Text = None
    engine_name: _Text = None
    engine_version: _Text = None
    data_url: _Text = None
    dataset_id: _Text = None
    dataset_version_id: _Text = None
    data_source: Annotated[list[ExportedSource], BeforeValidator(_listed)] = []
    train_url: _Text = None
    log_url: _Text = None
    worker_server_num: _Number = None
    spec_id: _Number = None
    pool_id: _Text = None
    core: _Number = None
    gpu_num: _Number = None
    gpu_type: _Text = None
    model_metric_list: Any = None

    @property
    def native_id(self) -> str:
        """ModelArts' numbers of it: `JOB/VERSION`."""
        return f"{self.job_id}/{self.version_id}"


@dataclass(frozen=True)
class Export:
    """Everything that was read: versions by their numbers, and jobs of which only the name is known.

    `lacking` is how many versions of a job ModelArts has beyond those that were read: an answer is one page of several.
    """

    versions: dict[str, ExportedVersion]
    only_named: tuple[str, ...] = ()
    lacking: dict[str, int] = field(default_factory=dict)


def read_exports(paths: list[Path]) -> Export:
    """Read files; a version that stands in several is taken from the last. Raises ExportError, OSError."""
    versions: dict[str, ExportedVersion] = {}
    named: dict[int, str] = {}
    counted: dict[int, int] = {}
    for path in paths:
        for place, item in _items(_read_json(path), ""):
            where = f"{path}: {place}" if place else str(path)
            version = _version(item, where)
            count = item.get(_COUNT_OF_JOB, item.get(_COUNT))
            if isinstance(count, int):
                counted[version.job_id] = max(count, counted.get(version.job_id, 0))
            if _COUNT in item and "parameter" not in item:
                named[version.job_id] = version.job_name
                continue
            versions[version.native_id] = version
    known = Counter(version.job_id for version in versions.values())
    if not versions and not named:
        raise ExportError(f"{', '.join(map(str, paths))}: no training job in it{_EXPECTED}")
    names = {version.job_id: version.job_name for version in versions.values()}
    lacking = {names[id]: counted[id] - known[id] for id in known if counted.get(id, 0) > known[id]}
    return Export(versions, tuple(name for id, name in sorted(named.items()) if id not in known), lacking)


_EXPECTED = "; expected what the V1 API answers to GET /v1/PROJECT/training-jobs/JOB/versions, or to …/versions/VERSION"


def _read_json(path: Path) -> Any:
    if path.is_file() and path.stat().st_size > _LARGEST_FILE:
        raise ExportError(f"{path} has {path.stat().st_size} bytes; no answer of ModelArts is as large")
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ExportError(f"{path} is not there") from None
    except IsADirectoryError:
        raise ExportError(f"{path} is a folder: name the JSON files in it") from None
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path} is not JSON: {error}") from None


def _items(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every version, and every job of a list of jobs, with its place in the file."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _items(item, f"{place}[{number}]")
        return
    if not isinstance(value, dict):
        raise ExportError(f"{place or 'the file'}: expected an object, found {json.dumps(value)[:40]}{_EXPECTED}")
    if str(value.get("is_success", True)).lower() == "false":
        said = f"{value.get('error_code', '')} {value.get('error_message', '')}".strip()
        raise ExportError(f"{place or 'the file'}: ModelArts refused to answer: {said}; export it again")
    below = f"{place}." if place else ""
    for key, inherited in (("versions", _OF_THE_JOB), ("jobs", ())):
        if key in value:
            if not isinstance(value[key], list):
                raise ExportError(f"{below}{key}: expected a list")
            shared = {name: value[name] for name in inherited if name in value}
            if inherited and _COUNT in value:
                shared[_COUNT_OF_JOB] = value[_COUNT]
            for number, item in enumerate(value[key]):
                for inner, found in _items(item, f"{below}{key}[{number}]"):
                    yield inner, {**shared, **found}
            return
    yield place, value


def _version(item: dict[str, Any], where: str) -> ExportedVersion:
    try:
        return ExportedVersion.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        problem = (
            "is missing" if first["type"] == "missing" else f"{first['msg'].lower()}, found {first['input']!r:.60}"
        )
        raise ExportError(f"{where}: {field}: {problem}{_EXPECTED if first['type'] == 'missing' else ''}") from None
