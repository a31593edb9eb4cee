"""From the name of an image to the one image that every run of a version uses."""

from facejobs.jobs.image.errors import ImageRefusedError
from facejobs.jobs.image.reference import parse_remote
from facejobs.jobs.image.registry import RemoteImage, examine

ENTRY_POINT = "run_train.sh"


def resolve_image(image: str) -> str:
    """`registry/repository@sha256:…` of an image that jobs can run in.

    Raises SpecError for what is no name of an image in a registry; ImageRefusedError if the tag or digest is not there,
    or the image is for another architecture or lacks the entry point; ImageError if the registry cannot be asked.
    """
    found = examine(parse_remote(image))
    check_entry_point(found)
    return str(found.reference)


def check_entry_point(image: RemoteImage) -> None:
    """ImageRefusedError for an image that is known to start something else than run_train.sh."""
    if image.config is not None and not starts_run_train(image.config.entrypoint):
        raise without_entry_point(str(image.reference), image.config.entrypoint)


def starts_run_train(entrypoint: tuple[str, ...]) -> bool:
    """Whether an entry point is `…/run_train.sh`, directly or by a shell."""
    return bool(entrypoint) and entrypoint[-1].rpartition("/")[2] == ENTRY_POINT


def without_entry_point(image: str, entrypoint: tuple[str, ...]) -> ImageRefusedError:
    """The error for such an image."""
    starts = f"it starts {' '.join(entrypoint)}" if entrypoint else "it has none"
    return ImageRefusedError(
        f"{image} lacks the entry point /home/work/{ENTRY_POINT}, which fetches inputs and uploads outputs: {starts}; "
        "build it with `facejobs image build`, or from such an image"
    )
