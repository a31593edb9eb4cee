"""`backend.json` of a version: the number under which its backend knows it, so that any machine can ask for it."""

from pydantic import BaseModel, ConfigDict, ValidationError

from facejobs.jobs.errors import WHAT_TO_DO, VersionDamagedError
from facejobs.storage.errors import NotFoundError
from facejobs.storage.store import ObjectStore

NATIVE = "backend.json"


class NativeJob(BaseModel):
    """What a backend needs to find a job again; `place` is the cluster, context, region or host it was sent to."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    backend: str
    id: str
    place: str = ""
    attempt: int = 1


def read_native(store: ObjectStore) -> NativeJob | None:
    """The native job of the version folder `store`; None before it was sent. VersionDamagedError if unreadable."""
    try:
        data = store.read(NATIVE)
    except NotFoundError:
        return None
    try:
        return NativeJob.model_validate_json(data)
    except ValidationError as error:
        raise VersionDamagedError(
            f"{store.url_of(NATIVE)} is damaged: {error.errors()[0]['msg']}{WHAT_TO_DO}"
        ) from None


def write_native(store: ObjectStore, native: NativeJob) -> None:
    """Say where the version was sent; replaces what an earlier attempt said."""
    store.write(NATIVE, native.model_dump_json(indent=1).encode())
