"""What a spec may say to the backend `modelarts`."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from facejobs.jobs.backends.base import BackendOptions
from facejobs.jobs.errors import SpecError
from facejobs.jobs.image.reference import parse_reference

Api = Literal["v1", "v2"]
_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?")
_PROJECT = re.compile(r"[A-Za-z0-9-]{1,64}")


class NfsVolume(BaseModel):
    """A shared file system to mount in every task: data, or a credentials file that no request may carry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server_path: str = Field(min_length=1, description="its address: 192.168.8.150:/")
    local_path: str = Field(pattern=r"^/", description="the folder where it is mounted")
    read_only: bool = Field(True, description="whether tasks may not write to it")
    id: str | None = Field(None, description="number of the SFS Turbo file system; the v1 API needs it")


class ModelArtsOptions(BackendOptions):
    """The options of the backend `modelarts`. No field holds a credential: those come from the environment only."""

    # `-o workspace_id=0` is a number when it is typed.
    model_config = ConfigDict(coerce_numbers_to_str=True)

    api: Api = Field("v2", description="which ModelArts API: v1 has versions, v2 is the one that new projects get")
    region: str | None = Field(None, description="region, such as cn-north-4; default: HUAWEICLOUD_SDK_REGION")
    endpoint: str | None = Field(
        None, description="address of ModelArts; default: that of the region, or HUAWEICLOUD_SDK_MODELARTS_ENDPOINT"
    )
    project_id: str | None = Field(None, description="project of the region; default: HUAWEICLOUD_SDK_PROJECT_ID")
    workspace_id: str | None = Field(None, min_length=1, description="workspace; default: ModelArts' default, 0")
    flavor: str | None = Field(
        None, min_length=1, description="kind of machine: flavor_id of the v2 API, spec_id (a number) of the v1 API"
    )
    pool_id: str | None = Field(None, min_length=1, description="dedicated resource pool")
    image_url: str | None = Field(
        None, min_length=1, description="the image as ModelArts pulls it from SWR, where that is not the spec's address"
    )
    work_dir: str = Field(
        "/tmp/facejobs",
        pattern=r"^/",
        description="work folder in the container; /cache/facejobs where there is a /cache",
    )
    nfs: NfsVolume | None = Field(None, description="a shared file system to mount: {server_path, local_path, id}")

    @field_validator("region")
    @classmethod
    def _check_region(cls, value: str | None) -> str | None:
        if value is not None and not _REGION.fullmatch(value):
            raise ValueError("expected the name of a region, such as cn-north-4")
        return value

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value is not None and not _ENDPOINT.fullmatch(value):
            raise ValueError(
                "expected an address without a path, such as https://modelarts.cn-north-4.myhuaweicloud.com"
            )
        return value

    @field_validator("image_url")
    @classmethod
    def _check_image(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_reference(value)
            except SpecError as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("project_id")
    @classmethod
    def _check_project(cls, value: str | None) -> str | None:
        if value is not None and not _PROJECT.fullmatch(value):
            raise ValueError("expected 1 to 64 letters, digits and hyphens")
        return value
