"""From a spec to a version: gathers what is to be known of it, claims a number, hands it to a backend."""

import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from facejobs.errors import FacejobsError
from facejobs.jobs.backends.base import Backend
from facejobs.jobs.backends.contract import require_secrets
from facejobs.jobs.boot.task_log import SecretFilter
from facejobs.jobs.code_facts import DIFF, gather_code
from facejobs.jobs.environment_facts import gather_environment, submitter
from facejobs.jobs.errors import JobError, SpecError
from facejobs.jobs.fingerprint import DataFingerprint, fingerprint_input
from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.image.reference import parse_reference
from facejobs.jobs.image.resolve import resolve_image
from facejobs.jobs.mlflow_server import MlflowServer
from facejobs.jobs.secrets import place_of_secret
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.status import State, record
from facejobs.jobs.version_index import drop_stale_index
from facejobs.jobs.version_record import BackendBlock, Tracking, VersionRecord, version_name
from facejobs.jobs.versions import VersionFolder, VersionStore
from facejobs.storage.environment import secret_values


def submit(
    spec: JobSpec,
    store: VersionStore,
    backend: Backend,
    parent: str | None = None,
    advance: Callable[[int, int], None] = lambda *_: None,
    tracking: Tracking | None = None,
) -> VersionFolder:
    """Claim a version for `spec`, whose paths are absolute, and start it; returns it as soon as it is started.

    Whatever can be refused is refused before a number is claimed. A tag of an image is resolved to its digest, which
    every run of the version uses. `advance(done, in_all)` counts files of the inputs that are read for their
    fingerprint. With `tracking` the version is sent there when it ends. Raises JobError,
    StorageError.
    """
    _check(spec, store, backend)
    if tracking:
        MlflowServer()
    digest, unpinned = _image_digest(spec, backend)
    data = {name: fingerprint_input(url, advance) for name, url in spec.inputs.items()}
    block = BackendBlock(name=backend.name, options=backend.options.model_dump(mode="json", exclude_defaults=True))
    version = claim(spec, store, block, data, parent, tracking, digest, unpinned)
    try:
        backend.submit(version)
    except (FacejobsError, OSError) as error:
        with contextlib.suppress(FacejobsError, OSError):
            record(version.store, State.FAILED, f"could not be started: {error}")
        raise JobError(
            f"{version.job} {version.name} could not be started: {error}\n"
            f"correct that, then `facejobs resume {version.job} {version.name}` starts it"
        ) from error
    return version


def claim(
    spec: JobSpec,
    store: VersionStore,
    backend: BackendBlock,
    data: dict[str, DataFingerprint],
    parent: str | None = None,
    tracking: Tracking | None = None,
    image_digest: str | None = None,
    reason: str = "",
) -> VersionFolder:
    """Claim a version and write its record, without starting it; `reason` goes with its first state."""
    code, diff = gather_code(Path.cwd())
    environment, by = gather_environment(), submitter()

    def make_record(number: int) -> VersionRecord:
        return VersionRecord(
            job=spec.name,
            version=version_name(number),
            spec=spec,
            parent=parent,
            created=datetime.now(UTC),
            by=by,
            backend=backend,
            tracking=tracking,
            image_digest=image_digest,
            code=code,
            environment=environment,
            data=data,
        )

    version = store.claim(spec.name, make_record)
    # Written at once: whoever claims and dies leaves a version that is LOST after a while, not PENDING for ever.
    record(version.store, State.PENDING, reason)
    # An index may know a version of this number if somebody removed one by hand.
    drop_stale_index(store.job_store(spec.name), version.number)
    if diff:
        hidden = SecretFilter(secret_values(tuple(spec.secrets), os.environ))
        version.store.write(DIFF, hidden.clean(diff))
    return version


def _check(spec: JobSpec, store: VersionStore, backend: Backend) -> None:
    require_secrets(spec.secrets)
    said = {**spec.model_dump(mode="json"), "-o": backend.options.model_dump(mode="json")}
    place = place_of_secret(said, secret_values(tuple(spec.secrets), os.environ))
    if place:
        raise SpecError(
            f"{place} holds the value of a secret, and versions are kept for good: have the command read it from its "
            "environment, and name the variable in 'secrets'"
        )
    plan = backend.plan(spec, store.next_folder(spec.name).url)
    if plan.impossible:
        raise JobError(f"the backend {backend.name} cannot run {spec.name}: " + "; ".join(plan.impossible))


def _image_digest(spec: JobSpec, backend: Backend) -> tuple[str | None, str]:
    """The digest of the spec's image, or None and why it is not known.

    Where the backend runs no image, only one that is known not to do is refused: a registry out of reach stops no job.
    """
    if spec.image is None:
        return None, ""
    try:
        return parse_reference(resolve_image(spec.image)).digest, ""
    except ImageRefusedError:
        raise
    except (ImageError, SpecError) as error:
        if not any(item.partition(":")[0] == "image" for item in backend.plan(spec).emulated):
            raise
        return parse_reference(spec.image).digest, f"the image was not looked up: {error}"
