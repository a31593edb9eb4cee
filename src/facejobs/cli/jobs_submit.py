"""facejobs plan, submit, modify: from a spec, or an older version, to a new version."""

import json
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from facejobs.cli import job_options as options
from facejobs.errors import ExitCode

if TYPE_CHECKING:
    from facejobs.jobs.backends.base import Backend, Plan
    from facejobs.jobs.spec import JobSpec

app = typer.Typer(rich_markup_mode=None)

_SPEC = typer.Argument(..., metavar="SPEC", help="Job spec, such as jobs/face-recognition.yaml.")
_LONG = 76
Tracking = Literal["mlflow"]


@app.command("plan")
def plan(
    spec: Path = _SPEC,
    parameters: list[str] = options.PARAMETERS,
    inputs: list[str] = options.INPUTS,
    environment: list[str] = options.ENVIRONMENT,
    store: str = options.STORE,
    backend: str = options.BACKEND,
    backend_options: list[str] = options.BACKEND_OPTIONS,
    as_json: bool = options.JSON,
) -> None:
    """Print exactly what submitting a spec would run, as the next version of its job; nothing is run or written.

    Ends with 11 where something is IMPOSSIBLE, so that submitting it would be refused.
    """
    from facejobs.jobs.backends.opening import open_backend
    from facejobs.jobs.overrides import apply_options
    from facejobs.jobs.versions import open_version_store

    resolved = _load(spec, parameters, inputs, environment)
    url = open_version_store(store).next_folder(resolved.name).url
    planned = open_backend(backend, apply_options(resolved, backend, backend_options)).plan(resolved, url)
    if as_json:
        typer.echo(json.dumps({"spec": resolved.model_dump(mode="json"), **planned.as_json()}, indent=1))
    else:
        _print_plan(resolved, planned)
    if planned.impossible:
        raise typer.Exit(ExitCode.JOB)


@app.command("submit")
def submit(
    spec: Path = _SPEC,
    parameters: list[str] = options.PARAMETERS,
    inputs: list[str] = options.INPUTS,
    environment: list[str] = options.ENVIRONMENT,
    store: str = options.STORE,
    backend: str = options.BACKEND,
    backend_options: list[str] = options.BACKEND_OPTIONS,
    tracking: Tracking = options.TRACKING,
    as_json: bool = options.JSON,
) -> None:
    """Make a numbered version of a job and start it; returns when it is started."""
    from facejobs.jobs.backends.opening import open_backend
    from facejobs.jobs.overrides import apply_options

    resolved = _load(spec, parameters, inputs, environment)
    opened = open_backend(backend, apply_options(resolved, backend, backend_options))
    _submit(resolved, store, opened, None, tracking, as_json)


@app.command("modify")
def modify(
    job: str = options.JOB,
    version: str = options.VERSION,
    parameters: list[str] = options.PARAMETERS,
    inputs: list[str] = options.INPUTS,
    environment: list[str] = options.ENVIRONMENT,
    store: str = options.STORE,
    backend: str = typer.Option(None, "--backend", metavar="NAME", help="Where it runs; default: where it ran."),
    backend_options: list[str] = options.BACKEND_OPTIONS,
    tracking: Tracking = options.TRACKING,
    as_json: bool = options.JSON,
) -> None:
    """Make and start a new version from an older one, changed by -p, -i and -e; the older one is its parent."""
    from facejobs.jobs.backends.opening import open_backend
    from facejobs.jobs.errors import SpecError
    from facejobs.jobs.overrides import apply_options, apply_overrides
    from facejobs.jobs.versions import open_version_store

    parent = open_version_store(store).find(job, version)
    if not (parameters or inputs or environment):
        raise SpecError(
            f"nothing to change: give -p NAME=VALUE, such as facejobs modify {parent.job} {parent.name} -p seed=2"
        )
    changed = apply_overrides(parent.record.spec, parameters, inputs, environment).resolved(Path.cwd())
    name = backend or parent.record.backend.name
    opened = open_backend(name, apply_options(changed, name, backend_options, parent.record.backend))
    _submit(changed, store, opened, parent.name, tracking or parent.record.tracking, as_json)


def _load(path: Path, parameters: list[str], inputs: list[str], environment: list[str]) -> "JobSpec":
    from facejobs.jobs.overrides import apply_overrides
    from facejobs.jobs.spec import load_spec

    return apply_overrides(load_spec(path), parameters, inputs, environment).resolved(Path.cwd())


def _submit(
    spec: "JobSpec",
    store: str | None,
    backend: "Backend",
    parent: str | None,
    tracking: Tracking | None,
    as_json: bool,
) -> None:
    from facejobs.cli.jobs_progress import counting
    from facejobs.jobs.submission import submit as submit_spec
    from facejobs.jobs.versions import open_version_store

    with counting("reading the inputs") as advance:
        version = submit_spec(spec, open_version_store(store), backend, parent, advance, tracking)
    if as_json:
        facts = {"job": version.job, "version": version.name, "parent": parent, "url": version.url}
        typer.echo(json.dumps({**facts, "backend": backend.name}))
        return
    named = f"{version.job} {version.name}" + (f" --store {shlex.quote(store)}" if store else "")
    came_from = f", modified from {parent}," if parent else ""
    typer.echo(f"{version.job} {version.name}{came_from} is submitted to the backend {backend.name}: {version.url}")
    typer.echo(f"  facejobs wait {named}      shows its progress until it ends")
    typer.echo(f"  facejobs logs {named} -f   follows its log")


def _print_plan(spec: "JobSpec", plan: "Plan") -> None:
    from facejobs.cli.tables import print_facts
    from facejobs.storage.url import is_remote

    typer.echo(f"{spec.name}: {spec.description}" if spec.description else spec.name)
    typer.echo("\ncommand")
    typer.echo("  " + " \\\n    ".join(_command_lines(plan.command)))
    print_facts("environment", sorted(plan.environment.items()))
    if plan.request is not None:
        typer.echo(f"\nsent to {plan.backend}")
        typer.echo(textwrap.indent(_request_text(plan.request), "  "))
    inputs = []
    for name, url in spec.inputs.items():
        if is_remote(url):
            inputs.append((name, f"{url} is fetched to {plan.folder}/inputs/{name}"))
        else:
            inputs.append((name, f"{url}, used where it lies" if Path(url).exists() else f"{url} IS NOT THERE"))
    print_facts("inputs", inputs)
    output = f"{plan.folder}/output is uploaded into the version's folder"
    copy = f"; model/ also goes to {spec.output_url}" if spec.output_url else ""
    print_facts("output", [(spec.output, output + copy)])
    print_facts(
        f"what the backend {plan.backend} makes of it",
        [
            *(("honoured", item) for item in plan.honoured),
            *(("emulated", item) for item in plan.emulated),
            *(("IMPOSSIBLE", item) for item in plan.impossible),
        ],
    )


def _request_text(request: Any) -> str:
    """A script as it is, a body as YAML."""
    import yaml

    return request if isinstance(request, str) else yaml.safe_dump(request, sort_keys=False, width=120)


def _command_lines(command: list[str]) -> list[str]:
    """The command as a shell would take it: on one line if it fits, else an argument a line, options with values."""
    words = [shlex.quote(word) for word in command]
    if len(" ".join(words)) <= _LONG:
        return [" ".join(words)]
    lines: list[str] = []
    for word in words:
        if lines and lines[-1].startswith("--") and " " not in lines[-1] and not word.startswith("--"):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
