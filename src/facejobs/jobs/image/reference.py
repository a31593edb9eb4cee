"""Names of images: `registry.example.com:5000/team/facejobs:1.0`, or with `@sha256:…` in place of the tag.

Follows the grammar of the distribution project: the first part is a registry if it holds a dot or a colon, or is
`localhost`. facejobs adds no registry where none is named, since tools disagree on which one that would be.
"""

import ipaddress
import re
from dataclasses import dataclass, replace

from facejobs.jobs.errors import SpecError

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_LONGEST_NAME = 255


@dataclass(frozen=True)
class ImageReference:
    """An image by name; `str()` gives the text that every tool understands."""

    registry: str | None
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def on_this_machine(self) -> bool:
        """Whether the registry is this machine's own, which is asked over plain HTTP, as docker does."""
        host = re.sub(r":\d+$", "", self.registry or "").strip("[]")
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def pinned(self, digest: str) -> "ImageReference":
        """The same repository, with the digest in place of the tag."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}@{self.digest}" if self.digest else f"{self.name}{tag}"


def parse_reference(text: str) -> ImageReference:
    """An image's name from text; SpecError says which part of it is wrong."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _wrong(text, "after @ comes a digest, sha256: and 64 digits 0-9a-f")
    first, slash, below = rest.partition("/")
    registry = first if slash and (first == "localhost" or "." in first or ":" in first) else None
    if registry is not None and not _REGISTRY.fullmatch(registry):
        raise _wrong(text, f"{registry!r:.100} is no name of a registry: write HOST or HOST:PORT, without https://")
    repository, colon, tag = (below if registry is not None else rest).partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _wrong(text, "a tag is 1 to 128 letters, digits, '_', '.' or '-', the first a letter, a digit or '_'")
    if not _REPOSITORY.fullmatch(repository):
        raise _wrong(text, "a repository is small letters and digits, with '.', '_', '-' or '/' between them")
    reference = ImageReference(registry, repository, tag or None, digest or None)
    if len(reference.name) > _LONGEST_NAME:
        raise _wrong(text, f"longer than {_LONGEST_NAME} characters")
    return reference


def parse_remote(text: str) -> ImageReference:
    """The name of an image in a registry, with the tag `latest` where it has neither tag nor digest.

    Raises SpecError, also for a name without a registry.
    """
    reference = parse_reference(text)
    if reference.registry is None:
        raise SpecError(
            f"the image {text!r:.200} names no registry: write REGISTRY/{reference.repository}; "
            "an image that is on this machine only is put into one by `facejobs image push`"
        )
    return reference if reference.tag or reference.digest else replace(reference, tag="latest")


def _wrong(text: str, reason: str) -> SpecError:
    return SpecError(f"{text!r:.200} is no name of an image: {reason}")
