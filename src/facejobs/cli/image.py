"""facejobs image build, push, inspect."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    from facejobs.jobs.image.registry import RemoteImage

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Device = Literal["gpu", "cpu"]
ToolName = Literal["docker", "podman", "buildah"]
# The largest image that ModelArts runs.
_MODELARTS_BYTES = 9_500_000_000
_TOOL = typer.Option(None, "--tool", help="What does it; default: the first of these that works here.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


@app.callback()
def group() -> None:
    """Build the training image, put it into a registry, and look at it there."""


@app.command()
def build(
    context: Path = typer.Argument(Path(), metavar="CLONE", help="Clone of facejobs' repository; default: here."),
    tag: str = typer.Option("facejobs:latest", "--tag", metavar="NAME", help="Name of the image on this machine."),
    device: Device = typer.Option("gpu", "--device", help="Which MXNet is in it: for CUDA 11.2, or for CPUs."),
    base: str = typer.Option(
        None, "--base", metavar="IMAGE", help="Debian bookworm to build on; default: its slim one."
    ),
    uid: int = typer.Option(1000, "--uid", metavar="N", help="User of the image; 1101 for ModelArts' first version."),
    tool: ToolName = _TOOL,
    options: list[str] = typer.Option(
        [],
        "--build-option",
        metavar="OPTION",
        help="An option for the tool's build, as --build-option=--pull; repeatable.",
    ),
    as_json: bool = _JSON,
) -> None:
    """Build the training image on this machine; the tool's output goes to standard error."""
    from facejobs.jobs.image.build import BuildOrder, build_image
    from facejobs.jobs.image.tool import find_builder

    order = BuildOrder(context, tag, device, base, uid, tuple(options))
    builder = find_builder(tool)
    build_image(order, builder)
    if as_json:
        typer.echo(json.dumps({"image": tag, "device": device, "uid": uid, "tool": builder.name}))
        return
    typer.echo(f"{tag} is built by {builder.name}")
    typer.echo(f"  facejobs image push --tool {builder.name} {tag} REGISTRY/REPOSITORY:TAG   puts it into a registry")


@app.command()
def push(
    image: str = typer.Argument(..., metavar="IMAGE", help="Name of an image on this machine."),
    destination: str = typer.Argument(..., metavar="DESTINATION", help="REGISTRY/REPOSITORY:TAG"),
    tool: ToolName = _TOOL,
    as_json: bool = _JSON,
) -> None:
    """Put an image into a registry, with the tool's login; prints the name that pins it, REPOSITORY@sha256:…."""
    from facejobs.jobs.image.push import push_image
    from facejobs.jobs.image.tool import find_builder

    pushed = push_image(image, destination, find_builder(tool))
    if as_json:
        typer.echo(json.dumps({"destination": destination, **_as_json(pushed)}, indent=1))
    else:
        typer.echo(str(pushed.reference))


@app.command()
def inspect(
    image: str = typer.Argument(..., metavar="IMAGE", help="REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:…"),
    as_json: bool = _JSON,
) -> None:
    """Show what a registry has under a name: digest, size, what it starts, and whether jobs can run in it."""
    from facejobs.cli.tables import print_facts
    from facejobs.jobs.image.reference import parse_remote
    from facejobs.jobs.image.registry import examine

    found = examine(parse_remote(image))
    facts = _as_json(found)
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    typer.echo(str(found.reference))
    print_facts("image", _lines(found, facts))


def _as_json(image: "RemoteImage") -> dict[str, Any]:
    from facejobs.jobs.image.resolve import starts_run_train

    config = image.config
    return {
        "image": str(image.reference),
        "digest": image.reference.digest,
        "architecture": f"{image.os}/{image.architecture}",
        "size": image.size,
        "layers": list(image.layers),
        "fits_modelarts": image.size <= _MODELARTS_BYTES,
        "entrypoint": list(config.entrypoint) if config else None,
        "starts_run_train": starts_run_train(config.entrypoint) if config else None,
        "user": config.user if config else None,
        "labels": config.labels if config else None,
    }


def _lines(image: "RemoteImage", facts: dict[str, Any]) -> list[tuple[str, str]]:
    limit = f"{_MODELARTS_BYTES / 1e9:g} GB"
    fits = f"within ModelArts' {limit}" if facts["fits_modelarts"] else f"MORE THAN ModelArts' {limit}"
    lines = [
        ("digest", facts["digest"]),
        ("architecture", facts["architecture"]),
        ("size", f"{image.size / 1e6:,.1f} MB compressed, {fits}"),
        *((f"layer {number}", f"{size / 1e6:,.1f} MB") for number, size in enumerate(image.layers, start=1)),
    ]
    if image.config is None:
        return [*lines, ("entry point", "not told by docker; skopeo tells it (apt-get install skopeo)")]
    starts = " ".join(image.config.entrypoint) or "none"
    verdict = "" if facts["starts_run_train"] else "; NOT run_train.sh, so submit refuses it"
    lines += [("entry point", starts + verdict), ("user", image.config.user or "root")]
    return lines + [(f"label {name}", value) for name, value in sorted(image.config.labels.items()) if value]
