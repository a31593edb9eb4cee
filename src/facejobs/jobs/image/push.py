"""`facejobs image push`: from this machine into a registry, and the digest it has there."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facejobs.jobs.image.errors import ImageError, ImageRefusedError
from facejobs.jobs.image.reference import ImageReference, parse_reference, parse_remote
from facejobs.jobs.image.registry import ARCHITECTURE, RemoteImage, examine
from facejobs.jobs.image.registry_errors import explain
from facejobs.jobs.image.resolve import check_entry_point, starts_run_train, without_entry_point
from facejobs.jobs.image.tool import Tool, ask, last_line, run_showing

_INSPECT_SECONDS = 60.0


def push_image(image: str, destination: str, tool: Tool, show: Callable[[str], None] | None = None) -> RemoteImage:
    """Push an image of this machine, then ask the registry for what arrived.

    Raises SpecError for names that are none, ImageRefusedError for an image that jobs could not run in, ImageError if
    the image is not here, or the registry refuses it or has another one afterwards.
    """
    source = parse_reference(image)
    target = parse_remote(destination)
    if target.digest:
        raise ImageError(f"{destination} names a digest, which the push will tell: name a tag")
    _check_source(tool, source)
    digest = _push(tool, source, target, show)
    found = examine(target)
    check_entry_point(found)
    if digest and found.reference.digest != digest:
        raise ImageError(
            f"{target.registry} has {found.reference.digest} under {target}, but {digest} was pushed: "
            "somebody pushed to the same tag, or the registry changes what it is sent; push again under another tag"
        )
    return found


def _check_source(tool: Tool, source: ImageReference) -> None:
    """Refuse before gigabytes are sent."""
    kind = ["inspect", "--type", "image"] if tool.name == "buildah" else ["image", "inspect"]
    answer = ask(tool, [*kind, str(source)], _INSPECT_SECONDS)
    if answer.returncode:
        raise ImageError(
            f"{tool.name} has no image {source} on this machine ({last_line(answer.stderr)}): "
            f"`{tool.name} images` lists those it has, `facejobs image build` makes one"
        )
    architecture, entrypoint = _facts(tool, json.loads(answer.stdout))
    if architecture != ARCHITECTURE:
        raise ImageRefusedError(f"{source} is for {architecture}; MXNet 1.9.1 needs {ARCHITECTURE}")
    if not starts_run_train(entrypoint):
        raise without_entry_point(str(source), entrypoint)


def _facts(tool: Tool, value: Any) -> tuple[str, tuple[str, ...]]:
    """Architecture and entry point, from what the tool prints of an image."""
    if tool.name == "buildah":
        image = value["OCIv1"]
        return str(image["architecture"]), tuple(image["config"].get("Entrypoint") or ())
    return str(value[0]["Architecture"]), tuple(value[0]["Config"].get("Entrypoint") or ())


def _push(tool: Tool, source: ImageReference, target: ImageReference, show: Callable[[str], None] | None) -> str | None:
    """Push; the digest that the tool tells, None for docker, which tells it in prose only."""
    if tool.name == "docker":
        tagged = ask(tool, ["tag", str(source), str(target)], _INSPECT_SECONDS)
        if tagged.returncode:
            raise ImageError(f"docker cannot name {source} {target}: {last_line(tagged.stderr)}")
        _run(tool, target, ["push", str(target)], show)
        return None
    tls = ["--tls-verify=false"] if target.on_this_machine else []
    with tempfile.TemporaryDirectory() as folder:
        digest = Path(folder) / "digest"
        _run(tool, target, ["push", *tls, "--digestfile", str(digest), str(source), f"docker://{target}"], show)
        return digest.read_text().strip()


def _run(tool: Tool, target: ImageReference, arguments: list[str], show: Callable[[str], None] | None) -> None:
    code, output = run_showing(tool, arguments, show)
    if code:
        raise explain(target, output)
