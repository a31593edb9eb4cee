"""From a backend's name to the backend."""

from facejobs.jobs.backends.base import Backend
from facejobs.jobs.errors import JobError

BACKENDS = ("local",)


def open_backend(name: str = "local") -> Backend:
    """The backend of a name, as `version.json` records it; JobError naming those there are."""
    if name not in BACKENDS:
        raise JobError(f"there is no backend {name!r}; there is {', '.join(BACKENDS)}")
    from facejobs.jobs.backends.local import LocalBackend

    return LocalBackend()
