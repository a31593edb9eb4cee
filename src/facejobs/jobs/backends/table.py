"""What each backend makes of a job spec, as a page of Markdown made from the backends' own plans and options.

The plans are made as on a machine of which nothing is known but eight GPUs, so the page is the same everywhere.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from facejobs.jobs.backends.base import Plan
from facejobs.jobs.backends.opening import missing_for, open_backend, options_type
from facejobs.jobs.errors import JobError
from facejobs.jobs.spec import BACKENDS, JobSpec, Resources

Level = Literal["honoured", "emulated", "impossible"]
_LEVELS: tuple[Level, ...] = ("impossible", "emulated", "honoured")
# Of these every backend makes the same: facejobs itself keeps and shows them.
_OF_FACEJOBS = ("name", "description", "backends")
_URL = "s3://faces/store/jobs/face-recognition/V0001"
_SPEC: dict[str, Any] = {
    "name": "face-recognition",
    "image": "registry.example.com/facejobs:1.0",
    "command": "sh jobs/run_face_recognition_train.sh",
    "inputs": {"data": "s3://faces/train"},
    "outputs": {"model": "s3://faces/model"},
    "parameters": {"lr": 0.1},
    "resources": {"gpus": 2, "gpu_type": "V100", "cpus": 4, "memory": "16GiB"},
    "retries": 1,
    "time_limit": "2h",
    "environment": {"OMP_NUM_THREADS": 2},
    "secrets": ["MLFLOW_TRACKING_TOKEN"],
}
# Rows of their own, where the answer depends on the value: the field, what the row is called, what the spec says.
_VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("inputs", "`inputs`: a path", {"inputs": {"data": "/data/faces"}}),
    ("resources.nodes", "`resources.nodes`: 2", {"resources": {**_SPEC["resources"], "nodes": 2}}),
)
# What a backend must be told before it can plan at all.
_OPTIONS: dict[str, dict[str, Any]] = {
    "slurm": {"python": "/opt/facejobs/bin/python"},
    "kubernetes": {"kubeconfig": "kubeconfig", "jobset": True},
    "modelarts": {"region": "cn-north-4", "project_id": "0123456789abcdef", "flavor": "modelarts.vm.v100.large"},
}
_VARIABLES = {
    "FACEJOBS_GPUS": "8",
    "FACEJOBS_SLOTS": "1",
    "HUAWEICLOUD_SDK_AK": "example",
    "HUAWEICLOUD_SDK_SK": "example",
    "HOME": "/home/ann",
}
_KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "example",
    "contexts": [{"name": "example", "context": {"cluster": "example", "user": "example"}}],
    "clusters": [{"name": "example", "cluster": {"server": "https://kubernetes.example.com"}}],
    "users": [{"name": "example", "user": {}}],
}
_HEAD = """\
# Backends

What each backend makes of a job spec, and its options. `facejobs plan SPEC --backend NAME` says the same of one spec,
with everything that would be sent. This page is printed by `facejobs backends --table`.

## Fields of a spec

*honoured*: done as asked. *emulated*: done in another way, or recorded only. *impossible*: a spec that asks for it is
refused before a version is made. What is not honoured is said in words below; some of it is with other options.
`name`, `description` and the options of other backends are kept in the version, whichever backend runs it.
"""


def backend_table() -> str:
    """The page docs/reference/backends.md; JobError if a backend's packages are not installed, or it does not plan."""
    with _example_machine() as folder:
        plans = {name: _plans(name, folder) for name in BACKENDS}
    parts = [_HEAD, _field_table(plans), *(_in_words(name, plans[name]) for name in BACKENDS), "## Options\n"]
    parts.append("Under `backends.NAME` in a spec, or `-o name=value` on the command line.\n")
    return "\n".join([*parts, *map(_options_table, BACKENDS)])


def answers(plan: Plan, field: str) -> list[tuple[Level, str]]:
    """What a plan says of one field of the spec: how it is met, and in which words; the most severe first."""
    found = []
    for level in _LEVELS:
        for item in getattr(plan, level):
            rest = item.removeprefix(field)
            # `inputs.data` and `inputs, outputs` are about inputs too.
            if rest != item and rest[:1] in ("", ":", ".", ",", " "):
                found.append((level, item.partition(": ")[2]))
    return found


def fields() -> list[str]:
    """Every field of a spec of which a backend has to say what it makes of it."""
    plain = [name for name in JobSpec.model_fields if name not in _OF_FACEJOBS]
    at = plain.index("resources")
    return plain[:at] + [f"resources.{name}" for name in Resources.model_fields] + plain[at + 1 :]


@contextmanager
def _example_machine() -> Iterator[Path]:
    """The environment of a machine without programs and settings; gives a folder with a kubeconfig."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kubeconfig").write_text(json.dumps(_KUBECONFIG))
        os.environ.clear()
        os.environ.update(_VARIABLES, PATH=name)
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)


def _plans(name: str, folder: Path) -> dict[str, tuple[str, Plan]]:
    """By title of the row: which field it is about, and the plan."""
    missing = missing_for(name)
    if missing:
        raise JobError(f"the table needs all backends, and {name} needs {missing}")
    options = dict(_OPTIONS.get(name, {}))
    if "kubeconfig" in options:
        options["kubeconfig"] = str(folder / options["kubeconfig"])
    backend = open_backend(name, options)

    def plan(change: dict[str, Any]) -> Plan:
        return backend.plan(JobSpec.model_validate({**_SPEC, **change}), _URL)

    usual = plan({})
    rows = {}
    for field in fields():
        variants = [(title, change) for of, title, change in _VARIANTS if of == field]
        if field != "resources.nodes":
            rows[f"`{field}`"] = (field, usual)
        for title, change in variants:
            rows[title] = (field, plan(change))
    return rows


def _field_table(plans: dict[str, dict[str, tuple[str, Plan]]]) -> str:
    titles = list(next(iter(plans.values())))
    lines = [_row("field", *plans), _row("---", *["---"] * len(plans))]
    for title in titles:
        cells = []
        for rows in plans.values():
            found = answers(rows[title][1], rows[title][0])
            cells.append(found[0][0] if found else "not said")
        lines.append(_row(title, *cells))
    return "\n".join(lines) + "\n"


def _in_words(name: str, rows: dict[str, tuple[str, Plan]]) -> str:
    lines = [f"### What `{name}` emulates or cannot do\n"]
    for title, (field, plan) in rows.items():
        for level, words in answers(plan, field):
            if level != "honoured":
                lines.append(f"- {title}, {level}: {words}")
    return "\n".join(lines if len(lines) > 1 else [*lines, "Nothing of the above."]) + "\n"


def _options_table(name: str) -> str:
    model = options_type(name)
    if not model.model_fields:
        return f"### `{name}`\n\nNone.\n"
    lines = [f"### `{name}`\n", _row("option", "default", "meaning"), _row("---", "---", "---")]
    for option, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        # An empty default says nothing that the meaning does not.
        shown = f"`{json.dumps(default, default=str)}`" if default or type(default) in (bool, int) else ""
        lines.append(_row(f"`{option}`", shown, field.description or ""))
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
