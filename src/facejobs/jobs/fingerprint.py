"""What an input held when a version was submitted, told from other contents without reading all of a large file."""

from pydantic import BaseModel, ConfigDict


class DataFingerprint(BaseModel):
    """`sha256` over names, sizes and chunks of the files; `size` in bytes; counts where the files are face records."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    url: str
    kind: str
    sha256: str
    files: int
    size: int
    images: int | None = None
    identities: int | None = None
