"""From a backend's name to the backend."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, get_args

from facejobs.errors import FacejobsError
from facejobs.jobs.backends.base import Backend, BackendOptions
from facejobs.jobs.backends.options import Where, check_options, read_options
from facejobs.jobs.errors import JobError
from facejobs.jobs.liveness import effective_state
from facejobs.jobs.spec import BACKENDS
from facejobs.jobs.status import State, read_status
from facejobs.jobs.version_record import VersionRecord
from facejobs.jobs.versions import VersionFolder


class _Entry(NamedTuple):
    """Where a backend is: its module, its class, the class of its options; the packages it needs and their extra."""

    module: str
    backend: str
    options: str
    extra: str | None = None
    packages: tuple[str, ...] = ()


_ENTRIES = {
    "local": _Entry("local", "LocalBackend", "LocalOptions"),
    "container": _Entry("container", "ContainerBackend", "ContainerOptions"),
    "slurm": _Entry("slurm", "SlurmBackend", "SlurmOptions"),
    "kubernetes": _Entry("kubernetes", "KubernetesBackend", "KubernetesOptions", "kubernetes", ("kubernetes",)),
    "modelarts": _Entry(
        "modelarts",
        "ModelArtsBackend",
        "ModelArtsOptions",
        "modelarts",
        ("huaweicloudsdkcore", "huaweicloudsdkmodelarts"),
    ),
}


def open_backend(name: str = "local", options: Mapping[str, Any] | None = None) -> Backend:
    """The backend of a name with the options of a spec; JobError naming those there are, SpecError for an option."""
    if name not in BACKENDS:
        raise JobError(f"there is no backend {name!r}; there is {', '.join(BACKENDS)}")
    missing = missing_for(name)
    if missing:
        raise JobError(f"the backend {name} needs {missing}")
    backend: Backend = _part(name, "backend")(read_options(_part(name, "options"), name, options or {}))
    return backend


def check_spec_options(name: str, options: Mapping[str, Any], where: Where) -> None:
    """Raise SpecError for what a spec says wrongly to a backend, at `where(path)`; one not installed is not asked."""
    if not missing_for(name):
        check_options(_part(name, "options"), name, options, where)


def options_type(name: str) -> type[BackendOptions]:
    """The class of a backend's options, each with a description."""
    options: type[BackendOptions] = _part(name, "options")
    return options


def takes_text(name: str, option: str) -> bool:
    """Whether an option of a backend is text, or made of texts; False for what is not known or not installed."""
    if name not in BACKENDS or missing_for(name):
        return False
    field = options_type(name).model_fields.get(option)
    return field is not None and _holds_text(field.annotation)


def _holds_text(kind: Any) -> bool:
    return kind is str or any(_holds_text(part) for part in get_args(kind))


def _part(name: str, part: Literal["backend", "options"]) -> Any:
    entry = _ENTRIES[name]
    return getattr(import_module(f"facejobs.jobs.backends.{entry.module}"), getattr(entry, part))


def missing_for(name: str) -> str | None:
    """What must be installed before the backend can be used, with the command that does it; None if nothing."""
    extra, packages = _ENTRIES[name].extra, _ENTRIES[name].packages
    absent = [package for package in packages if find_spec(package) is None]
    return f"the package {absent[0]}: pip install 'facejobs[{extra}]'" if absent else None


def backend_of(record: VersionRecord) -> Backend:
    """The backend that a version was submitted to, with the options it was submitted with."""
    return open_backend(record.backend.name, record.backend.options)


def asked_state(version: VersionFolder) -> State:
    """The state of a version as its backend knows it; as it is recorded where the backend cannot be asked."""
    status = read_status(version.store)
    if status.state.ended:
        return status.state
    try:
        return backend_of(version.record).state(version)
    except FacejobsError:
        return effective_state(status, version.store)
