"""`version.json`: what a version is. Written once, when its number is claimed, and never changed."""

import re
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator
from pydantic_core import from_json

from facejobs.jobs.code_facts import CodeFacts
from facejobs.jobs.environment_facts import EnvironmentFacts
from facejobs.jobs.errors import WHAT_TO_DO, VersionDamagedError
from facejobs.jobs.fingerprint import DataFingerprint
from facejobs.jobs.image.reference import parse_reference
from facejobs.jobs.spec import JobSpec

RECORD = "version.json"
Tracking = Literal["mlflow"]
_NAME = re.compile(r"V(\d{4,9})", re.ASCII)


def version_name(number: int) -> str:
    """`V0007` for 7; more digits from 10,000 on."""
    return f"V{number:04d}"


def version_number(name: str) -> int | None:
    """7 for `V0007`; None if the text is not such a name as `version_name` writes."""
    match = _NAME.fullmatch(name)
    number = int(match[1]) if match else 0
    return number if number > 0 and version_name(number) == name else None


class BackendBlock(BaseModel):
    """Where a version was submitted to, with what its spec says to that backend; all that differs between backends."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    options: dict[str, JsonValue] = Field(default_factory=dict)


class VersionRecord(BaseModel):
    """Everything that is known about a version before it runs."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    job: str
    version: str = Field(pattern=_NAME.pattern)
    spec: JobSpec = Field(description="as submitted, with absolute paths and changes by -p, -i and -e applied")
    parent: str | None = Field(None, description="the version it was modified from")
    created: AwareDatetime
    by: str = Field(description="user@host")
    backend: BackendBlock = BackendBlock(name="local")
    tracking: Tracking | None = Field(None, description="where parameters and metrics go when it ends")
    image_digest: str | None = Field(None, description="sha256:… of the image, where one is named and known")
    code: CodeFacts
    environment: EnvironmentFacts
    data: dict[str, DataFingerprint] = Field(default_factory=dict, description="by the name of the input")

    @property
    def pinned_image(self) -> str | None:
        """The image that runs: `registry/repository@sha256:…`, whatever its tag means by now; None where unknown."""
        if self.spec.image is None or self.image_digest is None:
            return None
        return str(parse_reference(self.spec.image).pinned(self.image_digest))

    @field_validator("backend", mode="before")
    @classmethod
    def _name_alone(cls, value: object) -> object:
        """Records of earlier releases name the backend only."""
        return {"name": value} if isinstance(value, str) else value


class Tombstone(BaseModel):
    """What is left in `version.json` of a deleted version, so that nobody ever gets its number again."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    job: str
    version: str
    deleted: AwareDatetime
    by: str


def parse_record(data: bytes, url: str) -> VersionRecord | Tombstone:
    """The content of a `version.json`; VersionDamagedError naming `url` and the field that is wrong."""
    try:
        value = from_json(data)
        model = Tombstone if isinstance(value, dict) and "deleted" in value else VersionRecord
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the text"
        raise VersionDamagedError(
            f"{url} is damaged, or of a newer facejobs: {field}: {first['msg']}{WHAT_TO_DO}"
        ) from None
    except ValueError as error:
        raise VersionDamagedError(f"{url} is damaged: {error}{WHAT_TO_DO}") from None
