"""In words, what a registry had against a request: from what docker, podman, buildah or skopeo printed."""

import re

from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.image.reference import ImageReference
from facejobs.jobs.image.tool import last_line

# The codes of the distribution specification, docker's own words, and Harbor's.
_ABSENT = re.compile(r"manifest unknown|name unknown|no such manifest|artifact \S+ not found")
_NO_LOGIN = re.compile(
    r"unauthorized|authentication required|no basic auth credentials|unable to retrieve auth token"
    r"|invalid username/password"
)
_DENIED = re.compile(r"denied|forbidden|insufficient_scope")
# What stands in the way of the connection, and what to do about it; none of it says anything about the image.
_CONNECTION = (
    (
        re.compile(r"server gave http response to https client"),
        "it speaks plain HTTP: name it as insecure in /etc/containers/registries.conf (docker: daemon.json), "
        "or give it a certificate",
    ),
    (
        re.compile(r"x509|certificate"),
        "its certificate is not trusted here: put the CA's into /etc/containers/certs.d/{registry}/ca.crt "
        "(docker: /etc/docker/certs.d)",
    ),
    (
        re.compile(r"credential\S* .*not found"),
        "install the credential helper that the login names, or log in without it",
    ),
    (
        re.compile(r"connection refused|no such host|no route to host|timeout|timed out|unreachable"),
        "check its name, and whether it can be reached from here",
    ),
)


def explain(reference: ImageReference, output: str) -> ImageError:
    """The error for a request about `reference`; ImageRefusedError if the registry says that there is no such image."""
    text = output.lower()
    registry, cause = reference.registry, last_line(output)
    for pattern, advice in _CONNECTION:
        if pattern.search(text):
            return ImageError(
                f"{registry} cannot be asked for {reference}: {advice.format(registry=registry)}\n{cause}"
            )
    if _ABSENT.search(text):
        what = "digest" if reference.digest else "tag"
        return ImageRefusedError(
            f"{reference} is not there: {registry} has no such {what}; it was deleted, or its name is misspelt"
        )
    if _NO_LOGIN.search(text):
        return ImageError(
            f"{registry} wants a login for {reference.name}: `docker login {registry}` "
            "(or podman, buildah, skopeo login), then the same command again"
        )
    if _DENIED.search(text):
        return ImageError(
            f"{registry} refuses {reference.name} to the user that is logged in: ask for the right to it, "
            f"or log in as another one\n{cause}"
        )
    return ImageError(f"{registry} did not do as asked for {reference}: {cause}")
