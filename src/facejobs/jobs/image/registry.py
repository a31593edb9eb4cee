"""What a registry knows of an image, asked through skopeo or docker with the login that these have.

Manifests and configurations are those of the OCI image specification, or Docker's schema 2, which has the same fields.
podman and buildah can only ask by fetching the whole image, so they are not used here.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.image.reference import ImageReference
from facejobs.jobs.image.registry_errors import explain
from facejobs.jobs.image.tool import Tool, ask

ARCHITECTURE = "amd64"
_OS = "linux"
_SECONDS = 60.0


@dataclass(frozen=True)
class ImageConfig:
    """What an image starts and as whom."""

    entrypoint: tuple[str, ...]
    user: str
    labels: dict[str, str]


@dataclass(frozen=True)
class RemoteImage:
    """An image in a registry; `layers` are compressed sizes in bytes, `config` is None where the tool cannot tell."""

    reference: ImageReference
    architecture: str
    os: str
    layers: tuple[int, ...]
    config: ImageConfig | None

    @property
    def size(self) -> int:
        """What a machine fetches, in bytes."""
        return sum(self.layers)


def examine(reference: ImageReference) -> RemoteImage:
    """What the registry has under a name, with the digest in its reference.

    Of an image for several architectures, the one for Linux on x86-64. Raises ImageRefusedError if it is not there, or
    not for that architecture; ImageError if the registry cannot be asked.
    """
    tool = _find_asker()
    return _by_skopeo(tool, reference) if tool.name == "skopeo" else _by_docker(tool, reference)


def _find_asker() -> Tool:
    for name in ("skopeo", "docker"):
        path = shutil.which(name)
        if path is not None:
            return Tool(name, path)
    raise ImageError(
        "skopeo or docker is needed to ask a registry, and neither is installed here: "
        "install one (Debian and Ubuntu: apt-get install skopeo)"
    )


def _by_skopeo(tool: Tool, reference: ImageReference) -> RemoteImage:
    manifest, digest = _skopeo_manifest(tool, reference)
    exact = reference.pinned(digest)
    layers_of = manifest
    if "manifests" in manifest:
        layers_of, _ = _skopeo_manifest(tool, reference.pinned(_for_this_architecture(reference, manifest)))
    config = _parse(reference, _skopeo(tool, exact, ["--config"]))
    return _checked(
        RemoteImage(
            exact,
            str(config.get("architecture", "unknown")),
            str(config.get("os", "unknown")),
            _layer_sizes(layers_of),
            _config(config.get("config") or {}),
        )
    )


def _skopeo_manifest(tool: Tool, reference: ImageReference) -> tuple[dict[str, Any], str]:
    raw = _skopeo(tool, reference, ["--raw"])
    digest = "sha256:" + hashlib.sha256(raw.encode()).hexdigest()
    if reference.digest not in (None, digest):
        raise ImageRefusedError(f"{reference.registry} answers with {digest} where {reference} was asked for")
    return _parse(reference, raw), digest


def _skopeo(tool: Tool, reference: ImageReference, options: Sequence[str]) -> str:
    # skopeo refuses a name with both; the digest says it all.
    exact = reference.pinned(reference.digest) if reference.digest else reference
    tls = ["--tls-verify=false"] if reference.on_this_machine else []
    platform = ["--override-os", _OS, "--override-arch", ARCHITECTURE]
    return _answer(tool, reference, [*platform, "inspect", *tls, *options, f"docker://{exact}"])


def _by_docker(tool: Tool, reference: ImageReference) -> RemoteImage:
    exact = reference.pinned(reference.digest) if reference.digest else reference
    insecure = ["--insecure"] if reference.on_this_machine else []
    answer = _parse(reference, _answer(tool, reference, ["manifest", "inspect", "--verbose", *insecure, str(exact)]))
    several = answer if isinstance(answer, list) else [answer]
    platforms = [_platform(entry.get("Descriptor", {})) for entry in several]
    wanted = (_OS, ARCHITECTURE)
    entry = several[platforms.index(wanted) if wanted in platforms else 0]
    manifest = entry.get("OCIManifest") or entry.get("SchemaV2Manifest") or {}
    system, architecture = _platform(entry.get("Descriptor", {}))
    pinned = reference.pinned(str(entry["Descriptor"]["digest"]))
    return _checked(RemoteImage(pinned, architecture, system, _layer_sizes(manifest), None))


def _answer(tool: Tool, reference: ImageReference, arguments: list[str]) -> str:
    answer = ask(tool, arguments, _SECONDS)
    if answer.returncode:
        raise explain(reference, answer.stderr)
    return answer.stdout


def _parse(reference: ImageReference, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ImageError(f"{reference.registry} answers for {reference} with something that is no JSON") from None


def _for_this_architecture(reference: ImageReference, index: dict[str, Any]) -> str:
    platforms = {_platform(entry): entry for entry in index["manifests"]}
    entry = platforms.get((_OS, ARCHITECTURE))
    if entry is None:
        raise _wrong_architecture(reference, sorted("/".join(platform) for platform in platforms))
    return str(entry["digest"])


def _checked(image: RemoteImage) -> RemoteImage:
    if (image.os, image.architecture) != (_OS, ARCHITECTURE):
        raise _wrong_architecture(image.reference, [f"{image.os}/{image.architecture}"])
    return image


def _wrong_architecture(reference: ImageReference, there: list[str]) -> ImageRefusedError:
    return ImageRefusedError(
        f"{reference} is for {', '.join(there)}; MXNet 1.9.1 needs {_OS}/{ARCHITECTURE}: build the image there, "
        f"or with --build-option --platform={_OS}/{ARCHITECTURE}"
    )


def _platform(entry: dict[str, Any]) -> tuple[str, str]:
    platform = entry.get("platform") or {}
    return str(platform.get("os", "unknown")), str(platform.get("architecture", "unknown"))


def _layer_sizes(manifest: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(layer["size"]) for layer in manifest.get("layers", []))


def _config(config: dict[str, Any]) -> ImageConfig:
    return ImageConfig(
        tuple(config.get("Entrypoint") or ()), str(config.get("User") or ""), dict(config.get("Labels") or {})
    )
