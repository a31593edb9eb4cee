"""Specs and records for tests of the version store."""

from datetime import UTC, datetime

from facejobs.jobs.code_facts import CodeFacts
from facejobs.jobs.environment_facts import EnvironmentFacts
from facejobs.jobs.spec import JobSpec
from facejobs.jobs.version_record import VersionRecord, version_name

MACHINE = EnvironmentFacts(
    host="node1", platform="Linux", python="3.11.7", packages={"facejobs": "0.1.0"}, cpu="a CPU", cpus=2, memory=None
)


def a_spec(name: str = "job", **fields: object) -> JobSpec:
    """A spec with one output; other fields as given."""
    return JobSpec.model_validate({"name": name, "command": "true", "outputs": {"model": None}, **fields})


def a_record(number: int, spec: JobSpec | None = None, parent: str | None = None) -> VersionRecord:
    """The record of a version as a submit would write it."""
    spec = spec or a_spec()
    return VersionRecord(
        job=spec.name,
        version=version_name(number),
        spec=spec,
        parent=parent,
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        by="ann@node1",
        code=CodeFacts(),
        environment=MACHINE,
    )
